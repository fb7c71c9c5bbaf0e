#!/usr/bin/env bash
#
# The lab's quorum-restore.sh: starts this host's own data again as a cluster of one member, as the script of
# OpenShift 4.18 and newer does (there it says: Created by cluster-etcd-operator).

@BEGIN@

@DEPENDENCIES@

ETCD_STATIC_POD_CONTAINERS=("etcd" "etcdctl" "etcd-metrics" "etcd-readyz" "etcd-rev")

mv_static_pods etcd-pod.yaml
wait_for_containers_to_stop "${ETCD_STATIC_POD_CONTAINERS[@]}"

echo "starting restore-etcd static pod"
cp "${QUORUM_RESTORE_ETCD_POD_YAML}" "${MANIFEST_DIR}/etcd-pod.yaml"
