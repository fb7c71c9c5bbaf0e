"""SSH as it goes wrong, with a real sshd: keys, agents, jumps, full, frozen and dying servers."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from reach_sshd import (
    QUICK,
    SSHD,
    Sshd,
    connected,
    free_port,
    make_key,
    me,
    running,
    stopping,
    wait_until,
)

from etcdtui.config import Host, SshOptions
from etcdtui.errors import (
    AuthFailed,
    HostKeyChanged,
    HostKeyUnknown,
    NameUnknown,
    Refused,
    TimedOut,
    Unreachable,
)
from etcdtui.reach import known_hosts
from etcdtui.reach.echo import Echo
from etcdtui.reach.ssh import SshRunner, resolve
from etcdtui.reach.ssh_config import read_settings

pytestmark = [pytest.mark.live, pytest.mark.skipif(not SSHD, reason="no sshd on this machine")]


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """A server that no test hurts."""
    with stopping(Sshd(tmp_path_factory.mktemp("steady"))) as server:
        yield server


@pytest.fixture
def server(tmp_path):
    with stopping(Sshd(tmp_path / "server")) as server:
        yield server


def ask(target, **changes):
    """Run one command on a target and say what it printed."""
    runner = SshRunner(replace(target, **changes), limits=QUICK)
    try:
        return runner.run(("echo", "hello"), timeout=10).out()
    finally:
        runner.close()


# --- reaching it ------------------------------------------------------------------------------------------


def test_nothing_listens(steady):
    with pytest.raises(Refused, match=r"master1 \(127.0.0.1:\d+\) refuses the connection"):
        ask(steady.target(), port=free_port())


def test_the_name_is_unknown(steady):
    with pytest.raises(NameUnknown, match=r"no-such-host\.invalid has no address"):
        ask(steady.target(), address="no-such-host.invalid")


def test_a_server_that_accepts_and_says_nothing(steady):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(TimedOut, match="master1 accepts connections but does not answer"),
    ):
        ask(steady.target(), port=silent.getsockname()[1])


def test_a_server_that_hangs_up(steady):
    with socket.create_server(("127.0.0.1", 0)) as rude:
        thread = threading.Thread(target=lambda: rude.accept()[0].close())
        thread.start()
        with pytest.raises(Unreachable, match="master1 hung up before the login"):
            ask(steady.target(), port=rude.getsockname()[1])
        thread.join()


def test_a_short_deadline_says_what_was_waited_for(steady):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        runner = SshRunner(replace(steady.target(), port=silent.getsockname()[1]), limits=QUICK)
        started = time.monotonic()
        with pytest.raises(
            TimedOut, match=r"does not answer: the sshd of master1 sent no greeting within 0\.\d+ s"
        ):
            runner.run(("true",), timeout=0.3)
        assert time.monotonic() - started < 0.8
        runner.close()


# --- host keys --------------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_refused_until_trusted(steady, tmp_path):
    file = tmp_path / "new" / "known_hosts"
    target = replace(steady.target(), known_hosts=(str(file),))
    with pytest.raises(HostKeyUnknown) as caught:
        ask(target)
    unknown = caught.value
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(steady.host_key) + ".pub"], capture_output=True, text=True
    ).stdout.split()[1]
    assert (unknown.fingerprint, unknown.key_type, unknown.port) == (shown, "ssh-ed25519", steady.port)
    known_hosts.trust(unknown, file)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert ask(target) == "hello\n"
    found = subprocess.run(
        ["ssh-keygen", "-F", f"[127.0.0.1]:{steady.port}", "-f", str(file)], capture_output=True
    )
    assert found.returncode == 0


def test_an_unknown_host_may_stand_in_what_was_left_out(steady, tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text(f"@cert-authority * {steady.host_key.with_suffix('.pub').read_text()}")
    target = replace(steady.target(), known_hosts=(str(file),), notes=("Include was not read.",))
    with pytest.raises(HostKeyUnknown) as caught:
        ask(target)
    assert f"{file}, line 1: @cert-authority is not supported" in caught.value.hint
    assert "Include was not read." in caught.value.hint


def test_a_changed_host_key_is_refused(steady, tmp_path):
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    file = tmp_path / "known_hosts"
    file.write_text(f"# a comment\n[127.0.0.1]:{steady.port} {other}")
    with pytest.raises(HostKeyChanged, match=rf"instead of ssh-ed25519 SHA256:.*{file}, line 2"):
        ask(steady.target(), known_hosts=(str(file),))


def test_a_revoked_host_key_is_refused(steady, tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text("@revoked * " + steady.host_key.with_suffix(".pub").read_text())
    with pytest.raises(HostKeyChanged, match="revoked"):
        ask(steady.target(), known_hosts=(str(steady.known), str(file)))


def test_hashed_names_and_several_files(steady, tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text(steady.known.read_text())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "127.0.0.1" not in file.read_text()
    assert ask(steady.target(), known_hosts=("/nonexistent", str(file))) == "hello\n"


def test_a_server_with_several_keys_is_asked_for_the_known_one(tmp_path):
    ecdsa = make_key(tmp_path / "ecdsa", kind="ecdsa")
    with stopping(Sshd(tmp_path / "server", f"HostKey {ecdsa}")) as server:
        for key in (ecdsa, server.host_key):
            server.known.write_text(f"[127.0.0.1]:{server.port} {key.with_suffix('.pub').read_text()}")
            assert ask(server.target()) == "hello\n"


# --- logging in -------------------------------------------------------------------------------------------


def test_a_wrong_key(steady, tmp_path):
    key = make_key(tmp_path / "stranger")
    with pytest.raises(AuthFailed, match=rf"does not let {me()} in with .*stranger; it accepts publickey"):
        ask(steady.target(), identities=(str(key),))


def test_no_key_at_all(steady):
    with pytest.raises(AuthFailed, match="there is none to offer; it accepts publickey"):
        ask(steady.target(), identities=())


def test_an_encrypted_key_without_agent_names_ssh_add(steady, tmp_path):
    key = make_key(tmp_path / "locked", passphrase="secret")
    with pytest.raises(AuthFailed) as caught:
        ask(steady.target(), identities=(str(key),))
    assert f"run ssh-add {key}" in caught.value.hint


def test_too_many_keys(steady, tmp_path):
    keys = tuple(str(make_key(tmp_path / f"k{n}")) for n in range(7))
    with pytest.raises(AuthFailed) as caught:
        ask(steady.target(), identities=keys)
    assert "IdentitiesOnly" in caught.value.hint


@pytest.fixture
def agent(tmp_path):
    path = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(path))
    yield path
    process.terminate()
    process.wait()


def add(agent: str, key: Path) -> None:
    environment = os.environ | {"SSH_AUTH_SOCK": agent}
    subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True, capture_output=True)


def test_an_encrypted_key_held_by_the_agent(steady, agent, tmp_path):
    locked = tmp_path / "locked"
    for end in ("", ".pub"):
        (tmp_path / f"locked{end}").write_bytes(Path(f"{steady.user_key}{end}").read_bytes())
    locked.chmod(0o600)
    add(agent, locked)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", locked], check=True)
    target = replace(steady.target(), identities=(str(locked),), agent=agent)
    assert ask(target) == "hello\n"
    assert ask(target, identities_only=False, identities=()) == "hello\n"
    with pytest.raises(AuthFailed):
        ask(target, identities_only=True, identities=())


def test_an_agent_that_is_gone_is_told(steady, tmp_path):
    with pytest.raises(AuthFailed) as caught:
        ask(steady.target(), identities=(), agent=str(tmp_path / "nobody"))
    assert "ssh-agent" in caught.value.hint
    assert ask(steady.target(), agent=str(tmp_path / "nobody")) == "hello\n"


# --- the user's ssh_config --------------------------------------------------------------------------------


def test_ssh_config_with_include_match_and_jump(steady, tmp_path):
    with stopping(Sshd(tmp_path / "jump")) as jump:
        (tmp_path / "included").write_text(
            f"Host inner\n  HostName 127.0.0.1\n  Port {steady.port}\n  IdentityFile {steady.user_key}\n"
            f"  UserKnownHostsFile {steady.known}\n  ProxyJump bastion\n"
        )
        (tmp_path / "config").write_text(
            f"Include {tmp_path}/included\nHost bastion\n  HostName 127.0.0.1\n  Port {jump.port}\n"
            f"  IdentityFile {jump.user_key}\n  UserKnownHostsFile {jump.known}\n"
            f"Match host 127.0.0.1\n  User {me()}\n  IdentitiesOnly yes\n"
        )
        read_settings.cache_clear()
        options = SshOptions(config=str(tmp_path / "config"))
        target = resolve(Host("inner", "inner"), options)
        assert [hop.name for hop in target.jumps] == ["bastion"]
        assert ask(target) == "hello\n"
        assert jump.logins() == 1
        # The key of the jump host is checked as strictly.
        jump.known.write_text("")
        with pytest.raises(HostKeyUnknown) as caught:
            ask(target)
        assert caught.value.port == jump.port


def test_a_jump_host_that_cannot_reach_the_host(steady):
    target = replace(steady.target(), port=free_port(), jumps=(steady.target(name="bastion"),))
    with pytest.raises(Refused, match="The jump host bastion cannot reach"):
        ask(target)


def test_a_jump_host_that_does_not_forward(tmp_path, steady):
    with (
        stopping(Sshd(tmp_path / "jump", "AllowTcpForwarding no")) as jump,
        pytest.raises(Unreachable, match="The jump host bastion does not forward"),
    ):
        ask(steady.target(), jumps=(jump.target(name="bastion"),))


def test_a_proxy_command(steady):
    script = (
        "import socket,sys,threading as t,os\n"
        f"s=socket.create_connection(('127.0.0.1',{steady.port}))\n"
        "def up():\n while d:=os.read(0,65536): s.sendall(d)\n"
        "t.Thread(target=up,daemon=True).start()\n"
        "while d:=s.recv(65536): os.write(1,d)\n"
    )
    command = f"{sys.executable} -c {shlex.quote(script)}"
    assert ask(steady.target(), proxy_command=command) == "hello\n"
    wait_until(lambda: not running(sys.executable, "-c", script))


# --- connections ------------------------------------------------------------------------------------------


def together(count, work):
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def test_many_callers_make_one_connection(server):
    runner = server.runner()
    together(8, lambda _: runner.run(("true",), timeout=10))
    assert server.logins() == 1
    assert connected(runner)
    runner.close()
    assert not connected(runner)


def test_a_second_connection_when_the_first_is_full(server):
    runner = server.runner()
    streams = [runner.stream(("cat",), timeout=10) for _ in range(20)]
    for number, stream in enumerate(streams):
        stream.send(b"%d" % number, 5)
        assert stream.receive(5) == b"%d" % number
    assert server.logins() == 3
    assert runner.run(("true",), timeout=5).ok
    for stream in streams:
        stream.close()
    runner.close()


def test_when_all_is_full_a_call_waits_for_its_turn(server):
    runner = SshRunner(server.target(), limits=QUICK, connections=1)
    streams = [runner.stream(("cat",), timeout=10) for _ in range(8)]
    with pytest.raises(TimedOut, match=r"busy with 8 other commands of etcdtui: none ended within 0\.3"):
        runner.run(("true",), timeout=0.3)
    threading.Timer(0.2, streams[0].close).start()
    assert runner.run(("true",), timeout=5).ok
    runner.close()


def test_a_server_that_allows_few_sessions(tmp_path):
    with stopping(Sshd(tmp_path / "server", "MaxSessions 2")) as server:
        runner = server.runner()
        streams = [runner.stream(("cat",), timeout=10) for _ in range(5)]
        for stream in streams:
            stream.send(b"x", 5)
            assert stream.receive(5) == b"x"
        assert runner.run(("true",), timeout=5).ok
        assert server.logins() == 3
        runner.close()


def test_a_server_that_allows_no_session(tmp_path):
    with stopping(Sshd(tmp_path / "server", "MaxSessions 0")) as server:
        runner = server.runner()
        with pytest.raises(Unreachable, match="lets us in but gives no session"):
            runner.run(("true",), timeout=10)
        runner.close()


def test_a_failure_is_not_repeated_at_once(steady):
    runner = SshRunner(replace(steady.target(), port=free_port()), limits=QUICK)
    with pytest.raises(Refused) as first:
        runner.run(("true",), timeout=5)
    started = time.monotonic()
    with pytest.raises(Refused) as second:
        runner.run(("true",), timeout=5)
    assert second.value is first.value
    assert second.value.__cause__ is not None
    assert time.monotonic() - started < 0.1
    runner.reconnect()
    with pytest.raises(Refused) as third:
        runner.run(("true",), timeout=5)
    assert third.value is not first.value
    runner.close()


def test_a_connection_that_dies_is_replaced(server):
    runner = server.runner()
    assert runner.run(("true",), timeout=5).ok
    server.signal(signal.SIGKILL, *server.sessions())
    wait_until(lambda: not connected(runner))
    assert runner.run(("true",), timeout=5).ok
    assert server.logins() == 2
    runner.close()


def test_a_connection_that_dies_under_a_command(server):
    runner = server.runner()
    runner.run(("true",), timeout=5)
    killer = threading.Timer(0.3, lambda: server.signal(signal.SIGKILL, *server.sessions()))
    killer.start()
    with pytest.raises(Unreachable, match="broke while a command was running") as caught:
        runner.run(("sleep", "5"), timeout=10)
    assert not isinstance(caught.value, TimedOut)
    assert "not known" in caught.value.hint
    stream = runner.stream(("cat",), timeout=5)
    server.signal(signal.SIGKILL, *server.sessions())
    with pytest.raises(Unreachable, match="broke"):
        stream.receive(5)
    stream.close()
    runner.close()


def test_a_server_that_is_gone_and_comes_back(server):
    runner = server.runner()
    assert runner.run(("true",), timeout=5).ok
    server.stop()
    with pytest.raises(Unreachable):
        runner.run(("true",), timeout=5)
    server.start()
    runner.reconnect()
    assert runner.run(("true",), timeout=5).ok
    runner.close()


def test_a_frozen_connection_is_noticed_and_replaced(server):
    runner = server.runner()
    echo = Echo(runner)
    assert echo.ping(5) < 1
    frozen = server.sessions()
    server.signal(signal.SIGSTOP, *frozen)
    started = time.monotonic()
    with pytest.raises(TimedOut, match="master1 does not answer: no echo within"):
        echo.ping(0.5)
    with pytest.raises(TimedOut, match="accepts connections but does not answer: no session"):
        runner.run(("true",), timeout=0.5)
    assert time.monotonic() - started < 2.5
    # The listener still works: the next call makes a new connection.
    assert runner.run(("true",), timeout=5).ok
    assert echo.ping(5) < 1
    echo.close()
    started = time.monotonic()
    runner.close()
    assert time.monotonic() - started < 1.0
    server.signal(signal.SIGCONT, *frozen)


def test_sending_much_to_a_frozen_server_ends_in_time(server):
    runner = server.runner()
    stream = runner.stream(("cat",), timeout=5)
    server.signal(signal.SIGSTOP, *server.sessions())
    started = time.monotonic()
    with pytest.raises(Unreachable):
        for _ in range(50):
            stream.send(bytes(1_000_000), 1.0)
    assert time.monotonic() - started < 4.0
    started = time.monotonic()
    stream.close()
    runner.close()
    assert time.monotonic() - started < 2.5


def test_without_timeout_on_the_host_nothing_stays_either(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "sleep", "cat", "echo", "head"):
        (tools / name).symlink_to(f"/bin/{name}")
    with stopping(Sshd(tmp_path / "server", f"SetEnv PATH={tools} SHLVL=5")) as server:
        runner = server.runner()
        assert runner.run(("cat",), timeout=5, stdin=b"data").stdout == b"data"
        assert runner.run(("sh", "-c", "exit 9"), timeout=5).status == 9
        mark = "6" + str(os.getpid())
        with pytest.raises(TimedOut):
            runner.run(("sleep", mark), timeout=1)
        wait_until(lambda: not running("sleep", mark), 4.0)
        runner.close()


def test_the_connection_is_fast_and_will_not_renew_keys(steady):
    runner = steady.runner()
    runner.run(("true",), timeout=5)
    (link,) = runner._pool._links
    assert link.transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert link.transport.remote_cipher == "aes128-gcm@openssh.com"
    assert link.transport.packetizer.REKEY_BYTES == 2**36
    runner.close()


def test_a_talkative_library_prints_nothing(steady, capfd):
    with pytest.raises(AuthFailed):
        ask(steady.target(), identities=())
    assert capfd.readouterr() == ("", "")
