#!/usr/bin/env bash
#
# The lab's cluster-restore.sh as OpenShift 4.18 and newer have it: etcd alone is stopped and restored (there
# it says: Created by cluster-etcd-operator).
#
#   cluster-restore.sh DIR

@BEGIN@

@RESTORE_ARGUMENTS@
BACKUP_FILE=$(newest "${BACKUP_DIR}"/static_kuberesources*.tar.gz) || true
SNAPSHOT_FILE=$(newest "${BACKUP_DIR}"/snapshot*.db) || true
ETCD_STATIC_POD_CONTAINERS=("etcd" "etcdctl" "etcd-metrics" "etcd-readyz" "etcd-rev" "etcd-backup-server")
if [ ! -f "${SNAPSHOT_FILE}" ]; then
  echo "etcd snapshot ${SNAPSHOT_FILE} does not exist"
  exit 1
fi

dl_etcdctl
check_snapshot_status "${SNAPSHOT_FILE}"

mv_static_pods etcd-pod.yaml
wait_for_containers_to_stop "${ETCD_STATIC_POD_CONTAINERS[@]}"

move_data_away

# What is left would keep the restore pod from its work; the revision it takes with it.
if [ -f "${ETCD_REV_JSON}" ]; then
  mv -f "${ETCD_REV_JSON}" "${ETCD_DATA_DIR_BACKUP}/revision.json"
fi
find "${ETCD_DATA_DIR}" -mindepth 1 -maxdepth 1 -exec mv -f -t "${ETCD_DATA_DIR_BACKUP}" {} +

tar -C "${CONFIG_FILE_DIR}" -xzf "${BACKUP_FILE}" static-pod-resources
cp -p "${SNAPSHOT_FILE}" "${ETCD_DATA_DIR_BACKUP}/snapshot.db"

echo "starting restore-etcd static pod"
cp -p "${RESTORE_ETCD_POD_YAML}" "${MANIFEST_DIR}/etcd-pod.yaml"

told() { printf '# %-72s #\n' "$@"; }
rule=$(printf '#%.0s' {1..76})
echo "${rule}"
told "SNAPSHOT RESTORE COMPLETED" "" \
  "Now wait until the cluster is stable:" \
  "  oc adm wait-for-stable-cluster" \
  "If etcd is not rolled out to the other hosts, have it done:" \
  "  oc patch etcd cluster --type=merge -p \\" \
  "    '{\"spec\": {\"forceRedeploymentReason\": \"recovery-...\"}}'" \
  "If that does nothing either, move etcd-pod.yaml of this host out of the" \
  "manifests and back again."
echo "${rule}"
