"""Stands in for crictl: answers from the kubelet's state, and runs a command as in a container of a pod."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

State = dict[str, Any]


def fail(text: str) -> int:
    print(f"FATA[0000] {text}", file=sys.stderr)
    return 1


def main(root: str, system_path: str, image: str, words: list[str]) -> int:
    if os.environ.get("LAB_SUDO") != "yes":
        return fail(
            "validate service connection: validate CRI v1 runtime API for endpoint "
            '"unix:///var/run/crio/crio.sock": connect: permission denied'
        )
    try:
        with open(f"{root}/run/kubelet.json", encoding="utf-8") as file:
            containers = json.load(file)["containers"]
    except OSError:
        containers = []
    if not words:
        return fail("no command given")
    verb, rest = words[0], words[1:]
    if verb == "ps":
        return ps(containers, rest)
    if verb in ("exec", "logs", "inspect"):
        return on_one(verb, containers, rest, system_path, image)
    if verb == "version":
        print("RuntimeName:  lab\nRuntimeApiVersion:  v1")
        return 0
    return fail(f"this lab's crictl does not know {verb!r}")


def ps(containers: list[State], rest: list[str]) -> int:
    show_all, quiet, form, state = False, False, "table", ""
    filters: list[Callable[[State], bool]] = []
    words = iter(rest)
    for word in words:
        word, has_value, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word in ("-a", "--all"):
            show_all = True
        elif word in ("-q", "--quiet"):
            quiet = True
        elif word in ("-qa", "-aq"):
            show_all = quiet = True
        elif word in ("-o", "--output", "--name", "--label", "--state", "-s"):
            value = value if has_value else next(words, "")
            if word in ("-o", "--output"):
                form = value
            elif word in ("--state", "-s"):
                state = value.lower()
            elif word == "--name":
                filters.append(partial(name_fits, value))
            else:
                filters.append(partial(label_fits, *value.partition("=")[::2]))
        else:
            return fail(f"this lab's crictl ps does not know {word!r}")
    if state:
        wanted = [c for c in containers if c["state"] == state]
    else:
        wanted = [c for c in containers if show_all or c["state"] == "running"]
    wanted = [c for c in wanted if all(test(c) for test in filters)]
    if quiet:
        for container in wanted:
            print(container["id"])
    elif form == "json":
        print(json.dumps({"containers": [described(c) for c in wanted]}, indent=2))
    else:
        print(f"{'CONTAINER':<20}{'IMAGE':<40}{'CREATED':<24}{'STATE':<12}{'NAME':<36}{'ATTEMPT':<10}POD")
        for c in wanted:
            print(
                f"{c['id'][:13]:<20}{c['image']:<40}{c['started_at']:<24}{c['state'].title():<12}"
                f"{c['name']:<36}{c['restarts']:<10}{c['pod']}"
            )
    return 0


def name_fits(pattern: str, container: State) -> bool:
    return re.search(pattern, container["name"]) is not None


def label_fits(key: str, value: str, container: State) -> bool:
    return labels(container).get(key) == value


def labels(container: State) -> dict[str, str]:
    return {
        "io.kubernetes.container.name": container["name"],
        "io.kubernetes.pod.name": container["pod"],
        "io.kubernetes.pod.namespace": container["namespace"],
    }


def described(container: State) -> State:
    return {
        "id": container["id"],
        "metadata": {"name": container["name"], "attempt": container["restarts"]},
        "image": {"image": container["image"]},
        "state": f"CONTAINER_{container['state'].upper()}",
        "createdAt": container["started_at"],
        "labels": labels(container),
    }


def ended(container: State) -> str:
    if container["state"] == "running":
        return ""
    return "Error" if container["exit_code"] else "Completed"


def on_one(verb: str, containers: list[State], rest: list[str], system_path: str, image: str) -> int:
    rest = list(rest)
    tail = None
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in ("--tail", "--timeout") and rest:
            tail = rest.pop(0)
        elif option.startswith("--tail="):
            tail = option.partition("=")[2]
    if not rest:
        return fail("ID cannot be empty")
    wanted, words = rest[0], rest[1:]
    found = [c for c in containers if wanted and c["id"].startswith(wanted)]
    if len(found) != 1:
        return fail(
            f'could not find container "{wanted}": rpc error: code = NotFound desc = could not find '
            f'container "{wanted}": container with ID starting with {wanted} not found'
        )
    container = found[0]
    if verb == "inspect":
        status = {
            **described(container),
            "startedAt": container["started_at"],
            "finishedAt": container["finished_at"] or "0001-01-01T00:00:00Z",
            "exitCode": container["exit_code"] or 0,
            "reason": ended(container),
            "message": container["message"] if container["exit_code"] else "",
            "logPath": container["log"],
        }
        print(json.dumps({"status": status, "info": {"pid": container["pid"] or 0}}, indent=2))
        return 0
    if verb == "logs":
        if not os.path.exists(container["log"]):
            return 0
        return subprocess.call(["tail", "-n", tail or "+1", container["log"]])
    if container["state"] != "running":
        return fail(
            f"execing command in container: rpc error: code = Unknown desc = container {container['id']} "
            "is not created or running"
        )
    while words and words[0] in ("-i", "-t", "-it", "-s", "--sync", "--"):
        words.pop(0)
    if not words:
        return fail("no command given to exec")
    mounts = container["mounts"]
    env = {**os.environ, **container["env"], "PATH": f"{image}:{system_path}"}
    words = [mounted(word, mounts) for word in words]
    with contextlib.suppress(OSError):
        os.execvpe(words[0], words, env)
    return fail(
        f"execing command in container: executable file `{words[0]}` not found in $PATH: "
        "No such file or directory"
    )


def mounted(text: str, mounts: dict[str, str]) -> str:
    if not mounts:
        return text
    inside = "|".join(re.escape(path) for path in sorted(mounts, key=len, reverse=True))
    return re.sub(rf"(?<![\w./-])({inside})(?![\w.-])", lambda match: mounts[match.group(1)], text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
