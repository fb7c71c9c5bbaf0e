"""An SSH server on paramiko's server side, for machines without sshd.

Public keys only, commands only (each with real pipes and an exit status), any number at once. As with
OpenSSH, a command is not killed when its connection ends: what it left running runs on.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import paramiko

from etcdtui.lab.sftp import Files

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """What the lab writes for us."""

    port: int
    user: str
    host_key: str
    authorized_keys: str
    environment: dict[str, str]
    home: str


class Session(paramiko.ServerInterface):
    """One connection: who may come in, and what they may ask for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._accepted: list[threading.Thread] = []

    def start_accepted(self) -> None:
        """Run the commands whose requests have been answered."""
        while self._accepted:
            self._accepted.pop().start()

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        allowed = Path(self._settings.authorized_keys).read_text(encoding="utf-8").splitlines()
        known = (line.split()[1] for line in allowed if len(line.split()) >= 2)
        if username == self._settings.user and key.get_base64() in known:
            return paramiko.common.AUTH_SUCCESSFUL
        return paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind == "session":
            return paramiko.common.OPEN_SUCCEEDED
        return paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        words = (channel, os.fsdecode(command), self._settings)
        self._accepted.append(threading.Thread(target=run, args=words, daemon=True))
        return True


def _answer_then_start(channel: Any, message: Any) -> None:
    paramiko.Channel._handle_request(channel, message)  # type: ignore[attr-defined]
    channel.transport.server_object.start_accepted()


class Transport(paramiko.Transport):
    """Starts a command after its request was answered: a quick one could end before the answer."""

    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
        paramiko.common.MSG_CHANNEL_REQUEST: _answer_then_start,
    }


def run(channel: paramiko.Channel, command: str, settings: Settings) -> None:
    """Run one command, its three streams being the channel's; close the channel after its end."""
    user = {"USER": settings.user, "LOGNAME": settings.user, "SHELL": "/bin/sh"}
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        env={**user, **settings.environment},
        cwd=settings.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    outputs = [
        threading.Thread(target=_pump_out, args=(process.stdout.fileno(), channel.sendall), daemon=True),
        threading.Thread(
            target=_pump_out, args=(process.stderr.fileno(), channel.sendall_stderr), daemon=True
        ),
    ]
    threading.Thread(target=_pump_in, args=(channel, process.stdin.fileno()), daemon=True).start()
    for thread in outputs:
        thread.start()
    status = process.wait()
    for thread in outputs:
        thread.join()
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        channel.send_exit_status(status if status >= 0 else 128 - status)
        channel.shutdown_write()
        channel.close()
    for stream in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(OSError):
            stream.close()


def _pump_out(source: int, send: Callable[[bytes], None]) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        while data := os.read(source, _CHUNK):
            send(data)


def _pump_in(channel: paramiko.Channel, target: int) -> None:
    with contextlib.suppress(OSError, EOFError):
        while data := channel.recv(_CHUNK):
            view = memoryview(data)
            while view:
                view = view[os.write(target, view) :]
    with contextlib.suppress(OSError):
        os.close(target)


def serve(settings: Settings) -> None:
    """Accept connections until killed."""
    key = paramiko.Ed25519Key(filename=settings.host_key)
    with socket.create_server(("127.0.0.1", settings.port), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_welcome, args=(connection, key, settings), daemon=True).start()


def _welcome(connection: socket.socket, key: paramiko.PKey, settings: Settings) -> None:
    transport = Transport(connection)
    transport.add_server_key(key)
    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files, settings.home)
    try:
        transport.start_server(server=Session(settings))
    except (paramiko.SSHException, OSError, EOFError):
        transport.close()
        return
    held: list[paramiko.Channel] = []
    while transport.is_active():
        # The transport holds its channels weakly: one that nobody else holds would close itself.
        channel = transport.accept(5)
        held = [known for known in held if not known.closed]
        if channel is not None:
            held.append(channel)


if __name__ == "__main__":
    serve(Settings(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
