"""What a job may be called, and that the scripts are sh."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from etcdtui.errors import ConfigError
from etcdtui.reach import job_scripts
from etcdtui.reach.jobs import Job

SCRIPTS = ("START", "LOOK", "CANCEL", "FORGET")


@pytest.mark.parametrize("id", ["", "A", "a b", "../x", "-a", "a/b", "a\n", "ü", "a" * 101])
def test_bad_ids_are_refused(id):
    with pytest.raises(ConfigError, match="no id of a job"):
        Job(id, "/var/jobs", ("true",))


@pytest.mark.parametrize("directory", ["", "/", "//", "jobs", "/var/../etc"])
def test_bad_directories_are_refused(directory):
    with pytest.raises(ConfigError, match="no directory for jobs"):
        Job("a", directory, ("true",))


def test_a_job_needs_a_command():
    with pytest.raises(ConfigError, match="no command"):
        Job("a", "/var/jobs", ())


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_shell_can_read_the_scripts(shell, name):
    program = shutil.which(shell)
    if not program:
        pytest.skip(f"no {shell} on this machine")
    words = [program, "sh"] if shell == "busybox" else [program]
    done = subprocess.run([*words, "-n"], input=getattr(job_scripts, name).encode(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
