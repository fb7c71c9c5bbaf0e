"""A control plane in a folder: real etcd, real SSH, a real API over TLS."""
