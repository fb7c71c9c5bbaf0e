#!/usr/bin/env bash
#
# The lab's cluster-restore.sh: takes the argument, prints the lines and does the steps of the script that
# OpenShift 4.11 to 4.16 puts on a control plane host (there it says: Created by cluster-etcd-operator).
#
#   cluster-restore.sh DIR

set -o errexit
set -o pipefail
set -o errtrace

usage() {
  echo 'Path to the directory containing backup files is required: ./cluster-restore.sh <path-to-backup>'
  echo 'The backup directory is expected to be contain two files:'
  echo '        1. etcd snapshot'
  echo '        2. A copy of the Static POD resources at the time of backup'
  exit 1
}

if [ "${LAB_SUDO-}" != "yes" ]; then
  echo "This script must be run as root"
  exit 1
fi
if [ -z "${1-}" ] || [ ! -d "$1" ]; then
  usage
fi

SCRIPTS_DIR="@ROOT@/etc/kubernetes/static-pod-resources/etcd-certs/configmaps/etcd-scripts"
for dependency in etcd.env etcd-common-tools; do
  if [ ! -f "${SCRIPTS_DIR}/${dependency}" ]; then
    echo "required dependencies not found, please ensure this script is run on a node with a functional etcd static pod"
    exit 1
  fi
  . "${SCRIPTS_DIR}/${dependency}"
done

# The last of each, whatever was meant: a directory with several backups restores the newest.
newest() {
  ls -d "$@" 2>/dev/null | sort | tail -n 1
}
BACKUP_DIR="$1"
BACKUP_FILE=$(newest "${BACKUP_DIR}"/static_kuberesources*.tar.gz) || true
SNAPSHOT_FILE=$(newest "${BACKUP_DIR}"/snapshot*.db) || true
if [ ! -f "${SNAPSHOT_FILE}" ]; then
  echo "etcd snapshot ${SNAPSHOT_FILE} does not exist"
  exit 1
fi
if [ ! -f "${BACKUP_FILE}" ]; then
  echo "required static pod resources ${BACKUP_FILE} do not exist"
  exit 1
fi

dl_etcdctl
if command -v etcdutl >/dev/null 2>&1; then
  tool=etcdutl
else
  tool=etcdctl
fi
if ! env -u ETCDCTL_ENDPOINTS "${tool}" snapshot status "${SNAPSHOT_FILE}" -w json; then
  echo "Backup integrity verification failed. Backup appears corrupted. Aborting!"
  exit 1
fi

wait_for_containers_to_stop() {
  local name
  for name in "$@"; do
    echo "Waiting for container ${name} to stop"
    while [ -n "$(crictl ps --label "io.kubernetes.container.name=${name}" -q)" ]; do
      printf '.'
      sleep 1
    done
    echo "complete"
  done
}

OTHER_PODS="kube-apiserver-pod.yaml kube-controller-manager-pod.yaml kube-scheduler-pod.yaml"
mkdir -p "${MANIFEST_STOPPED_DIR}"
for pod in etcd-pod.yaml ${OTHER_PODS}; do
  echo "...stopping ${pod}"
  if [ -f "${MANIFEST_DIR}/${pod}" ]; then
    mv "${MANIFEST_DIR}/${pod}" "${MANIFEST_STOPPED_DIR}"
  fi
done
wait_for_containers_to_stop etcd etcdctl etcd-metrics etcd-readyz
wait_for_containers_to_stop kube-controller-manager kube-apiserver kube-scheduler

mkdir -p "${ETCD_DATA_DIR_BACKUP}"
if [ -d "${ETCD_DATA_DIR}/member" ]; then
  if [ -d "${ETCD_DATA_DIR_BACKUP}/member" ]; then
    echo "removing previous backup ${ETCD_DATA_DIR_BACKUP}/member"
    rm -rf "${ETCD_DATA_DIR_BACKUP}/member"
  fi
  echo "Moving etcd data-dir ${ETCD_DATA_DIR}/member to ${ETCD_DATA_DIR_BACKUP}"
  mv "${ETCD_DATA_DIR}/member" "${ETCD_DATA_DIR_BACKUP}/"
fi

tar -C "${CONFIG_FILE_DIR}" -xzf "${BACKUP_FILE}" static-pod-resources
cp -p "${SNAPSHOT_FILE}" "${ETCD_DATA_DIR_BACKUP}/snapshot.db"

echo "starting restore-etcd static pod"
cp -p "${RESTORE_ETCD_POD_YAML}" "${MANIFEST_DIR}/etcd-pod.yaml"

for pod in ${OTHER_PODS}; do
  path=$(tar -tzf "${BACKUP_FILE}" | grep "^static-pod-resources/[^/]*/${pod}\$" | tail -n 1) || true
  if [ -z "${path}" ]; then
    echo "${pod} does not exist in ${BACKUP_FILE}"
    continue
  fi
  echo "starting ${pod}"
  tar -xzf "${BACKUP_FILE}" -C "${MANIFEST_DIR}" --strip-components=2 "${path}"
done
