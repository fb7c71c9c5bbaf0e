"""Which kubeconfig is used, and what it says; its login program is asked here, and nowhere else."""

from __future__ import annotations

import base64
import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import config
from kubernetes.config import kube_config
from yaml import safe_load

from etcdtui.errors import AuthFailed, ConfigError
from etcdtui.reach.login import LoginProgram

Stamps = tuple[tuple[int, int] | None, ...]
"""When each kubeconfig was changed last (ns), and its size in bytes; None where there is none."""

# These modules of the library carry no types.
_CONFIG: Any = config
_KUBE_CONFIG: Any = kube_config

_IN_CLUSTER = "the service account of this pod"
_BEFORE_EXEC = ("auth-provider", "token", "tokenFile")  # with one of these no login program is asked


def load(settings: Any, kubeconfig: str | None, context: str | None, program: LoginProgram) -> str:
    """Fill ``settings`` (of the Kubernetes library); returns where from. Raises ConfigError or AuthFailed."""
    if kubeconfig and not os.path.exists(os.path.expanduser(kubeconfig)):
        raise ConfigError(f"There is no kubeconfig {kubeconfig}.")
    paths = os.path.expanduser(kubeconfig) if kubeconfig else found()
    if not paths:
        try:
            _CONFIG.load_incluster_config(client_configuration=settings)
        except config.ConfigException as exc:
            raise ConfigError(
                "There is no kubeconfig (neither KUBECONFIG nor ~/.kube/config), and this is no pod.",
                "Log in with oc login, or name one with kubeconfig in the configuration.",
            ) from exc
        return _IN_CLUSTER
    merged = _KUBE_CONFIG.KubeConfigMerger(paths).config
    chosen = context or _current(paths)
    expires = _log_in(merged, chosen, program)
    loader = _KUBE_CONFIG.KubeConfigLoader(merged, active_context=chosen, config_base_path=None)
    loader.load_and_set(settings)
    expires = expires or getattr(loader, "expiry", None)

    def check(_: Any) -> None:
        # The library would log in here, in the middle of a question: whoever asks decides when.
        if isinstance(expires, datetime) and _aware(expires) <= datetime.now(UTC):
            raise AuthFailed(f"The login of {paths} has expired.", "Log in again.")

    settings.refresh_api_key_hook = check
    return paths


def _log_in(merged: Any, context: str | None, program: LoginProgram) -> datetime | None:
    """Put what the login program of the context's user gives in its place; until when it is good."""
    named = merged["contexts"].get_with_name(context or merged["current-context"])["context"]
    user = merged.safe_get("users") and merged["users"].get_with_name(named.safe_get("user"), safe=True)
    settings = user["user"] if user and user.safe_get("user") else None
    if settings is None or "exec" not in settings or any(key in settings for key in _BEFORE_EXEC):
        return None
    cluster = merged["clusters"].get_with_name(named["cluster"])["cluster"]
    folder = os.path.dirname(os.path.abspath(settings.path)) if settings.path else ""
    got = program.run(settings.value.pop("exec"), cluster.value, folder)
    if got.token:
        settings.value["token"] = got.token
    if got.certificate:
        for key, text in (("client-certificate-data", got.certificate), ("client-key-data", got.key)):
            settings.value[key] = base64.b64encode(text.encode()).decode()
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(got.expires)
    return None


def stamps(kubeconfig: str | None) -> Stamps:
    """When each kubeconfig was changed last, and its size; None where there is none."""
    seen: list[tuple[int, int] | None] = []
    for path in [os.path.expanduser(kubeconfig)] if kubeconfig else _listed():
        try:
            stat = os.stat(path)
            seen.append((stat.st_mtime_ns, stat.st_size))
        except OSError:
            seen.append(None)
    return tuple(seen)


def _listed() -> list[str]:
    """The kubeconfigs to look for, there or not."""
    listed = [p for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    return [os.path.expanduser(p) for p in listed or ["~/.kube/config"]]


def found() -> str:
    """The kubeconfigs that are there, as a list with ``:``; "" for none."""
    return os.pathsep.join(p for p in _listed() if os.path.exists(p))


def _current(paths: str) -> str | None:
    """The context kubectl would use: the first file that names one. The library would take the last."""
    for path in paths.split(os.pathsep):
        raw = safe_load(Path(path).read_text(encoding="utf-8"))
        if isinstance(raw, dict) and raw.get("current-context"):
            return str(raw["current-context"])
    return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
