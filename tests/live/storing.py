"""Servers that stores are tested with: a certificate of their own, free ports."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def make_certificate(folder: Path) -> Path:
    """``crt`` and ``key`` of 127.0.0.1 in ``folder``; it is its own authority."""
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=store"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "crt"]
    subprocess.run(["openssl", *words.split(), *names], check=True, capture_output=True)
    return folder
