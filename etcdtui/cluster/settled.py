"""When a first look is complete enough to be judged: every source has said something, good or bad."""

from __future__ import annotations

from typing import Any

from etcdtui.model.problems import Fault
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView


def settled(view: ClusterView) -> bool:
    """Every host, endpoint and the API answered or failed; nothing of them is still on its way.

    Stores are left out: a verdict about etcd does not wait for them.
    """
    if not view.hosts and not view.api_configured:
        return False
    if view.api_configured and not _said(view.api):
        return False
    if not all(_said(host.link) for host in view.hosts):
        return False
    reached = [host for host in view.hosts if host.link.problem is None]
    if not reached:
        return True
    if not all(_said(host.facts) for host in reached):
        return False
    if not view.speaking:
        return True
    return members_asked(view)


def begun(view: ClusterView) -> bool:
    """Not just after the start any more, when there is nobody yet to ask the members through."""
    return not view.hosts or settled(view)


def places_listed(view: ClusterView) -> bool:
    """Every place where backups are was listed, or failed to be."""
    return all(_said(place.sets) for place in view.places)


def members_asked(view: ClusterView) -> bool:
    """Every endpoint answered or failed. One that could not be asked yet, for want of a host, will be."""
    return bool(view.endpoints) and all(
        _asked(endpoint.status) and _asked(endpoint.reads) for endpoint in view.endpoints
    )


def _said(reading: Reading[Any]) -> bool:
    return reading.at is not None or reading.problem is not None


def _asked(reading: Reading[Any]) -> bool:
    if reading.problem is not None:
        return reading.problem.fault is not Fault.NOT_ASKED
    return reading.at is not None
