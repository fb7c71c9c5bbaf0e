"""Widgets that know nothing of etcd: scrolling lines, a list, a table."""
