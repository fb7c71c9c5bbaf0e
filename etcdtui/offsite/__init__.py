"""Where backups go when they leave the cluster: a folder or share, Nexus, S3."""
