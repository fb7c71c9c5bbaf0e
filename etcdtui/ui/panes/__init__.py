"""One file a pane of the dashboard."""
