"""Through which host etcd is asked, and how, is always said; what etcdctl took is never a latency."""

from __future__ import annotations

from dataclasses import replace

import fakes
import pytest
from driving import driven

from etcdtui.model.health import judge
from etcdtui.model.readings import Reading
from etcdtui.model.view import ClusterView
from etcdtui.ui.describe import latency_document, member_document
from etcdtui.ui.looks import as_text
from etcdtui.ui.panes.latency import render
from etcdtui.ui.picture import Picture
from etcdtui.ui.words import asked_through


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ((), "asked through masternode1"),
        ((1,), "asked through masternode1, 1 of 3 by etcdctl"),
        ((0, 1, 2), "asked through masternode1, by etcdctl"),
    ],
)
def test_who_is_asked_and_how(places: tuple[int, ...], words: str) -> None:
    view = fakes.by_etcdctl(places)
    assert asked_through(view) == words
    assert asked_through(replace(view, speaking="")) == ""


def test_a_shared_domain_is_left_out() -> None:
    view = fakes.healthy([f"master-{n}.ocp4.example.com" for n in range(3)])
    assert asked_through(view) == "asked through master-0"


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_the_dashboard_says_through_whom(size: tuple[int, int]) -> None:
    async with driven(size=size) as it:
        assert "asked through masternode1" in it.text
        await it.look(replace(fakes.healthy(), speaking="masternode2"))
        assert "asked through masternode2" in it.text
        await it.press("slash", *"node3", "enter")
        assert "1 of 3  asked through masternode2" in it.text, "beside the filter"


@pytest.mark.parametrize("width", [45, 76, 140])
def test_what_etcdctl_took_is_no_latency(width: int) -> None:
    shown = [as_text(line) for line in render(judge(fakes.by_etcdctl((1,))), width)]
    mine = next(line for line in shown if line.startswith("masternode2"))
    assert "by etcdctl" in mine
    assert not any(character.isdigit() for character in mine.removeprefix("masternode2"))
    assert any("no latency" in line for line in shown)
    assert not any("no latency" in as_text(line) for line in render(judge(fakes.healthy()), width))


def test_the_time_of_etcdctl_is_told_with_its_label() -> None:
    view = fakes.by_etcdctl()
    picture = Picture(view, judge(view))
    member = member_document(picture, 0xA1)
    assert member is not None
    for document in (member, latency_document(picture)):
        told = "\n".join(as_text(p.line) for p in document.paragraphs)
        assert told.count("43.1") == told.count("etcdctl took 43.1 ms, connecting included") > 0
        assert "there is no openssl" in told


def _with_word(view: ClusterView, available: int) -> ClusterView:
    assert view.api.value is not None and view.api.value.word is not None
    word = replace(view.api.value.word, available=available)
    return replace(view, api=Reading(replace(view.api.value, word=word), view.now - 3))


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (fakes.healthy(), "· operator agrees"),
        (_with_word(fakes.healthy(), 2), "· ▲ operator says 2/3"),
        (fakes.one_down(), "· ▲ operator says 3/3"),
        (fakes.old_news(), "· operator 4 min ago: 3/3"),
        (fakes.only_api(), "(the operator says)"),
        (replace(fakes.healthy(), api=Reading()), "as of now\n"),
    ],
)
@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_second_way_stands_beside_the_verdict(
    view: ClusterView, words: str, size: tuple[int, int]
) -> None:
    async with driven(view, size) as it:
        assert words in it.text


async def test_a_header_too_long_is_wrapped_not_cut() -> None:
    cluster = fakes.FakeCluster(replace(fakes.no_quorum(), name="production-of-the-northern-region"))
    cluster.read_only = True
    async with driven(cluster=cluster) as it:
        await it.press("p")
        it.time[0] += 4000
        it.app.take_picture()
        await it.settle()
        top = " ".join(it.text.split())
        for words in (
            "READ-ONLY",
            "PAUSED",
            "etcd 3.5.14",
            "NO QUORUM",
            "2 needed",
            "operator 40 s ago: 3/3",
        ):
            assert words in top
