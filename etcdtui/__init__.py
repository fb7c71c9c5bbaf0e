"""etcdtui: look after the etcd cluster of an OpenShift control plane from a terminal."""

__version__ = "0.1.0"
