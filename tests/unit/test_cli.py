"""The command line without a cluster: refusals are sentences, and no bad argument looks like a verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from etcdtui import config
from etcdtui.cli import backups as cli_backups
from etcdtui.cli import main as cli
from etcdtui.cli.cluster import cluster_config
from etcdtui.config_stores import BackupsConfig, DirectoryPlace, StoreConfig
from etcdtui.model.findings import find
from etcdtui.model.health import judge
from etcdtui.model.retention import Rule
from etcdtui.status import as_json, as_lines
from tests.views import endpoint, gone, healthy, with_endpoints

KUBECONFIG = """
current-context: admin
contexts: [{name: admin, context: {cluster: prod, user: admin}}]
clusters: [{name: prod, cluster: {server: "https://api.prod.example.com:6443"}}]
users: [{name: admin, user: {token: x}}]
"""


def run(*words: str) -> int:
    try:
        return cli.main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status", "--bogus"), "unrecognized arguments: --bogus"),
        (("status", "--timeout", "abc"), "'abc' is not a number of seconds"),
        (("status", "--timeout", "-1"), "is not a number of seconds"),
        (("status", "--config", "/does/not/exist"), "There is no configuration file /does/not/exist."),
        (("status", "--config", "a", "--ssh", "b"), "--config and --ssh both say which cluster"),
        (("status", "--config", "a", "--context", "b"), "--context is of a kubeconfig"),
        (("status", "--config", "~nobody-here/x"), "There is no configuration file ~nobody-here/x."),
        (("fetch", "S", "--identity", "~nobody-here/x", "--config", "/no"), "no configuration file /no."),
        (("status", "--ssh", "core@"), "names no host"),
        (("status", "--ssh", "core@m1:99999"), "is no port"),
        (("demo", "--drill", "member-dwon"), "There is no drill 'member-dwon'. Did you mean 'member-down'?"),
        (("demo", "--drill", "two-failed", "--nodes", "3"), "The drill two-failed has 5 nodes."),
        (("demo", "--drill", "two-failed"), "A drill needs a terminal."),
        (("nonsense",), "invalid choice: 'nonsense'"),
        (("lab", "do", "/does/not/exist", "stop", "masternode1"), "/does/not/exist"),
    ],
)
def test_bad_arguments_are_refused_in_words(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 64
    told = capsys.readouterr()
    assert said in told.err and "Traceback" not in told.err and not told.out


def test_a_home_is_found_where_no_shell_put_it_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("status", "--config=~/none.toml") == 64
    assert f"There is no configuration file {tmp_path}/none.toml." in capsys.readouterr().err
    asked = cli._parser().parse_args(["backups", "--metrics-file=~/m.prom"])
    assert asked.metrics_file == tmp_path / "m.prom"


def test_a_context_beside_a_host_is_one_of_the_kubeconfig() -> None:
    asked = cli._parser().parse_args(["status", "--ssh", "core@m1", "--context", "admin"])
    chosen = cluster_config(asked)
    assert (chosen.kubeconfig, chosen.context) == ("", "admin"), "it is looked for, not passed over"
    assert cluster_config(cli._parser().parse_args(["status", "--ssh", "core@m1"])).kubeconfig is None


@pytest.mark.parametrize(
    ("command", "events"),
    [("backup", True), ("prune", True), ("fetch", True), ("resume", True)]
    + [(name, False) for name in ("backups", "verify", "maintenance", "rehearse", "restore", "status")],
)
def test_the_help_says_whether_json_comes_line_by_line(
    command: str, events: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, "--help") == 0
    assert ("one object a line" in " ".join(capsys.readouterr().out.split())) is events


def test_without_a_terminal_the_dashboard_says_what_to_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--ssh", "core@masternode1") == 64
    assert "etcdtui status" in capsys.readouterr().err


CONFIG = """
[clusters.prod.backups]
directory = "{folder}"
[[clusters.prod.hosts]]
name = "masternode1"
address = "127.0.0.1"
"""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("backup", "--store", "nas"), 64, "There is no store nas: none is configured."),
        (("prune",), 64, "prod has no rule for which backups to keep"),
        (("verify", "n" * 256), 2, "File name too long"),
        (("backup",), 2, "cannot be"),
        (("prune", "--keep", "1"), 2, "cannot be"),
        (("resume",), 2, "cannot be"),
        (("restore", "--dry-run"), 2, "cannot be"),
        (("journal",), 2, "cannot be"),
    ],
)
def test_what_could_not_be_done_is_no_bad_argument(
    words: tuple[str, ...],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "clusters.toml").write_text(CONFIG.format(folder=tmp_path / "backups"))
    (tmp_path / "state").write_text("a file where the folder of the state should be")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run(words[0], "--config", str(tmp_path / "clusters.toml"), *words[1:]) == code
    told = capsys.readouterr()
    assert said in told.out + told.err and "defect" not in told.err


def test_a_defect_is_told_as_one_and_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(options: object) -> int:
        raise ZeroDivisionError("oops \x1b[2J")

    monkeypatch.setattr(cli, "_status", broken)
    assert run("status") == 70
    told = capsys.readouterr().err
    assert "a defect of it" in told and "\x1b" not in told


def test_a_screen_that_broke_is_told_by_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clusters.toml").write_text(CONFIG.format(folder=tmp_path / "backups"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    screen = type("Screen", (), {"run": lambda self, mouse: None, "return_code": 1})
    monkeypatch.setattr("etcdtui.ui.app.EtcdTui", lambda *parts: screen())
    cluster = config.load(tmp_path / "clusters.toml").cluster(None)
    assert cli._open(cluster, mouse=False) == 70
    screen.return_code = 0  # type: ignore[attr-defined]
    assert cli._open(cluster, mouse=False) == 0


@pytest.mark.parametrize("buffered", ["", "1"])
def test_what_cannot_be_printed_is_no_defect_and_no_verdict(tmp_path: Path, buffered: str) -> None:
    told = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PYTHONUNBUFFERED": buffered}
    words = [sys.executable, "-m", "etcdtui", "journal"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, env=told, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 70
    assert done.stderr == "etcdtui: what it prints cannot be written: No space left on device.\n"


def test_an_empty_journal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert run("journal") == 0
    assert "is empty" in capsys.readouterr().out


def test_a_kubeconfig_alone_names_the_cluster_after_its_server(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG)
    found = config.from_kubeconfig(str(file), None).cluster(None)
    assert (found.name, found.ssh.user, found.discover) == ("prod.example.com", "core", True)
    (tmp_path / "broken").write_text("][")
    assert config.from_kubeconfig(str(tmp_path / "broken"), "admin").cluster(None).name == "admin"


class TestStatus:
    def test_the_json_says_what_the_screen_says(self) -> None:
        view = with_endpoints(endpoint(1), endpoint(2), gone(3))
        health = judge(view)
        told = as_json(view, health, find(view, health))
        assert json.loads(json.dumps(told)) == told
        assert (told["verdict"], told["exit_code"], told["can_lose"]) == ("DEGRADED", 1, 0)
        assert [m["fault"] for m in told["members"]] == [None, None, "refused"]
        assert told["backups"][0]["complete"] is True and told["leader"] == "masternode1"

    def test_the_lines_hold_nothing_that_a_terminal_obeys(self) -> None:
        view = healthy(name="\x1b[2J[/red]")
        health = judge(view)
        lines = list(as_lines(view, health, find(view, health)))
        assert lines[0].startswith("\\x1b[2J[/red]: HEALTHY, 3/3 voters, can lose 1")
        assert not any("\x1b" in line for line in lines)


def test_a_rule_that_is_given_is_for_here_and_for_places_that_have_one() -> None:
    one, two, given = Rule(count=2), Rule(daily=3), Rule(count=1)
    where = DirectoryPlace(Path("/mnt"))
    stores = (StoreConfig("ruled", where, keep=one), StoreConfig("archive", where))
    ruled = config.ClusterConfig("prod", stores=stores)
    kept = cli_backups._kept_by(ruled, given)
    assert kept.backups.keep == given and kept.backups.keep_on_hosts.empty
    assert [store.keep for store in kept.stores] == [given, Rule()]
    on_hosts = replace(ruled, backups=BackupsConfig(keep_on_hosts=two))
    assert cli_backups._kept_by(on_hosts, given).backups.keep_on_hosts == given
    assert cli_backups._kept_by(on_hosts, None) == on_hosts
