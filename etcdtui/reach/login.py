"""The login program of a kubeconfig (``users[].user.exec``), run away from the terminal and with an end.

The Kubernetes library would hand it our keyboard and screen, and wait for it for ever.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from etcdtui.errors import AuthFailed
from etcdtui.text import clean

PATIENCE = 20.0  # seconds
_BY_HAND = "Run it by hand (for instance: oc login), then press r or start again."


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login gave: a token, or a client certificate with its key (PEM). Secrets: never shown."""

    token: str = ""
    certificate: str = ""
    key: str = ""
    expires: str = ""  # RFC 3339; empty when it was not told


class LoginProgram:
    """Runs login programs, one after the other. ``close`` may come from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def run(
        self,
        settings: Mapping[str, Any],
        cluster: Mapping[str, Any],
        folder: str = "",
        patience: float = PATIENCE,
    ) -> Credentials:
        """Ask the program that ``settings`` (the exec part of a kubeconfig) name, from ``folder``.

        ``cluster`` is told to one that wants it. Raises AuthFailed when it fails, gives nothing usable, or
        does not end within ``patience`` seconds.
        """
        argv, version, environment = _read(settings)
        info: dict[str, Any] = {
            "apiVersion": version,
            "kind": "ExecCredential",
            "spec": {"interactive": False},
        }
        if settings.get("provideClusterInfo"):
            told = info["spec"]["cluster"] = dict(cluster)
            for extension in cluster.get("extensions") or ():
                if extension["name"] == "client.authentication.k8s.io/exec":
                    told["config"] = extension["extension"]
        name = clean(os.path.basename(argv[0]), 60)
        out = self._ask(
            argv, name, folder, {**environment, "KUBERNETES_EXEC_INFO": json.dumps(info)}, patience
        )
        return _parse(out, name, version)

    def close(self) -> None:
        """End the one that runs, and start no other."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                _kill(self._process)

    def _ask(
        self, argv: Sequence[str], name: str, folder: str, environment: Mapping[str, str], patience: float
    ) -> bytes:
        with self._lock:
            if self._closed:
                raise AuthFailed(f"The login program {name} was not started: etcdtui ends.")
            try:
                # A session of its own has no terminal: it can neither read our keys nor write on the screen.
                process = self._process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=folder or None,
                    env={**os.environ, **environment},
                    start_new_session=True,
                )
            except (OSError, ValueError) as exc:
                why = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
                raise AuthFailed(
                    f"The login program {name} of the kubeconfig cannot be started: {why}.",
                    "Is it installed, and on the PATH?",
                ) from exc
        try:
            out, err = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired as exc:
            raise AuthFailed(
                f"The login program {name} did not end within {patience:g} s.", _BY_HAND
            ) from exc
        finally:
            with self._lock:
                self._process = None
                _kill(process)  # whatever it left behind ends with it
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        if process.returncode != 0:
            said = clean(err.decode("utf-8", "replace").strip(), 300).rstrip(".")
            raise AuthFailed(
                f"The login program {name} failed with exit {process.returncode}: "
                f"{said or 'it said nothing'}.",
                _BY_HAND,
            )
        return out


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _read(settings: Mapping[str, Any]) -> tuple[list[str], str, dict[str, str]]:
    """Command, version of the protocol and environment. Raises ValueError where they are not usable."""
    command, version = settings.get("command"), settings.get("apiVersion")
    if not (isinstance(command, str) and command and isinstance(version, str) and version):
        raise ValueError("its exec part names no command or no apiVersion")
    if settings.get("interactiveMode") == "Always":
        raise AuthFailed("The login program of the kubeconfig wants a keyboard (interactiveMode).", _BY_HAND)
    words = [str(word) for word in settings.get("args") or ()]
    pairs = {str(pair["name"]): str(pair["value"]) for pair in settings.get("env") or ()}
    return [os.path.expanduser(command), *words], version, pairs


def _parse(out: bytes, name: str, version: str) -> Credentials:
    # The answer holds secrets: nothing of it goes into a sentence.
    try:
        answer = json.loads(out)
    except (ValueError, RecursionError) as exc:
        raise AuthFailed(f"The login program {name} answered something that is no JSON.", _BY_HAND) from exc
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict):
        raise AuthFailed(f"The login program {name} answered without a login.", _BY_HAND)
    if answer.get("apiVersion") != version:
        raise AuthFailed(
            f"The login program {name} answers in another version than the kubeconfig asks for ({version}).",
            "Correct apiVersion in the exec part of the kubeconfig.",
        )
    said = [status.get(key) for key in _FIELDS]
    found = Credentials(*(value if isinstance(value, str) else "" for value in said))
    if not found.token and not (found.certificate and found.key):
        raise AuthFailed(f"The login program {name} gave neither a token nor a certificate.", _BY_HAND)
    return found


_FIELDS = ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")
