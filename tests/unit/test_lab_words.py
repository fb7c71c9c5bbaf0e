"""What a lab refuses, and how it says so."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from etcdtui.children import binaries
from etcdtui.cli import main as cli
from etcdtui.errors import ConfigError, Refusal
from etcdtui.lab import __main__ as command
from etcdtui.lab import actions, content, control, up
from etcdtui.lab.selectors import selected


def test_an_unknown_action_names_the_known_ones() -> None:
    with pytest.raises(Refusal, match=r"does not know 'explode'.*freeze.*wrong-cert"):
        actions.check("explode", None)


@pytest.mark.parametrize(("action", "node"), [("freeze", None), ("api-down", "masternode1")])
def test_a_node_is_wanted_or_not(action: str, node: str | None) -> None:
    with pytest.raises(Refusal, match=r"wants a node|for the whole lab"):
        actions.check(action, node)


def test_every_action_explains_itself() -> None:
    assert len(actions.ACTIONS) > 20
    for action in actions.ACTIONS.values():
        assert action.help.endswith("."), action.name


def test_do_without_a_lab_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["do", str(tmp_path), "status"]) == 64
    assert "There is no running lab" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["do", "DIR", "nonsense"], 64, "does not know 'nonsense'"),
        (["do", "DIR", "stop"], 64, "stop wants a node"),
        (["do", "DIR", "stop", "masternode1"], 1, "does not answer"),
        (["up", "DIR", "--nodes", "many"], 64, "invalid int value"),
        (["up", "DIR", "--nodes", "0"], 64, "1 to 9 nodes"),
        (["up", "DIR", "--era", "4.4"], 64, "invalid choice: '4.4'"),
        (["sideways"], 64, "invalid choice"),
        ([], 64, "required"),
        (["--help"], 0, "64 bad arguments"),
        (["do", "--help"], 0, "freeze"),
    ],
)
def test_both_command_lines_are_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    (tmp_path / "lab.json").write_text('{"port": 1, "token": "x", "pid": 1}')
    words = [str(tmp_path) if word == "DIR" else word for word in words]
    for main, given in ((command.main, words), (cli.main, ["lab", *words])):
        try:
            ended: object = main(given)
        except SystemExit as end:
            ended = end.code or 0
        told = capsys.readouterr()
        assert ended == code
        assert said in " ".join((told.out + told.err).split())


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    said: list[str] = []
    assert up.run(tmp_path, say=said.append) == 64
    assert said == [f"{tmp_path} is not empty, and not a lab. Name an empty or a new folder."]
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("options", [{"nodes": 0}, {"nodes": 10}, {"ssh": "telnet"}, {"keys": -1}])
def test_options_that_make_no_sense(tmp_path: Path, options: dict[str, object]) -> None:
    sound = {"nodes": 3, "ssh": "auto", "keys": 0}
    with pytest.raises(ConfigError):
        up.checked(tmp_path, **{**sound, **options})  # type: ignore[arg-type]


def test_a_folder_without_etcd_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=str(tmp_path)):
        binaries.find(tmp_path)


def test_wrappers_are_not_programs(tmp_path: Path) -> None:
    for name in ("etcd", "etcdctl"):
        (tmp_path / name).write_text("#!/usr/bin/python\n")
    with pytest.raises(ConfigError):
        binaries.find(tmp_path)


def test_a_stale_lab_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text('{"port": 1, "token": "x", "pid": 1}')
    with pytest.raises(Exception, match="does not answer"):
        control.send(tmp_path, "status")


def test_keys_look_like_a_clusters_and_repeat() -> None:
    first, again = list(content.entries(500)), list(content.entries(500))
    assert first == again
    assert len({key for key, _ in first}) == 500
    assert all(key.startswith("/kubernetes.io/") and value.startswith(b"k8s\x00") for key, value in first)
    assert 300 < sum(len(value) for _, value in first) / 500 < 4000


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, True),
        ({"labelSelector": "k8s-app=etcd"}, True),
        ({"labelSelector": "app==etcd,k8s-app!=guard"}, True),
        ({"labelSelector": "app in (etcd, guard),revision"}, False),
        ({"labelSelector": "!revision"}, True),
        ({"labelSelector": "app notin (etcd)"}, False),
        ({"fieldSelector": "metadata.name=etcd-masternode1"}, True),
        ({"fieldSelector": "spec.nodeName=masternode2"}, False),
    ],
)
def test_selectors(query: dict[str, str], expected: bool) -> None:
    item = {
        "metadata": {"name": "etcd-masternode1", "labels": {"app": "etcd", "k8s-app": "etcd"}},
        "spec": {"nodeName": "masternode1"},
    }
    assert selected(item, query) is expected


def test_the_scripts_are_sound_shell() -> None:
    files = Path(content.__file__).parent / "files"
    for script in sorted(files.iterdir()):
        if script.is_file() and script.suffix != ".py":
            shell = "bash" if script.suffix == ".sh" else "/bin/sh"
            subprocess.run([shell, "-n", script], check=True)
