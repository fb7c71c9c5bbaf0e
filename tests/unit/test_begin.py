"""How the program begins: a Ctrl-C that comes before it is loaded ends it, and prints nothing."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# The import of the command line is where the signal comes.
_PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, {before})
class Meanwhile:
    def find_spec(self, name, *rest):
        if name == "etcdtui.cli.main":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Meanwhile())
sys.argv = ["etcdtui", "--version"]
from etcdtui.__main__ import start
start()
"""


@pytest.mark.parametrize(
    ("before", "code", "said"),
    [("signal.default_int_handler", -signal.SIGINT, ""), ("signal.SIG_IGN", 0, "etcdtui ")],
    ids=["usual", "ignored, as below nohup"],
)
def test_an_interruption_while_it_loads_is_no_traceback(before: str, code: int, said: str) -> None:
    words = [sys.executable, "-c", _PROGRAM.format(before=before)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith(said) and bool(done.stdout) is bool(said)
