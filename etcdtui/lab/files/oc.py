"""Stands in for oc on a host: `oc get KIND [NAME] [-n NAMESPACE] [-o json|name|jsonpath=...]`, and
`oc adm wait-for-stable-cluster [--minimum-stable-period=1m] [--timeout=1h]`.
"""

import base64
import json
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from typing import Any

KINDS = {
    "co": "apis/config.openshift.io/v1/clusteroperators",
    "clusteroperator": "apis/config.openshift.io/v1/clusteroperators",
    "clusteroperators": "apis/config.openshift.io/v1/clusteroperators",
    "clusterversion": "apis/config.openshift.io/v1/clusterversions",
    "etcd": "apis/operator.openshift.io/v1/etcds",
    "csr": "apis/certificates.k8s.io/v1/certificatesigningrequests",
    "machine": "apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api/machines",
    "machines": "apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api/machines",
    "secret": "api/v1/namespaces/{namespace}/secrets",
    "secrets": "api/v1/namespaces/{namespace}/secrets",
    "node": "api/v1/nodes",
    "nodes": "api/v1/nodes",
    "pod": "api/v1/namespaces/{namespace}/pods",
    "pods": "api/v1/namespaces/{namespace}/pods",
}


def main(kubeconfig: str, words: list[str]) -> int:
    kubeconfig = os.environ.get("KUBECONFIG") or kubeconfig
    plain, form, namespace = [], "name", "openshift-etcd"
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if word in ("-o", "--output"):
            form = next(rest, "")
        elif word.startswith("-o"):
            form = word[2:].lstrip("=")
        elif word in ("-n", "--namespace"):
            namespace = next(rest, "")
        elif word.startswith("--kubeconfig="):
            kubeconfig = word.partition("=")[2]
        elif word == "--kubeconfig":
            kubeconfig = next(rest, "")
        elif word.startswith("--"):
            name, _, value = word[2:].partition("=")
            options[name] = value
        else:
            plain.append(word)
    if plain[:2] == ["adm", "wait-for-stable-cluster"]:
        stable = seconds(options.get("minimum-stable-period", "5m"))
        return wait_for_stable(kubeconfig, stable, seconds(options.get("timeout", "1h")))
    if len(plain) < 2 or plain[0] != "get" or plain[1].split("/")[0] not in KINDS:
        print(f"error: this lab's oc only knows: oc get {'|'.join(KINDS)}", file=sys.stderr)
        return 1
    kind, _, name = plain[1].partition("/")
    path = KINDS[kind].format(namespace=namespace)
    name = name or (plain[2] if len(plain) > 2 else "")
    try:
        answer = ask(kubeconfig, f"{path}/{name}" if name else path)
    except urllib.error.HTTPError as exc:
        print(f"Error from server: {json.load(exc).get('message', exc)}", file=sys.stderr)
        return 1
    except (OSError, ValueError, KeyError) as exc:
        print(f"Unable to connect to the server: {exc}", file=sys.stderr)
        return 1
    if form == "json":
        print(json.dumps(answer, indent=4))
    elif form.startswith("jsonpath="):
        print(" ".join(texts(answer, form.partition("=")[2].strip("'"))), end="")
    else:
        for item in answer.get("items", [answer]):
            print(item["metadata"]["name"])
    return 0


def seconds(text: str) -> float:
    """``1h``, ``5m`` or ``30s``."""
    return sum(
        float(number) * {"h": 3600, "m": 60, "s": 1}[unit]
        for number, unit in re.findall(r"([\d.]+)([hms])", text)
    )


def wait_for_stable(kubeconfig: str, period: float, timeout: float) -> int:
    """Until every operator has been available, not progressing and not degraded for so long."""
    end, since, said = time.monotonic() + timeout, None, ""
    while True:
        try:
            unstable = [w for item in ask(kubeconfig, KINDS["co"])["items"] for w in unsettled(item)]
        except (OSError, ValueError, KeyError) as exc:
            unstable = [f"clusteroperators are not yet reported: {exc}"]
        now = time.monotonic()
        since = None if unstable else since or now
        told = "\n".join(unstable) or "All clusteroperators are stable"
        if told != said:
            said = told
            print(told, flush=True)
        if since is not None and now - since >= period:
            return 0
        if now >= end:
            print("error: wait aborted: clusteroperators did not stabilize in time", file=sys.stderr)
            return 1
        time.sleep(1)


def unsettled(operator: Any) -> list[str]:
    """What keeps one operator from being stable."""
    name = operator["metadata"]["name"]
    told = {c["type"]: c for c in operator["status"]["conditions"]}
    wanted = {"Available": "True", "Progressing": "False", "Degraded": "False"}
    return [
        f"clusteroperators/{name}: {kind} is {told[kind]['status']}: {told[kind]['message']}"
        for kind, value in wanted.items()
        if kind in told and told[kind]["status"] != value
    ]


def ask(kubeconfig: str, path: str) -> Any:
    with open(kubeconfig, encoding="utf-8") as file:
        known = json.load(file)
    cluster = known["clusters"][0]["cluster"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    request = urllib.request.Request(
        f"{cluster['server']}/{path}",
        headers={"Authorization": f"Bearer {known['users'][0]['user']['token']}"},
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)


def texts(document: Any, template: str) -> list[str]:
    """The values of one {.a.b[?(@.type=="X")].c} template."""
    found = [document]
    for part in re.findall(r"\.(\w+)|\[\?\(@\.(\w+)==\"([^\"]*)\"\)\]|\[(\*)\]", template):
        field, key, value, every = part
        if field:
            found = [item[field] for item in found if isinstance(item, dict) and field in item]
        elif key:
            found = [item for items in found for item in items if str(item.get(key)) == value]
        elif every:
            found = [item for items in found for item in items]
    return [item if isinstance(item, str) else json.dumps(item) for item in found]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
