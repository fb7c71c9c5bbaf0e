"""One cluster as the rest of the program sees it."""

from etcdtui.cluster.cluster import Cluster

__all__ = ["Cluster"]
