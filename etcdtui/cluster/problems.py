"""Errors of the edge to problems of the model."""

from __future__ import annotations

from etcdtui import errors
from etcdtui.model.problems import Fault, Problem

_FAULTS: tuple[tuple[type[errors.EtcdTuiError], Fault], ...] = (
    (errors.Refused, Fault.REFUSED),
    (errors.TimedOut, Fault.SILENT),
    (errors.Dropped, Fault.DROPPED),
    (errors.Unreachable, Fault.UNREACHABLE),
    (errors.TlsFailed, Fault.TLS),
    (errors.HostKeyUnknown, Fault.HOST_KEY),
    (errors.HostKeyChanged, Fault.OTHER_HOST),
    (errors.AuthFailed, Fault.LOGIN),
    (errors.Forbidden, Fault.LOGIN),
    (errors.SudoRefused, Fault.LOGIN),
    (errors.CommandFailed, Fault.NO_TOOLS),
)


def problem_of(error: errors.EtcdTuiError) -> Problem:
    """The same sentence, with the kind of fault that the rules tell apart."""
    fault = next((fault for kind, fault in _FAULTS if isinstance(error, kind)), Fault.ODD)
    return Problem(fault, error.message, error.hint)
