"""What no longer speaks for now looks so: it is dimmed, and says how old it is."""

from __future__ import annotations

from dataclasses import replace

import fakes
from driving import driven

from etcdtui.model.health import judge
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.readings import Reading
from etcdtui.ui.describe import member_document
from etcdtui.ui.looks import Paragraph, Role, as_text
from etcdtui.ui.picture import Picture
from etcdtui.ui.words import aged


def test_an_age_is_told_only_when_it_matters() -> None:
    assert aged(Reading("x", 90.0), 100.0, 35.0) == ""
    assert aged(Reading("x", 60.0), 100.0, 35.0) == "40 s ago"
    assert aged(Reading(), 100.0, 35.0) == "", "nothing is known: nothing is old"


async def test_pods_of_a_silent_api_are_as_old_as_they_are() -> None:
    async with driven() as it:
        assert "4/4 " in it.text and "ago" not in it.text
        await it.look(fakes.old_news())
        assert it.text.count("4/4 4 min ago") == 3
        row = it.app.dashboard.members.current
        assert row is not None
        assert it.app.dashboard.members._pods_cell(row)[1] is Role.MUTED
        await it.look(fakes.healthy())
        assert "ago" not in it.text


async def test_backups_seen_on_a_silent_host_are_as_old_as_its_listing() -> None:
    async with driven() as it:
        await it.press("3")
        await it.look(fakes.old_news())
        lines = [line for line in it.text.splitlines() if "02:00" in line]
        assert [("seen 4 min ago" in line) for line in lines] == ["masternode1" in line for line in lines]
        await it.look(fakes.healthy())
        assert "seen" not in it.text


async def test_the_disks_of_a_member_that_is_gone_are_not_told_as_of_now() -> None:
    async with driven(fakes.one_down()) as it:
        assert "fsync p99  4.1 · 3.9 · – ms" in it.text


def _roles(paragraphs: tuple[Paragraph, ...], title: str) -> set[Role]:
    (found,) = [p for p in paragraphs if as_text(p.line).startswith(title)]
    return {role for _, role in found.line}


def test_details_of_old_facts_are_dimmed() -> None:
    view = fakes.old_news()
    picture = Picture(view, judge(view))
    first, second = (member_document(picture, 0xA1 + n) for n in (0, 1))
    assert first is not None and second is not None
    assert _roles(first.paragraphs, "Data disk") == {Role.MUTED}
    assert Role.PLAIN in _roles(second.paragraphs, "Data disk")
    assert _roles(first.paragraphs, "Ready") == {Role.MUTED}
    assert Role.PLAIN in _roles(first.paragraphs, "Version"), "etcd itself speaks for now"
    now_well = replace(view, api=Reading(view.api.value, view.now))
    again = member_document(Picture(now_well, judge(now_well)), 0xA1)
    assert again is not None and Role.PLAIN in _roles(again.paragraphs, "Ready")


def test_why_a_source_fails_is_told_in_words() -> None:
    problem = Problem(Fault.TLS, "the certificate is not signed by the authority we were given")
    silent = fakes.silenced(fakes.healthy(), 1)
    view = fakes.with_endpoint(silent, 1, status=Reading(None, None, problem, silent.now - 12))
    document = member_document(Picture(view, judge(view)), 0xA2)
    assert document is not None
    assert "Status  TLS fails for 12 s" in [as_text(p.line) for p in document.paragraphs]
