"""Programs that run as children of ours on this machine, etcd above all, and are gone however we end."""
