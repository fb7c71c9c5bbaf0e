"""The server of a store as the configuration names it: its address and its own authority, checked."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from etcdtui.errors import ConfigError
from etcdtui.text import clean


def check_address(name: str, url: str, what: str, like: str, *, plain: bool) -> None:
    """Raises ConfigError unless ``url`` can be the address of ``what``, written ``like`` that, and is
    encrypted or may be ``plain``. A password that somebody wrote into it is not repeated."""
    shown, wrong = "its address", True
    try:
        parts = urlsplit(url)
        shown = repr(parts._replace(netloc=parts.hostname or "").geturl())
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or bool(parts.query)
        wrong = wrong or parts.username is not None or parts.port == 0
    except ValueError:
        pass  # an unended bracket, a port that is none
    if wrong:
        raise ConfigError(
            f"{name}: {clean(shown, 300)} is no {what}.", f"Write it as {like}, without user and password."
        )
    if parts.scheme == "http" and not plain:
        raise ConfigError(
            f"{name}: {clean(url, 300)} is not encrypted, and a backup holds every secret of the cluster.",
            "Use https.",
        )


def host_of(url: str) -> str:
    """The name of the server; empty where there is none, or ``url`` is no address."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def trusting(name: str, ca: str | None) -> ssl.SSLContext:
    """What verifies the server: the authorities of this machine, and the one in the file ``ca``.

    Raises ConfigError.
    """
    context = ssl.create_default_context()
    if ca:
        try:
            context.load_verify_locations(ca)
        except ssl.SSLError as exc:
            raise ConfigError(
                f"The authority {ca} of {name} cannot be used: the file holds no certificate.",
                "It must hold certificates as PEM, which begin with -----BEGIN CERTIFICATE-----.",
            ) from exc
        except OSError as exc:
            raise ConfigError(
                f"The authority {ca} of {name} cannot be read: {exc.strerror or exc}.",
                "Check ca of the store.",
            ) from exc
    return context
