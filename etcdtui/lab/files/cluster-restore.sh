#!/usr/bin/env bash
#
# The lab's cluster-restore.sh: takes the argument, prints the lines and does the steps of the script that
# OpenShift up to 4.17 puts on a control plane host (there it says: Created by cluster-etcd-operator).
#
#   cluster-restore.sh DIR

@BEGIN@

@RESTORE_ARGUMENTS@
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

#if checked
dl_etcdctl
check_snapshot_status "${SNAPSHOT_FILE}"
#end

OTHER_PODS="kube-apiserver-pod.yaml kube-controller-manager-pod.yaml kube-scheduler-pod.yaml"
#if first
mv_static_pods etcd-pod.yaml ${OTHER_PODS}
wait_for_containers_to_stop etcd etcdctl etcd-metrics etcd-readyz
wait_for_containers_to_stop kube-controller-manager kube-apiserver kube-scheduler
#else
mv_static_pods etcd-pod.yaml ${OTHER_PODS}
wait_for_containers_to_stop etcd etcdctl etcd-metrics kube-controller-manager kube-apiserver kube-scheduler
#end

move_data_away

tar -C "${CONFIG_FILE_DIR}" -xzf "${BACKUP_FILE}" static-pod-resources
cp -p "${SNAPSHOT_FILE}" "${ETCD_DATA_DIR_BACKUP}/snapshot.db"

#if first
echo "starting restore-etcd static pod"
asked=false
if [ -n "${ETCD_ETCDCTL_RESTORE_ENABLE_BUMP-}" ]; then
  asked=true
fi
line='export ETCD_ETCDCTL_RESTORE_ENABLE_BUMP='
sed "s/${line}\"false\"/${line}\"${asked}\"/" "${RESTORE_ETCD_POD_YAML}" > "${ASSET_DIR}/etcd-pod.yaml"
mv "${ASSET_DIR}/etcd-pod.yaml" "${MANIFEST_DIR}/etcd-pod.yaml"
#else
# What of the restore pod is one node's own, by the option that holds it.
node_name() { sed -n 's,.*/etcd-peer-\(.*\)\.crt.*,\1,p' "$1" | head -n 1; }
value_of() { sed -n "s,.*--$2=\([^ ]*\).*,\1,p" "$1" | head -n 1; }
shell_name() { printf '%s' "$1" | tr -c 'A-Za-z0-9_' '_'; }
restore_pod() {
  local name="restore-etcd-pod/pod.yaml" made="${ASSET_DIR}/restored-etcd-pod.yaml" path from to option
  path=$(tar -tzf "${BACKUP_FILE}" | grep "${name}\$" | tail -n 1) || true
  if [ -z "${path}" ]; then
    echo "${name} does not exist in ${BACKUP_FILE}"
    return 1
  fi
  echo "starting restored etcd-pod.yaml"
  tar -xzOf "${BACKUP_FILE}" "${path}" > "${made}" || return 1
  echo "replacing node specific parameters in restore etcd-pod.yaml"
  for option in initial-advertise-peer-urls listen-client-urls listen-metrics-urls; do
    from=$(value_of "${made}" "${option}")
    to=$(value_of "${RESTORE_ETCD_POD_YAML}" "${option}")
    if [ -z "${from}" ] || [ -z "${to}" ]; then
      echo "Warning: restore pod extraction failed: expected pattern \"${option}\" not found."
      return 1
    fi
    sed -i "s,${from},${to},g" "${made}"
  done
  from=$(node_name "${made}")
  sed -i "s,${from},@NODE@,g; s,NODE_$(shell_name "${from}")_,NODE_@SHELL_NAME@_,g" "${made}"
  mv "${made}" "${MANIFEST_DIR}/etcd-pod.yaml"
}
if ! restore_pod; then
  echo "Warning: could not extract restore pod. Using the restore pod manifest on the disk."
  if ! cp -p "${RESTORE_ETCD_POD_YAML}" "${MANIFEST_DIR}/etcd-pod.yaml" 2>/dev/null; then
    echo "Error: failed to create restore pod yaml. Exiting!"
    exit 1
  fi
fi
#end

for pod in ${OTHER_PODS}; do
  path=$(tar -tzf "${BACKUP_FILE}" | grep "^static-pod-resources/[^/]*/${pod}\$" | tail -n 1) || true
  if [ -z "${path}" ]; then
    echo "${pod} does not exist in ${BACKUP_FILE}"
    continue
  fi
  echo "starting ${pod}"
  tar -xzf "${BACKUP_FILE}" -C "${MANIFEST_DIR}" --strip-components=2 "${path}"
done
