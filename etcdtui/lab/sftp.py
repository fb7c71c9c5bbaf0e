"""The file side of the built-in SSH server: SFTP over the machine's own files."""

from __future__ import annotations

import os
from typing import Any

import paramiko


class Files(paramiko.SFTPServerInterface):
    """Plain files; relative paths begin at the user's home."""

    def __init__(self, server: paramiko.ServerInterface, home: str, *rest: Any, **options: Any) -> None:
        super().__init__(server, *rest, **options)
        self._home = home

    def _at(self, path: str) -> str:
        return os.path.join(self._home, path)

    def canonicalize(self, path: str) -> str:
        return os.path.realpath(self._at(path))

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            names = os.listdir(self._at(path))
            return [
                paramiko.SFTPAttributes.from_stat(os.lstat(os.path.join(self._at(path), name)), name)
                for name in names
            ]
        except OSError as exc:
            return _code(exc)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(os.stat(self._at(path)))
        except OSError as exc:
            return _code(exc)

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(os.lstat(self._at(path)))
        except OSError as exc:
            return _code(exc)

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        mode = {os.O_WRONLY: "wb", os.O_RDWR: "r+b"}.get(flags & os.O_ACCMODE, "rb")
        if flags & os.O_APPEND:
            mode = "ab"
        try:
            descriptor = os.open(self._at(path), flags, 0o666 if attr.st_mode is None else attr.st_mode)
            file = os.fdopen(descriptor, mode)
        except OSError as exc:
            return _code(exc)
        handle: Any = paramiko.SFTPHandle(flags)
        handle.readfile = handle.writefile = file
        return handle  # type: ignore[no-any-return]

    def remove(self, path: str) -> int:
        return _done(os.remove, self._at(path))

    def rename(self, oldpath: str, newpath: str) -> int:
        return _done(os.rename, self._at(oldpath), self._at(newpath))

    posix_rename = rename

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        return _done(os.mkdir, self._at(path))

    def rmdir(self, path: str) -> int:
        return _done(os.rmdir, self._at(path))

    def chattr(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        return _done(paramiko.SFTPServer.set_file_attr, self._at(path), attr)


def _done(action: Any, *words: Any) -> int:
    try:
        action(*words)
    except OSError as exc:
        return _code(exc)
    return paramiko.sftp.SFTP_OK


def _code(exc: OSError) -> int:
    return paramiko.SFTPServer.convert_errno(exc.errno or 0)
