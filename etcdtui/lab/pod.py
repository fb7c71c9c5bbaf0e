"""A static pod's manifest as the small kubelet understands it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etcdtui.lab import yamlfile


@dataclass(frozen=True, slots=True)
class Container:
    """What to run: words and environment, with the paths inside the pod made paths of this machine."""

    name: str
    image: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    mounts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pod:
    """A static pod. ``source`` is the text it was read from: another text is another pod."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    containers: tuple[Container, ...]
    grace: float
    source: str

    @property
    def uid(self) -> str:
        """As the real kubelet makes it: another source is another pod."""
        return hashlib.md5(self.source.encode(), usedforsecurity=False).hexdigest()


def parse(text: str, root: Path) -> Pod:
    """Read a manifest for the host whose ``/`` is ``root``. Raises ValueError with a sentence."""
    document = yamlfile.load(text)
    try:
        meta, spec = document["metadata"], document["spec"]
        volumes = {
            volume["name"]: volume["hostPath"]["path"]
            for volume in spec.get("volumes") or []
            if "hostPath" in volume
        }
        return Pod(
            name=str(meta["name"]),
            namespace=str(meta.get("namespace", "default")),
            labels={str(k): str(v) for k, v in (meta.get("labels") or {}).items()},
            containers=tuple(_container(item, volumes, root) for item in spec["containers"]),
            grace=float(spec.get("terminationGracePeriodSeconds", 30)),
            source=text,
        )
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"not a pod: {exc!r}") from exc


def mounted(text: str, mounts: Mapping[str, str]) -> str:
    """``text`` with every path inside the pod replaced by where it lies on this machine."""
    if not mounts:
        return text
    inside = "|".join(re.escape(path) for path in sorted(mounts, key=len, reverse=True))
    return re.sub(rf"(?<![\w./-])({inside})(?![\w.-])", lambda match: mounts[match.group(1)], text)


def _container(item: dict[str, Any], volumes: Mapping[str, str], root: Path) -> Container:
    mounts = {
        mount["mountPath"].rstrip("/"): str(root) + volumes[mount["name"]]
        for mount in item.get("volumeMounts") or []
        if mount["name"] in volumes
    }
    words = [*(item.get("command") or []), *(item.get("args") or [])]
    return Container(
        name=str(item["name"]),
        image=str(item.get("image", "")),
        command=tuple(mounted(str(word), mounts) for word in words),
        env={e["name"]: mounted(str(e.get("value", "")), mounts) for e in item.get("env") or []},
        mounts=mounts,
    )
