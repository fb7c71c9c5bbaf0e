"""etcdctl's outputs and the causes that hide on standard error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.errors import EtcdTuiError, UnexpectedOutput
from etcdtui.etcd import answers
from etcdtui.model.problems import Fault
from tests.recorded import NASTY, VERSIONS, recorded

PARSERS = (
    answers.member_list,
    answers.endpoint_statuses,
    answers.endpoint_health,
    answers.endpoint_hashes,
    answers.alarm_list,
)


@pytest.mark.parametrize("version", VERSIONS)
class TestRealOutputs:
    def test_member_list(self, version: str) -> None:
        listed = answers.member_list(recorded("member-list", version, "three").stdout)
        assert sorted(m.name for m in listed.members) == ["m1", "m2", "m3"]
        assert all(m.id > 1 << 53 or m.id > 0 for m in listed.members)
        learner = answers.member_list(recorded("member-list", version, "learner").stdout)
        assert [m.name for m in learner.members if m.learner] == ["m4"]
        new = answers.member_list(recorded("member-list", version, "unstarted-learner").stdout)
        assert [m.learner for m in new.members if not m.started] == [True]

    def test_endpoint_status(self, version: str) -> None:
        statuses = answers.endpoint_statuses(recorded("endpoint-status", version, "three").stdout)
        assert len(statuses) == 3 and all(url.startswith("https://127") for url in statuses)
        assert sum(s.is_leader for s in statuses.values()) == 1
        assert {s.version for s in statuses.values()} == {version}

    def test_a_member_that_is_down_is_missing(self, version: str) -> None:
        run = recorded("endpoint-status", version, "one-down")
        assert run.status == 1 and len(answers.endpoint_statuses(run.stdout)) == 2

    def test_status_without_quorum(self, version: str) -> None:
        run = recorded("endpoint-status", version, "no-quorum")
        (status,) = answers.endpoint_statuses(run.stdout).values()
        assert run.status == 0 and status.leader_id == 0

    def test_health(self, version: str) -> None:
        health = answers.endpoint_health(recorded("endpoint-health", version, "three").stdout)
        assert [h.healthy for h in health] == [True] * 3
        assert all(h.took is not None and 0 < h.took < 5 for h in health)
        assert [h.endpoint for h in health] == sorted(h.endpoint for h in health)

    def test_health_with_one_down(self, version: str) -> None:
        health = answers.endpoint_health(recorded("endpoint-health", version, "one-down").stdout)
        (down,) = [h for h in health if not h.healthy]
        assert down.error == "context deadline exceeded" and down.took is not None and down.took >= 5

    def test_health_without_quorum(self, version: str) -> None:
        (one,) = answers.endpoint_health(recorded("endpoint-health", version, "no-quorum").stdout)
        assert not one.healthy

    def test_hashes(self, version: str) -> None:
        hashes = answers.endpoint_hashes(recorded("endpoint-hashkv", version, "three").stdout)
        assert len(hashes) == 3 and len({h.hash for h in hashes}) == 1 and hashes[0].revision == 21

    def test_alarms(self, version: str) -> None:
        assert answers.alarm_list(recorded("alarm-list", version, "none").stdout) == ()
        (alarm,) = answers.alarm_list(recorded("alarm-list", version, "nospace").stdout)
        assert alarm.kind == "NOSPACE"

    @pytest.mark.parametrize(
        ("case", "fault", "words"),
        [
            ("wrong-ca", Fault.TLS, "authority"),
            ("foreign-client", Fault.TLS, "does not accept our client certificate"),
            ("expired-client", Fault.TLS, "client certificate"),
            ("missing-file", Fault.TLS, "file"),
            ("wrong-key", Fault.TLS, "file"),
            ("expired-server", Fault.TLS, "expired"),
            ("other-address", Fault.TLS, "another name or address"),
        ],
    )
    def test_etcdctl_hides_the_cause_and_we_find_it(
        self, version: str, case: str, fault: Fault, words: str
    ) -> None:
        problem = answers.explain(recorded("tls", version, case).stderr)
        assert problem is not None
        if version.startswith("3.4") and case in ("foreign-client", "expired-client"):
            # It tells nothing but a closed connection.
            assert problem.fault is Fault.DROPPED and "certificate" in problem.hint
        else:
            assert problem.fault is fault and words in problem.message

    def test_refused(self, version: str) -> None:
        problem = answers.explain(recorded("refused", version, "status").stderr)
        assert problem is not None and problem.fault is Fault.REFUSED


@pytest.mark.parametrize(
    ("case", "fault", "words"),
    [
        ("wrong-ca", Fault.TLS, "not signed by the authority"),
        ("foreign-client", Fault.TLS, "does not accept our client certificate"),
        ("expired-client", Fault.TLS, "does not accept our client certificate"),
        ("expired-server", Fault.TLS, "expired"),
        ("other-address", Fault.TLS, "another name or address"),
        ("missing-file", Fault.TLS, "file on the host cannot be used"),
        ("wrong-key", Fault.TLS, "file on the host cannot be used"),
        ("no-tls", Fault.TLS, "does not speak TLS"),
        ("refused", Fault.REFUSED, "nothing listens there"),
    ],
)
def test_openssl_tells_the_cause(case: str, fault: Fault, words: str) -> None:
    problem = answers.explain(recorded("openssl", "3.5.1", case).stderr)
    assert problem is not None and problem.fault is fault and words in problem.message
    assert "error:0" not in problem.message


def test_a_good_handshake_has_no_cause() -> None:
    assert answers.explain(recorded("openssl", "3.5.1", "good").stderr) is None


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("sudo: a password is required", Fault.LOGIN),
        ("sudo: no tty present and no askpass program specified", Fault.LOGIN),
        ("core is not in the sudoers file.  This incident will be reported.", Fault.LOGIN),
        ("Sorry, user core may not run sudo on masternode1.", Fault.LOGIN),
        ("sudo: openssl: command not found", Fault.NO_TOOLS),
        ("bash: line 1: openssl: command not found", Fault.NO_TOOLS),
        ("sh: 1: etcdctl: not found", Fault.NO_TOOLS),
        ("env: 'etcdctl': No such file or directory", Fault.NO_TOOLS),
        ("env: ‘etcdctl’: No such file or directory", Fault.NO_TOOLS),
        ("connect:errno=113", Fault.UNREACHABLE),
        ("connect: No route to host\nconnect:errno=113", Fault.UNREACHABLE),
        (
            "40AB:error:10080002:BIO routines:BIO_lookup_ex:system lib:Name or service not known",
            Fault.UNREACHABLE,
        ),
        ("connect:errno=110", Fault.SILENT),
        ("read:errno=104", Fault.DROPPED),
        ("Error: etcdserver: no leader", Fault.NO_LEADER),
        ("Error: etcdserver: request timed out", Fault.NO_QUORUM_READ),
        ("Error: context deadline exceeded", Fault.NO_QUORUM_READ),
        ("etcdctl: error:xx:tlsv13 alert certificate required:SSL alert number 116", Fault.TLS),
    ],
)
def test_causes(said: str, fault: Fault) -> None:
    problem = answers.explain(said)
    assert problem is not None and problem.fault is fault and "\n" not in problem.message


def test_the_deeper_cause_wins_over_the_deadline() -> None:
    said = 'Error: context deadline exceeded\n{"level":"warn","error":"x509: certificate has expired"}\n{odd'
    problem = answers.explain(said)
    assert problem is not None and problem.fault is Fault.TLS


@given(st.text(max_size=300))
def test_explain_takes_anything(said: str) -> None:
    problem = answers.explain(said)
    assert problem is None or problem.message
    assert len(answers.last_words(said)) <= 200


@pytest.mark.parametrize("said", NASTY)
def test_explain_cleans(said: str) -> None:
    problem = answers.explain(f"{said} connection refused")
    assert problem is not None and "\x1b" not in problem.message and len(problem.message) < 300


@given(st.text(max_size=200), st.sampled_from(PARSERS))
def test_any_text_raises_nothing_but_ours(text: str, parser: object) -> None:
    try:
        parser(text)  # type: ignore[operator]
    except EtcdTuiError as exc:
        assert str(exc)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("text", ["", "null", "3", "[]", "[null]", '[{"Endpoint":3}]', "{}", *NASTY])
def test_nothing_and_nonsense(parser: object, text: str) -> None:
    try:
        found = parser(text)  # type: ignore[operator]
    except UnexpectedOutput:
        return
    assert not found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5.2ms", 0.0052),
        ("812.335µs", 0.000812335),
        ("1m2.5s", 62.5),
        ("2h0m0s", 7200.0),
        ("15ns", 15e-9),
        ("5.004868446s", 5.004868446),
        ("", None),
        ("5", None),
        ("fast", None),
        ("5s and more", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert answers.duration(text) == (None if seconds is None else pytest.approx(seconds))
