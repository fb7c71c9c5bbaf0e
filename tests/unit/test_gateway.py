"""HTTP as bytes in any pieces, and what the gateway's real answers mean."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.errors import EtcdTuiError, UnexpectedOutput
from etcdtui.etcd import gateway
from etcdtui.etcd.gateway import GatewayError, NoGateway, Request, Response, ResponseParser, encode
from etcdtui.model.problems import Fault
from tests.recorded import NASTY, VERSIONS, recorded

ONE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
NONE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
CHUNKED = (
    b"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4;note=x\r\nWiki\r\n6\r\npedia!\r\n0\r\nTrailer: yes\r\n\r\n"
)
STREAM = ONE + INTERIM + CHUNKED + EMPTY + NONE + ONE


def parse(raw: bytes) -> Response:
    parser = ResponseParser()
    found = parser.feed(raw)
    found += parser.end() if not found else []
    (response,) = found
    return response


def real(version: str, case: str) -> Response:
    return parse(recorded("gateway", version, case).raw)


def cuts(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def test_requests_are_written_back_to_back() -> None:
    data = encode([Request("GET", "/version"), Request("POST", "/v3/x", b"{}")], "10.0.0.1:2379")
    assert data.count(b"Host: 10.0.0.1:2379\r\n") == 2
    assert data.endswith(b"Content-Length: 2\r\n\r\n{}")
    assert data.startswith(b"GET /version HTTP/1.1\r\n")


def test_a_request_cannot_smuggle_another() -> None:
    with pytest.raises(ValueError, match="line end"):
        encode([Request("GET", "/x HTTP/1.1\r\nEvil: yes")], "h")


def test_answers_come_in_their_order() -> None:
    parser = ResponseParser()
    found = parser.feed(STREAM)
    assert [r.status for r in found] == [200, 503, 204, 200, 200]
    assert [r.body for r in found] == [b"hello", b"Wikipedia!", b"", b"", b"hello"]
    assert parser.idle and parser.answered == 5 and not parser.closing


@given(st.lists(st.integers(min_value=0, max_value=10_000), max_size=40))
def test_any_cut_gives_the_same_answers(places: list[int]) -> None:
    parser = ResponseParser()
    found = [response for piece in cuts(STREAM, places) for response in parser.feed(piece)]
    assert found == ResponseParser().feed(STREAM)


@given(st.lists(st.integers(min_value=0, max_value=10_000), max_size=20))
def test_garbage_after_an_answer_never_hides_it(places: list[int]) -> None:
    parser = ResponseParser()
    found: list[Response] = []
    with pytest.raises(UnexpectedOutput):
        for piece in [*cuts(ONE + b"garbage here", places), b"."]:
            found += parser.feed(piece)
    assert [r.body for r in found] == [b"hello"]


@given(st.binary(max_size=400), st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", ONE[:60]]))
def test_arbitrary_bytes_raise_nothing_but_ours(data: bytes, before: bytes) -> None:
    parser = ResponseParser()
    try:
        parser.feed(before + data)
        parser.end()
    except EtcdTuiError:
        assert parser.failure is not None


def test_http2_is_told_from_garbage() -> None:
    with pytest.raises(NoGateway):
        ResponseParser().feed(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00@\x00")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    ],
)
def test_what_is_not_http_is_refused(raw: bytes) -> None:
    with pytest.raises(UnexpectedOutput):
        ResponseParser().feed(raw)


def test_a_body_without_length_ends_with_the_connection() -> None:
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 200 OK\r\n\r\nall of ") == []
    assert parser.feed(b"it") == [] and parser.closing
    assert [r.body for r in parser.end()] == [b"all of it"]


def test_a_cut_answer_is_an_error() -> None:
    parser = ResponseParser()
    parser.feed(ONE[:-1])
    with pytest.raises(UnexpectedOutput, match="middle"):
        parser.end()


@pytest.mark.parametrize("version", VERSIONS)
class TestRealAnswers:
    def test_status(self, version: str) -> None:
        status = gateway.parse_status(real(version, "status"))
        assert status.version == version and status.revision == 21
        assert status.leader_id and status.raft_term == 2
        assert 0 < status.db_in_use <= status.db_size
        assert status.raft_applied <= status.raft_index
        assert not status.learner and status.errors == () and status.quota is None

    def test_status_without_quorum(self, version: str) -> None:
        status = gateway.parse_status(real(version, "status-no-quorum"))
        assert status.leader_id == 0 and not status.is_leader
        assert status.errors == ("etcdserver: no leader",) and status.alarms == ()

    def test_status_with_an_alarm(self, version: str) -> None:
        status = gateway.parse_status(real(version, "status-nospace"))
        assert status.alarms == ("NOSPACE",) and status.is_leader

    def test_status_of_a_learner(self, version: str) -> None:
        assert gateway.parse_status(real(version, "status-learner")).learner

    def test_member_list(self, version: str) -> None:
        listed = gateway.parse_member_list(real(version, "member-list"))
        assert sorted(m.name for m in listed.members) == ["m1", "m2", "m3"]
        assert listed.told_by == gateway.parse_status(real(version, "status")).member_id
        assert all(len(m.client_urls) == 1 and m.id > 0 for m in listed.members)
        assert len(gateway.parse_member_list(real(version, "member-list-no-quorum")).members) == 3

    def test_unstarted_learner(self, version: str) -> None:
        listed = gateway.parse_member_list(real(version, "member-list-unstarted-learner"))
        (new,) = [m for m in listed.members if not m.started]
        assert new.learner and new.client_urls == () and len(listed.voters) == 3

    def test_reads(self, version: str) -> None:
        gateway.check_read(real(version, "read"))
        gateway.check_read(real(version, "read-serializable"))
        gateway.check_read(real(version, "read-serializable-no-quorum"))

    def test_read_without_quorum(self, version: str) -> None:
        with pytest.raises(GatewayError) as caught:
            gateway.check_read(real(version, "read-no-quorum"))
        assert caught.value.fault in (Fault.NO_QUORUM_READ, Fault.NO_LEADER)

    def test_read_at_a_learner(self, version: str) -> None:
        with pytest.raises(GatewayError, match="learner"):
            gateway.check_read(real(version, "read-learner"))

    def test_the_metrics_page(self, version: str) -> None:
        assert b"etcd_disk_wal_fsync" in gateway.parse_metrics(real(version, "metrics"))

    def test_not_served(self, version: str) -> None:
        for case in ("unknown-path", "hashkv"):
            with pytest.raises(NoGateway):
                gateway.parse_status(real(version, case))

    def test_etcds_own_words_are_kept(self, version: str) -> None:
        with pytest.raises(GatewayError, match="database space exceeded") as caught:
            gateway.parse_status(real(version, "put-nospace"))
        assert (caught.value.status, caught.value.code) == (429, 8)
        with pytest.raises(GatewayError, match="future revision"):
            gateway.check_read(real(version, "error-compacted"))


PARSERS = (
    gateway.parse_status,
    gateway.parse_member_list,
    gateway.check_read,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "header",
                    "members",
                    "ID",
                    "alarms",
                    "memberID",
                    "version",
                    "error",
                    "code",
                    "errors",
                    "health",
                ]
            )
            | st.text(max_size=8),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from([200, 400, 403, 404, 503]), st.sampled_from(PARSERS))
def test_any_json_raises_nothing_but_ours(value: object, status: int, parser: object) -> None:
    try:
        parser(Response(status, (), json.dumps(value).encode()))  # type: ignore[operator]
    except EtcdTuiError as exc:
        assert str(exc)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("text", [*NASTY, "[" * 100_000, '{"header":' + "9" * 5000 + "}"])
def test_nasty_bodies(parser: object, text: str) -> None:
    for status in (200, 500):
        with pytest.raises(EtcdTuiError) as caught:
            parser(Response(status, (), text.encode()))  # type: ignore[operator]
        assert "\x1b" not in str(caught.value) and len(str(caught.value)) < 500


def test_names_and_addresses_of_any_kind_survive() -> None:
    name = "n" * 4096 + "\x1b[2J[red]"
    body = {"header": {"cluster_id": "1"}, "members": [{"ID": "18446744073709551615", "name": name}]}
    (member,) = gateway.parse_member_list(Response(200, (), json.dumps(body).encode())).members
    assert member.name == name and member.hex_id == "f" * 16


def test_permission_denied_is_an_answer() -> None:
    gateway.check_read(Response(403, (), b'{"error":"etcdserver: permission denied","code":7}'))


def test_newer_etcd_tells_its_quota_and_an_odd_one_is_not_believed() -> None:
    for version, quota in (("3.6.6", 8589934592), ("3.6.2", None)):
        body = {"header": {"member_id": "5"}, "version": version, "dbSizeQuota": "8589934592"}
        assert gateway.parse_status(Response(200, (), json.dumps(body).encode())).quota == quota
