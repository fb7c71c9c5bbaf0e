"""The scripts that ask about one member, run by a real shell over stand-ins, and what is read from them."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.errors import UnexpectedOutput
from etcdtui.etcd.log_signatures import recognise, spoken
from etcdtui.model.probe import Port
from etcdtui.model.problems import Fault
from etcdtui.platforms.host_answers import HostAccess
from etcdtui.platforms.host_clock import Asked
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.probe_answers import parse_machine, parse_member, parse_try
from etcdtui.platforms.probe_scripts import member_script, try_script

ACCESS = HostAccess(ca="/ca.crt", certificate="/it.crt", key="/it.key", openssl="openssl")
TARGETS = ((Port.CLIENT, "10.0.0.3", 2379), (Port.PEER, "10.0.0.3", 2380))
NAMED = {Port.CLIENT: "10.0.0.3:2379", Port.PEER: "10.0.0.3:2380"}
GOOD = """etcdtui try
client tcp
client code 0
client tcp
client line Verify return code: 0 (ok)
client http HTTP/1.1 200 OK
client http Content-Type: text/plain
client http 
client http {"health":"true","reason":""}HTTP/1.1 503 Service Unavailable
client http Connection: close
client http 
client http [-]linearizable_read failed
client http closed
client cert subject=O = system:etcd-servings, CN = system:etcd-serving:masternode3
client cert issuer=CN = signer
client cert notBefore=Nov 23 10:18:23 2026 GMT
client cert notAfter=Nov 23 10:18:23 2029 GMT
client cert X509v3 Subject Alternative Name: 
client cert     DNS:localhost, IP Address:10.0.0.3, DNS:masternode3
peer code 0
peer tcp
peer cert subject=CN = peer
peer line verify error:num=10:certificate has expired
peer line Verify return code: 10 (certificate has expired)
end
"""


def test_a_try_that_got_through() -> None:
    client, peer = parse_try(GOOD.encode(), "masternode1", NAMED)
    assert client.connected and client.trusted and client.problem is None
    assert client.health is not None and (client.health.status, client.health.body) == (
        200, '{"health":"true","reason":""}',
    )  # fmt: skip
    assert client.readyz is not None and client.readyz.status == 503
    assert client.readyz.body == "[-]linearizable_read failed"
    shown = client.certificate
    assert shown is not None and shown.names == ("localhost", "10.0.0.3", "masternode3")
    assert shown.not_after is not None and shown.not_before is not None
    assert shown.not_after - shown.not_before == 1096 * 86400
    assert (peer.verified, peer.verdict, peer.trusted) == (10, "certificate has expired", False)
    assert peer.problem is not None and peer.problem.fault is Fault.TLS


@pytest.mark.parametrize(
    ("lines", "fault", "words"),
    [
        ("client code 1\nclient line connect:errno=111", Fault.REFUSED, "nothing listens"),
        ("client code 1\nclient line connect:errno=113", Fault.UNREACHABLE, "no route"),
        ("client code 124", Fault.SILENT, "no connection within 3 s"),
        ("client code 124\nclient tcp", Fault.SILENT, "takes the connection"),
        ("client tcp\nclient cert subject=CN = it\nclient ended 124", Fault.SILENT, "TLS works"),
        ("client code 1\nclient tcp\nclient line error:0A000412:SSL routines::sslv3 alert bad certificate",
         Fault.TLS, "does not accept our client certificate"),
        ("client code 0\nclient tcp\nclient cert subject=CN = it", Fault.DROPPED, "closes the connection"),
        ("", Fault.NOT_ASKED, "not tried"),
    ],
)  # fmt: skip
def test_where_it_stopped(lines: str, fault: Fault, words: str) -> None:
    client = parse_try(f"etcdtui try\n{lines}\nend\n".encode(), "masternode1", NAMED)[0]
    assert client.problem is not None and client.problem.fault is fault and words in client.problem.message


MEMBER = """etcdtui member
date 1795515825.904551411
date 1795515825
hostname masternode3
manifest yes
df /dev/vda 264212084 26904044 79486868 26% /var
di /dev/vda 16777216 488829 16288387 3% /var
data
database 1089536
wal 2
unit LoadState=loaded
unit ActiveState=active
runtime 0
container 5fcda74c5275
inspect       "attempt": 7
inspect     "state": "CONTAINER_EXITED",
inspect     "createdAt": "2026-11-24T10:18:23.123456789Z",
inspect     "exitCode": 2,
inspect     "reason": "Error",
log {"level":"info","ts":"2026-11-24T10:18:24.772Z","msg":"starting an etcd server"}
log panic: \x1b[31mtocommit(10) is out of range [lastIndex(0)]
container 00ff
inspect     "state": "CONTAINER_EXITED",
inspect     "exitCode": 0
ended 1795515828.804551411
ended 1795515828
end
"""


def test_the_members_own_host() -> None:
    asked = Asked(1795515820.804551411, 1795515823.904551411)
    seen = parse_member(MEMBER.encode(), "masternode3", Layout(), asked)
    assert seen.hostname == "masternode3" and seen.manifest and seen.runtime and seen.kubelet == "active"
    assert seen.clock_offset == pytest.approx(5.0)
    assert seen.data is not None and (seen.data.database, seen.data.wal_files) == (1089536, 2)
    assert seen.disk is not None and seen.disk.path == "/var" and seen.disk.inodes_free == 16288387
    newest, older = seen.containers
    assert (newest.state, newest.attempt, newest.exit_code, newest.reason) == ("exited", 7, 2, "Error")
    assert newest.started == 1795515503.123456
    assert [s.name for s in newest.signatures] == ["wiped"] and older.exit_code == 0
    assert "\\x1b[31m" in newest.last_lines[-1] and "\x1b" not in newest.last_lines[-1]
    assert parse_member(MEMBER.encode(), "m", Layout()).clock_offset is None


@pytest.mark.parametrize(("since", "counts"), [(5, True), (300, False)])
def test_the_words_of_a_former_container_count_only_for_a_while(since: int, counts: bool) -> None:
    running = f"""etcdtui member
date {1795515513 + since}
container aa0011
inspect     "state": "CONTAINER_RUNNING",
inspect     "createdAt": "2026-11-24T10:18:33Z",
container bb0011
inspect     "state": "CONTAINER_EXITED",
log panic: crc mismatch
end
"""
    seen = parse_member(running.encode(), "m", Layout())
    assert bool(seen.signatures) is counts


def test_a_host_with_nothing_on_it() -> None:
    seen = parse_member(b"etcdtui member\nmanifest no\nend\n", "masternode3", Layout())
    assert seen.manifest is False and not seen.runtime and seen.container is None and seen.kubelet == ""
    assert seen.data is not None and not seen.data.present and seen.disk is None


@given(st.binary(max_size=400))
def test_garbage_is_an_error_or_nothing(garbage: bytes) -> None:
    with pytest.raises(UnexpectedOutput):
        parse_try(b"x" + garbage, "m", NAMED)
    for first, parse in (
        (b"etcdtui try\n", lambda data: parse_try(data, "m", NAMED)),
        (b"etcdtui member\n", lambda data: parse_member(data, "m", Layout(), Asked(0.0, 0.0))),
    ):
        parse(first + garbage)


@given(st.lists(st.text(max_size=80), max_size=10), st.booleans())
def test_whatever_a_log_says_is_text(lines: list[str], running: bool) -> None:
    for signature in recognise(lines, running=running, now=0.0):
        assert not any(ord(c) < 32 for c in signature.line)
    for line in lines:
        assert isinstance(spoken(line), str)


def zap(seconds: int, message: str) -> str:
    return f'{{"level":"warn","ts":"2026-11-24T10:18:{seconds:02d}.000Z","msg":"{message}"}}'


def test_only_the_last_words_of_a_process_count() -> None:
    old, new = zap(1, "walpb: crc mismatch"), zap(50, "slow fdatasync")
    assert [s.name for s in recognise([old, new], running=False)] == ["slow-disk"]
    assert [s.name for s in recognise([zap(45, "walpb: crc mismatch"), new], running=False)] == [
        "damaged", "slow-disk",
    ]  # fmt: skip
    moment = recognise([new], running=False)[0].at
    assert moment is not None
    assert recognise([new], running=True, now=moment + 5)
    assert recognise([new], running=True, now=moment + 500) == ()
    many = recognise([zap(49, "slow fdatasync"), new], running=False)
    assert many[0].count == 2


def test_a_line_that_was_cut_off_still_says_its_message() -> None:
    assert spoken('{"level":"info","msg":"starting an etcd server","etcd-ver') == "starting an etcd server"
    assert spoken("panic: it") == "panic: it"


def test_whose_machine_it_is() -> None:
    def machine(
        name: str, node: str, state: str, kind: str = "AWSMachineProviderConfig"
    ) -> dict[str, object]:
        return {
            "metadata": {"name": name, "labels": {"machine.openshift.io/cluster-api-machine-role": "master"}},
            "spec": {"providerSpec": {"value": {"kind": kind}}},
            "status": {
                "phase": "Running",
                "nodeRef": {"name": node},
                "providerStatus": {"instanceState": state},
            },
        }

    both = [machine("a-0", "masternode1", "running"), machine("a-2", "masternode3", "terminated")]
    seen = parse_machine(both, "masternode3")
    assert (seen.name, seen.state, seen.away, seen.bare_metal) == ("a-2", "terminated", True, False)
    assert not parse_machine(both, "masternode1").away
    assert parse_machine(both, "masternode9").away and not parse_machine(both, "masternode9").bare_metal
    assert parse_machine([], "masternode3").bare_metal, "no machines at all: hosts are built by people"
    metal = machine("m", "masternode3", "", "BareMetalMachineProviderSpec")
    assert parse_machine([metal], "masternode3").bare_metal
    assert parse_machine([{"metadata": None, "status": 3}], "x").name == ""


def test_values_are_arguments_and_the_key_is_only_named() -> None:
    others = ((Port.CLIENT, "[fd00::3]", 2379), (Port.CLIENT, "etcd.x", 2379))
    argv = try_script(Layout(), ACCESS, (*TARGETS, *others))
    assert argv[:4] == ("sudo", "-n", "sh", "-c") and "10.0.0.3" not in argv[4] and "/it.key" not in argv[4]
    words = argv[11:]
    assert words[:4] == ("client", "10.0.0.3:2379", "-verify_ip", "10.0.0.3")
    assert words[8:12] == ("client", "[fd00::3]:2379", "-verify_ip", "fd00::3")
    assert words[12:] == ("client", "etcd.x:2379", "-verify_hostname", "etcd.x")
    assert member_script(Layout(root="/lab"))[6:] == (
        "3", "/lab/etc/kubernetes/manifests/etcd-pod.yaml", "/lab/var/lib/etcd", "50",
    )  # fmt: skip


def _tool(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _run(argv: tuple[str, ...], tools: Path) -> bytes:
    path = f"{tools}:{os.environ['PATH']}"
    done = subprocess.run(argv, capture_output=True, timeout=20, env={"PATH": path}, check=False)
    return done.stdout


def test_the_secrets_of_a_session_do_not_go_out(tmp_path: Path) -> None:
    _tool(
        tmp_path,
        "openssl",
        "[ $1 = s_client ] || exit 1\n"
        "cat >/dev/null\n"
        'case $* in *-quiet*) printf \'HTTP/1.1 200 OK\\r\\n\\r\\n{"health":"true"}closed\\n\'; exit;; esac\n'
        "echo 'CONNECTED(00000003)'; echo '    Master-Key: C858167A7E80'; echo '    0000 - bd c1'\n"
        # Written past its buffer, an answer can stand in the midst of a line.
        "printf '    0010 - bd HTTP/1.1 200 OK\\n\\n{}\\nd1 c2\\n'; echo 'Verify return code: 0 (ok)'\n",
    )
    out = _run(try_script(Layout(sudo=()), ACCESS, (TARGETS[0],)), tmp_path)
    assert b"Master-Key" not in out and b"C858" not in out and b"bd c1" not in out and b"c2" not in out
    client = parse_try(out, "m", {Port.CLIENT: "10.0.0.3:2379"})[0]
    assert client.connected and client.health is not None and client.health.body == '{"health":"true"}'


def test_the_own_host_is_told_though_its_container_runtime_hangs(tmp_path: Path) -> None:
    _tool(tmp_path, "crictl", "exec sleep 60")
    argv = member_script(Layout(root=str(tmp_path), sudo=()))
    seen = parse_member(_run(argv, tmp_path), "m", Layout())
    assert seen.manifest is False and not seen.runtime and seen.disk is not None


def test_noise_in_a_log_does_not_push_out_what_counts(tmp_path: Path) -> None:
    noise = '{"msg":"ignoring common name in gRPC-gateway proxy request"}'
    log = "\n".join(
        ["panic: freepages: failed to get all reachable pages", *([noise] * 200), "goroutine 1 [running]:",
         "go.etcd.io/bbolt.(*DB).x(0xc0, 0x1)", "\t/go/x.go:12 +0x1", "created by main"]
    )  # fmt: skip
    (tmp_path / "log").write_text(log + "\n")
    _tool(
        tmp_path,
        "crictl",
        "case $1 in ps) echo c0ffee12;; inspect) echo '    \"exitCode\": 2,';;\n"
        f"logs) cat {tmp_path}/log;; esac",
    )
    argv = member_script(Layout(root=str(tmp_path), sudo=()))
    seen = parse_member(_run(argv, tmp_path), "m", Layout())
    assert seen.container is not None
    assert seen.container.last_lines == ("panic: freepages: failed to get all reachable pages",)
    assert [s.name for s in seen.signatures] == ["damaged"]
