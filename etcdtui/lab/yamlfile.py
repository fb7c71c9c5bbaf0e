"""YAML in and out."""

# Types for PyYAML are a package of their own, which need not be installed.
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

from typing import Any

import yaml


def load(text: str) -> Any:
    """The document in ``text``. Raises ValueError with a sentence."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ValueError(f"not valid YAML: {exc}") from exc


def dump(document: Any) -> str:
    """``document`` as block YAML; texts of several lines stay readable."""
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=10000))


class _Dumper(yaml.SafeDumper):
    pass


def _text(dumper: Any, value: str) -> Any:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
