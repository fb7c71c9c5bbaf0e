"""What is done to a cluster, step by step."""
