"""Getting there: SSH, this machine, the warm pipe, the Kubernetes API."""
