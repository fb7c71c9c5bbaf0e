"""Where things are on a control plane host, and how that kind of host does things."""
