#!/usr/bin/env bash
#
# The lab's cluster-backup.sh: takes the arguments, prints the lines and leaves the files of the script that
# OpenShift puts on a control plane host (there it says: Created by cluster-etcd-operator).
#
#if checked
#   cluster-backup.sh [--force] DIR
#else
#   cluster-backup.sh DIR
#end

@BEGIN@

usage() {
#if checked
  echo 'Path to backup dir required: ./cluster-backup.sh [--force] <path-to-backup-dir>'
#else
  echo 'Path to backup dir required: ./cluster-backup.sh <path-to-backup-dir>'
#end
  exit 1
}

DIRTY=""
FORCE=""
#if checked
if [ "${1-}" = "--force" ]; then
  FORCE="yes"
  DIRTY="__POSSIBLY_DIRTY__"
  shift
fi
#end
if [ -z "${1-}" ] || [ -f "$1" ]; then
  usage
fi

BACKUP_DIR="$1"
mkdir -p "${BACKUP_DIR}"

DATESTRING=$(date "+%F_%H%M%S")
BACKUP_TAR_FILE="${BACKUP_DIR}/static_kuberesources_${DATESTRING}${DIRTY}.tar.gz"
SNAPSHOT_FILE="${BACKUP_DIR}/snapshot_${DATESTRING}${DIRTY}.db"
trap 'rm -f "${BACKUP_TAR_FILE}" "${SNAPSHOT_FILE}"' ERR

@DEPENDENCIES@

#if checked
refuse_while_progressing() {
  local operator="$1" progressing
  progressing=$(oc get co "${operator}" -o jsonpath='{.status.conditions[?(@.type=="Progressing")].status}') || true
  if [ -z "${progressing}" ]; then
    echo "Could not find the status of the ${operator}. Check if the API server is running. Pass the --force flag to skip checks."
    exit 1
  elif [ "${progressing}" != "False" ]; then
    echo "Currently the ${operator} operator is progressing. A reliable backup requires that a rollout is not in progress.  Aborting!"
    exit 1
  fi
}

if [ -z "${FORCE}" ]; then
  for operator in etcd kube-apiserver kube-controller-manager kube-scheduler; do
    refuse_while_progressing "${operator}"
  done
fi

# etcd.env names the certificates by their path inside the pod.
ETCDCTL_CACERT="${ETCDCTL_CACERT/static-pod-certs/static-pod-resources/etcd-certs}"
ETCDCTL_CERT="${ETCDCTL_CERT/static-pod-certs/static-pod-resources/etcd-certs}"
ETCDCTL_KEY="${ETCDCTL_KEY/static-pod-certs/static-pod-resources/etcd-certs}"
export ETCDCTL_CACERT ETCDCTL_CERT ETCDCTL_KEY
#else
# etcd.env names the certificates by their path inside the pod: from now on it is one of this host, too.
if [ ! -e "${CONFIG_FILE_DIR}/static-pod-certs" ]; then
  ln -s static-pod-resources/etcd-certs "${CONFIG_FILE_DIR}/static-pod-certs"
fi
#end

dl_etcdctl

RESOURCES=()
#if checked
# The resource directory that the manifest of each static pod uses now.
for pod in kube-apiserver kube-controller-manager kube-scheduler etcd; do
  manifest="${MANIFEST_DIR}/${pod}-pod.yaml"
  if [ ! -f "${manifest}" ]; then
    echo "error finding manifests for the ${pod} pod. please check if it is running."
    exit 1
  fi
  latest=$(grep -o "/etc/kubernetes/static-pod-resources/${pod}-pod-[0-9]*" "${manifest}" | head -n 1) || true
  if [ -z "${latest}" ]; then
    echo "error finding static-pod-resources for the ${pod} pod. please check if it is running."
    exit 1
  fi
  echo "found latest ${pod}: @ROOT@${latest}"
  RESOURCES+=("${latest#/etc/kubernetes/}")
done
#else
# The newest resource directory of each static pod, whether its manifest uses it or not.
for pod in kube-apiserver-pod kube-controller-manager-pod kube-scheduler-pod etcd-pod; do
  latest=$(ls -vd "${CONFIG_FILE_DIR}/static-pod-resources/${pod}"-[0-9]* 2>/dev/null | tail -n 1) || true
  if [ -z "${latest}" ]; then
    echo "error finding static-pod-resources ${pod}"
    exit 1
  fi
  echo "found latest ${pod}: ${latest}"
  RESOURCES+=("${latest#"${CONFIG_FILE_DIR}/"}")
done
#end
tar -cpzf "${BACKUP_TAR_FILE}" -C "${CONFIG_FILE_DIR}" "${RESOURCES[@]}"
chmod 600 "${BACKUP_TAR_FILE}"

ETCDCTL_ENDPOINTS="https://${NODE_@SHELL_NAME@_IP}:@CLIENT_PORT@" etcdctl snapshot save "${SNAPSHOT_FILE}"
chmod 600 "${SNAPSHOT_FILE}"

#if checked
if ! (check_snapshot_status "${SNAPSHOT_FILE}"); then
  rm -f "${BACKUP_TAR_FILE}" "${SNAPSHOT_FILE}"
  exit 1
fi
#end

echo "snapshot db and kube resources are successfully saved to ${BACKUP_DIR}"
