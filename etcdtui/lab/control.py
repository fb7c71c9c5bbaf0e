"""How a running lab is told what to do: one JSON line in, one out, on the loopback, with a token."""

from __future__ import annotations

import json
import secrets
import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etcdtui.errors import CommandFailed, ConfigError, EtcdTuiError, Refusal, Unreachable
from etcdtui.lab import places
from etcdtui.lab.certificates import write_private

Do = Callable[[str, str | None], str]


class ControlServer:
    """Listens for orders until closed; ``do`` carries them out."""

    def __init__(self, directory: Path, do: Do) -> None:
        self._token = secrets.token_hex(16)
        self._server = _Server((places.LOOPBACK, 0), self._token, do)
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        self._file = places.lab_file(directory)

    def publish(self, pid: int) -> None:
        """Write lab.json: from now on the lab can be found."""
        told = {"port": self._server.server_address[1], "token": self._token, "pid": pid}
        write_private(self._file, json.dumps(told).encode())

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


def send(directory: Path, action: str, node: str | None = None, *, timeout: float = 60) -> str:
    """Have the lab in ``directory`` do something; what it says. Raises EtcdTuiError."""
    known = read(directory)
    order = {"token": known["token"], "action": action, "node": node}
    try:
        with socket.create_connection((places.LOOPBACK, int(known["port"])), timeout) as connection:
            connection.sendall(json.dumps(order).encode() + b"\n")
            line = connection.makefile("rb").readline()
            answer = json.loads(line)
    except (OSError, ValueError) as exc:
        raise Unreachable(
            f"The lab in {directory} does not answer: {exc}.", "Is its `etcdtui lab up` still running?"
        ) from exc
    if answer.get("ok"):
        return str(answer.get("text", ""))
    if answer.get("refused"):
        raise Refusal(str(answer.get("text")))
    raise CommandFailed(str(answer.get("text")))


def read(directory: Path) -> dict[str, Any]:
    """lab.json of a folder. Raises ConfigError."""
    try:
        return dict(json.loads(places.lab_file(directory).read_text(encoding="utf-8")))
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"There is no running lab in {directory}.", f"Start one with: etcdtui lab up {directory}"
        ) from exc


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], token: str, do: Do) -> None:
        self.token, self.do = token, do
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        try:
            order = json.loads(self.rfile.readline(65536))
            if not secrets.compare_digest(str(order.get("token")), self.server.token):
                self._answer(ok=False, text="The lab does not know that token.")
                return
            self._answer(ok=True, text=self.server.do(str(order["action"]), order.get("node")))
        except Refusal as exc:
            self._answer(ok=False, refused=True, text=str(exc))
        except EtcdTuiError as exc:
            self._answer(ok=False, text=str(exc))
        except (ValueError, KeyError, OSError) as exc:
            self._answer(ok=False, text=f"The lab could not do it: {exc}.")

    def _answer(self, **answer: object) -> None:
        self.wfile.write(json.dumps(answer).encode() + b"\n")
