"""What the files and folders of backups are called: on hosts, here, in stores. Pure."""

from __future__ import annotations

import re
from typing import Final

from etcdtui.model.backups import DIRTY, BackupSet
from etcdtui.model.manifest import SUFFIX

AGE: Final = ".age"
"""What is put behind the name of a file that was encrypted."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def safe(word: str) -> str:
    """``word`` as part of a file's or an object's name."""
    return _UNSAFE.sub("_", word)


def folder_name(stamp: str, host: str) -> str:
    """The folder of one backup, here and in stores."""
    return f"{stamp}-{safe(host)}"


def manifest_name(backup: BackupSet) -> str:
    """What the manifest beside these files is called."""
    mark = DIRTY if backup.dirty else ""
    return f"snapshot_{backup.stamp}{mark}{SUFFIX}"
