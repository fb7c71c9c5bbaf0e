"""Where things lie on one kind of control plane host. Every path can be overridden in clusters.toml."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of an OpenShift master; ``root`` is put before each of them (a chroot, a lab).

    Source of the defaults: the cluster-etcd-operator's scripts and the documentation of OpenShift 4.
    """

    root: str = ""
    manifests: str = "/etc/kubernetes/manifests"
    resources: str = "/etc/kubernetes/static-pod-resources"
    etcd_scripts: str = "/etc/kubernetes/static-pod-resources/etcd-certs/configmaps/etcd-scripts"
    # etcd.env names certificates by their path inside the pod, which need not exist on the host.
    pod_certificates: str = "/etc/kubernetes/static-pod-certs"
    host_certificates: str = "/etc/kubernetes/static-pod-resources/etcd-certs"
    client_tools: str = "/etc/kubernetes/static-pod-resources/bin"
    data: str = "/var/lib/etcd"
    backup_script: str = "/usr/local/bin/cluster-backup.sh"
    restore_script: str = "/usr/local/bin/cluster-restore.sh"
    backups: str = "/home/core/backup"
    jobs: str = "/var/tmp/etcdtui"
    sudo: tuple[str, ...] = ("sudo", "-n")

    def at(self, path: str) -> str:
        """``path`` on this host, below its root."""
        return f"{self.root}{path}" if self.root else path

    @property
    def etcd_env(self) -> str:
        return self.at(f"{self.etcd_scripts}/etcd.env")

    @property
    def common_tools(self) -> str:
        return self.at(f"{self.etcd_scripts}/etcd-common-tools")


PATH_FIELDS = tuple(f.name for f in fields(Layout) if f.name != "sudo")
