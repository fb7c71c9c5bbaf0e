"""What cluster-backup.sh says when it fails, put into words."""

from __future__ import annotations

import re

from etcdtui.etcd import causes
from etcdtui.procedures.procedure import Explain
from etcdtui.text import clean

_KNOWN = (
    (
        r"sudo: .*password is required|sudo: .*not allowed|is not in the sudoers",
        "sudo on {host} does not let us run it: “{line}”. Allow the login user sudo without a "
        "password there.",
    ),
    (
        r"This script must be run as root",
        "The script on {host} was not run as root. Check the configured sudo (layout.sudo).",
    ),
    (
        r"required dependencies not found",
        "The script finds no etcd on {host}: etcd.env or etcd-common-tools are missing there. Take the "
        "backup on a host where the etcd pod runs.",
    ),
    (
        r"Currently the (?P<what>\S+) operator is progressing",
        "The operator {what} is rolling out a change, so the script refused; it wrote nothing. Wait until "
        "the rollout has ended and try again.",
    ),
    (
        r"Could not find the status of the (?P<what>[\w-]+)",
        "The script could not ask the API about the operator {what}, so it refused; it wrote nothing. See "
        "why the API does not answer on {host}.",
    ),
    (
        r"[Bb]ackup integrity verification failed",
        "The script checked the snapshot it had saved on {host} and found it corrupted; it removed both "
        "files. Take the backup on another host, and look at the disk of this one.",
    ),
    (
        r"[Nn]o space left on device|[Dd]isk quota exceeded",
        "The disk of {folder} on {host} is full. What was written is no backup. Remove old backups that lie "
        "safely elsewhere, then try again.",
    ),
    (
        r"[Ff]ile too large",
        "{folder} on {host} takes no file so large: “{line}”. What was written is no backup. Name another "
        "folder (layout.backups).",
    ),
    (
        r"[Rr]ead-only file system",
        "{folder} on {host} lies on a filesystem that cannot be written to: “{line}”.",
    ),
    (
        r"{script}: (?:command not found|No such file|not found|Permission denied)",
        "{script} cannot be run on {host}: “{line}”.",
    ),
    (
        r"error finding (?:manifests|static-pod-resources) for the (?P<what>[\w-]+) pod",
        "The static pod {what} does not run from {host}'s manifests, so the script stopped. Take the backup "
        "on another host.",
    ),
)


def explain(host: str, folder: str, script: str) -> Explain:
    """Known failures of cluster-backup.sh as sentences."""

    def words(status: int, said: str) -> str:
        for pattern, sentence in _KNOWN:
            found = re.search(pattern.replace("{script}", re.escape(script)), said)
            if found:
                return sentence.format(
                    host=host,
                    folder=folder,
                    script=script,
                    line=_line_of(said, found.start()),
                    what=found.groupdict().get("what", ""),
                )
        problem = causes.explain(said)
        if problem is not None:
            return (
                f"The script on {host} ended with exit code {status}: {problem.message}. It said last: "
                f"“{causes.last_words(said)}”."
            )
        return ""

    return words


def _line_of(said: str, position: int) -> str:
    start = said.rfind("\n", 0, position) + 1
    end = said.find("\n", position)
    return clean(said[start : end if end >= 0 else len(said)].strip(), 200)
