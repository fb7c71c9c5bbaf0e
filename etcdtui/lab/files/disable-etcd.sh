#!/usr/bin/env bash
#
# The lab's disable-etcd.sh: moves etcd's manifest aside and waits until its containers have stopped, as the
# script of OpenShift 4.18 and newer does (there it says: Created by cluster-etcd-operator).

@BEGIN@

@DEPENDENCIES@

ETCD_STATIC_POD_CONTAINERS=("etcd" "etcdctl" "etcd-metrics" "etcd-readyz" "etcd-rev")

mv_static_pods etcd-pod.yaml
wait_for_containers_to_stop "${ETCD_STATIC_POD_CONTAINERS[@]}"
