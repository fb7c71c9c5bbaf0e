"""Commands are tuples of words, nothing quoted, nothing of the environment left to chance."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from etcdtui.etcd import commands
from etcdtui.etcd.commands import ClientAccess

ACCESS = ClientAccess("/ca.crt", "/c.crt", "/c.key", ("https://10.0.0.1:2379", "https://10.0.0.2:2379"))


def test_etcdctl_on_the_host() -> None:
    argv = commands.member_list_json(ACCESS)
    assert argv[:2] == ("sudo", "-n") and argv[-4:] == ("-w", "json", "member", "list")
    assert "--endpoints=https://10.0.0.1:2379,https://10.0.0.2:2379" in argv
    assert {"--cacert=/ca.crt", "--cert=/c.crt", "--key=/c.key"} <= set(argv)
    # The variable and the flag together are a fatal error of etcdctl.
    for name in ("ETCDCTL_ENDPOINTS", "ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY"):
        assert argv[argv.index(name) - 1] == "-u"
    assert argv.index("ETCDCTL_API=3") < argv.index("etcdctl")


def test_etcdctl_in_the_container_keeps_its_identity() -> None:
    inside = ClientAccess(endpoints=("https://10.0.0.1:2379",), container="4f2a")
    argv = commands.endpoint_health_json(inside)
    assert argv[:5] == ("sudo", "-n", "crictl", "exec", "4f2a")
    assert not [word for word in argv if word.startswith(("--cert", "--key", "--cacert"))]
    assert "ETCDCTL_CERT" not in argv and "ETCDCTL_ENDPOINTS" in argv


def test_a_command_for_later_looks_for_its_container_then() -> None:
    argv = commands.member_remove(ClientAccess(container="4f2a").lasting, 5, ["https://10.0.0.1:2379"])
    assert "4f2a" not in argv and argv[2:4] == ("sh", "-c") and "for name in etcdctl etcd" in argv[4]
    assert argv[5:9] == ("crictl", "env", "-u", "ETCDCTL_ENDPOINTS") and argv[-3:] == (
        "member",
        "remove",
        "5",
    )
    assert commands.member_remove(ACCESS.lasting, 5) == commands.member_remove(ACCESS, 5)
    argv = commands.move_leader(ClientAccess(container="4f2a").lasting, 5, "https://10.0.0.1:2379")
    assert (
        "4f2a" not in argv
        and argv[:4] == ("sudo", "-n", "sh", "-c")
        and "for name in etcdctl etcd" in argv[4]
    )
    assert argv[5:8] == ("crictl", "sh", "-c") and argv[-2:] == ("move-leader", "5")


@pytest.mark.parametrize(
    ("running", "said", "status"),
    [
        ("etcdctl=4f2a etcd=77aa", "in 4f2a: env -u ETCDCTL_ENDPOINTS", 0),
        ("etcd=77aa", "in 77aa: env -u ETCDCTL_ENDPOINTS", 0),
        ("", "no container of etcd runs here", 1),
    ],
)
def test_the_container_that_runs_then(tmp_path: Path, running: str, said: str, status: int) -> None:
    crictl = tmp_path / "crictl"
    crictl.write_text(
        '#!/bin/sh\nif [ "$1" = exec ]; then shift; id=$1; shift; echo "in $id: $*"; exit 0; fi\n'
        f'for one in {running}; do case "$6" in *"name=${{one%=*}}") echo "${{one#*=}}";; esac; done\n'
    )
    crictl.chmod(0o755)
    access = ClientAccess(container="old", crictl=str(crictl), sudo=()).lasting
    done = subprocess.run(commands.member_remove(access, 5), capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done


def test_ids_are_given_in_hex() -> None:
    assert commands.member_remove(ACCESS, 0xFFFFFFFFFFFFFFFF)[-1] == "f" * 16
    assert commands.move_leader(ACCESS, 5, "https://10.0.0.9:2379")[-1] == "5"
    assert "--endpoints=https://10.0.0.9:2379" in commands.move_leader(ACCESS, 5, "https://10.0.0.9:2379")


def test_a_member_is_added_as_a_learner_and_promoted() -> None:
    argv = commands.member_add(ACCESS, "m4", ["https://10.0.0.4:2380"], learner=True)
    assert argv[-5:] == ("member", "add", "m4", "--peer-urls=https://10.0.0.4:2380", "--learner")
    assert commands.member_add(ACCESS, "m4", ["https://10.0.0.4:2380"], learner=False)[-1] != "--learner"
    assert commands.member_promote(ACCESS, 0xABC)[-3:] == ("member", "promote", "abc")


def test_one_member_is_defragmented_at_a_time() -> None:
    argv = commands.defragment(ACCESS, "https://10.0.0.1:2379")
    assert "--endpoints=https://10.0.0.1:2379" in argv and "--command-timeout=120s" in argv


@pytest.mark.parametrize(
    "argv",
    [
        commands.endpoint_status_json(ACCESS),
        commands.endpoint_hashkv_json(ACCESS, 7),
        commands.alarm_list_json(ACCESS),
        commands.alarm_disarm(ACCESS),
        commands.etcdctl(ACCESS, "get", "a key with spaces; and $more"),
    ],
)
def test_words_stay_words(argv: tuple[str, ...]) -> None:
    assert isinstance(argv, tuple) and all(isinstance(word, str) and word for word in argv)


@pytest.mark.parametrize(
    ("address", "connect", "check"),
    [
        ("10.0.0.1", "10.0.0.1:2379", ("-verify_ip", "10.0.0.1")),
        ("fd00::10", "[fd00::10]:2379", ("-verify_ip", "fd00::10")),
        ("[fd00::10]", "[fd00::10]:2379", ("-verify_ip", "fd00::10")),
        ("etcd-0.example.com", "etcd-0.example.com:2379", ("-verify_hostname", "etcd-0.example.com")),
    ],
)
def test_the_pipe_checks_who_answers(address: str, connect: str, check: tuple[str, str]) -> None:
    argv = commands.openssl_pipe(address, 2379, certificate="/c", key="/k", ca="/ca")
    assert argv[:4] == ("sudo", "-n", "openssl", "s_client")
    assert argv[argv.index("-connect") + 1] == connect
    at = argv.index(check[0])
    assert argv[at : at + 2] == check
    assert "-verify_return_error" in argv and "-no-CApath" in argv
    # The order counts: -quiet alone ignores the end of input.
    assert argv.index("-quiet") < argv.index("-no_ign_eof") and "-nocommands" in argv


def test_another_name_than_the_address() -> None:
    argv = commands.openssl_pipe("10.0.0.1", 2381, certificate="/c", key="/k", ca="/ca", name="m1", sudo=())
    assert argv[0] == "openssl"
    assert argv[argv.index("-verify_hostname") + 1] == "m1" and argv[argv.index("-servername") + 1] == "m1"
