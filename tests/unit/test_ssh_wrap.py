"""Commands wrapped so that a host ends them itself."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from etcdtui.reach.wrap import bounded, split_sudo, tethered


@pytest.mark.parametrize(
    ("argv", "sudo", "command"),
    [
        ("etcdctl version", "", "etcdctl version"),
        ("sudo -n etcdctl version", "sudo -n", "etcdctl version"),
        ("/usr/bin/sudo -n -u etcd -- ls -l", "/usr/bin/sudo -n -u etcd --", "ls -l"),
        ("sudo -A ls", "", "sudo -A ls"),
        ("sudo -n", "sudo -n", ""),
        ("sudoers x", "", "sudoers x"),
    ],
)
def test_sudo_is_found(argv, sudo, command):
    assert split_sudo(argv.split()) == (tuple(sudo.split()), tuple(command.split()))


def test_the_limit_goes_inside_sudo():
    assert bounded(("sudo", "-n", "ls", "-l"), 2.3, True) == (
        *("sudo", "-n"),
        *("timeout", "-k", "2", "3"),
        *("ls", "-l"),
    )
    assert bounded(("ls",), 0.2, True) == ("timeout", "-k", "2", "1", "ls")
    assert bounded(("sudo", "-n"), 1, True) == ("sudo", "-n")


def test_without_timeout_a_shell_watches():
    argv = bounded(("sh", "-c", "cat; echo err >&2; exit 7"), 5, False)
    started = time.monotonic()
    done = subprocess.run(argv, input=b"in", capture_output=True, timeout=10)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"in", b"err\n")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("has_timeout", [True, False])
@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
def test_all_that_was_started_ends_in_time(has_timeout, trap, tmp_path):
    mark = tmp_path / "child"
    script = f'{trap}sleep 60 & echo $! >"$1"; cat "$2"'  # as df does on a server that went away
    os.mkfifo(tmp_path / "dead")
    argv = bounded(("sh", "-c", script, "look", str(mark), str(tmp_path / "dead")), 1, has_timeout)
    done = subprocess.run(argv, capture_output=True, timeout=10, start_new_session=True)
    assert done.returncode != 0
    child = Path(f"/proc/{mark.read_text().strip()}/stat")
    until = time.monotonic() + 5
    while child.exists() and child.read_text().split()[2] != "Z":
        assert time.monotonic() < until, "the child lives on"
        time.sleep(0.05)


def test_a_tethered_command_has_no_other_meaning():
    argv = tethered(("sudo", "-n", "cat", "a b"))
    assert argv[:3] == ("sudo", "-n", "sh")
    assert argv[-2:] == ("cat", "a b")
