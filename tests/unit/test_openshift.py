"""The host scripts run for real in a folder that looks like a master; the parsers on that and on nonsense."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from etcdtui.errors import (
    CommandFailed,
    EtcdTuiError,
    Forbidden,
    SudoRefused,
    TimedOut,
    UnexpectedOutput,
    Unreachable,
)
from etcdtui.model.backups import join
from etcdtui.platforms import objects, openshift
from etcdtui.platforms.host_clock import Asked
from etcdtui.platforms.layout import Layout
from etcdtui.reach.jobs import Job, cancel, look, start
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.wrap import split_sudo
from tests.recorded import NASTY

POD = "/etc/kubernetes/static-pod-certs"
ENV = f"""\
export ALL_ETCD_ENDPOINTS="https://10.0.0.1:2379,https://10.0.0.2:2379,https://10.0.0.9:2379"
export ETCDCTL_API="3"
export ETCDCTL_CACERT="{POD}/configmaps/etcd-all-bundles/server-ca-bundle.crt"
export ETCDCTL_CERT="{POD}/secrets/etcd-all-certs/etcd-peer-master-1.example.com.crt"
export ETCDCTL_ENDPOINTS="https://10.0.0.1:2379,https://[fd00::2]:2379"
export ETCDCTL_KEY="{POD}/secrets/etcd-all-certs/etcd-peer-master-1.example.com.key"
export ETCD_DATA_DIR="/var/lib/etcd"
export ETCD_IMAGE="quay.io/openshift/etcd@sha256:0000"
export NODE_master_0_ETCD_NAME="master-0.example.com"
export NODE_master_0_IP="fd00::2"
export NODE_master_1_example_com_ETCD_NAME="master-1.example.com"
export NODE_master_1_example_com_ETCD_URL_HOST="10.0.0.1"
export NODE_master_1_example_com_IP="10.0.0.1"
echo this line is no variable"""


def pem(days: float) -> bytes:
    """A certificate that ends in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    end = datetime.now(UTC) + timedelta(days=days)
    unsigned = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=1000))
        .not_valid_after(end)
    )
    return unsigned.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Master:
    """A folder that is the root of a control plane host, with stand-ins on its PATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = Layout(root=str(root), sudo=())
        self.bin = root / "standins"
        self.bin.mkdir(parents=True)
        self.path = f"{self.bin}:/usr/bin:/bin"

    def write(self, path: str, content: str | bytes = "", mode: int = 0o644) -> Path:
        place = Path(self.layout.at(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)
        return place

    def standin(self, name: str, script: str) -> None:
        place = self.bin / name
        place.write_text(f"#!/bin/sh\n{script}\n")
        place.chmod(0o755)

    def run(self, argv: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        environment = {"PATH": self.path, "HOME": "/", "LANG": "C.UTF-8"}
        return subprocess.run(argv, capture_output=True, env=environment, timeout=30, check=False)

    def access(self) -> openshift.HostAccess:
        return openshift.parse_access(self.run(openshift.access_script(self.layout)).stdout, "master-1")


@pytest.fixture
def master(tmp_path: Path) -> Master:
    master = Master(tmp_path / "host")
    layout = master.layout
    master.write(f"{layout.etcd_scripts}/etcd.env", ENV)
    certs = f"{layout.host_certificates}/secrets/etcd-all-certs"
    for name in ("peer", "serving"):
        for kind in ("crt", "key"):
            master.write(f"{certs}/etcd-{name}-master-1.example.com.{kind}", "x")
    master.write(f"{certs}/etcd-serving-master-0.example.com.crt", "x")
    master.write(f"{layout.host_certificates}/configmaps/etcd-all-bundles/server-ca-bundle.crt", "x")
    master.write(f"{layout.manifests}/etcd-pod.yaml", "spec: {}\n")
    master.standin("hostname", "echo master-1.example.com")
    return master


class TestAccess:
    def test_paths_of_the_pod_become_paths_of_the_host(self, master: Master) -> None:
        access = master.access()
        host = master.layout.at(master.layout.host_certificates)
        assert access.ca == f"{host}/configmaps/etcd-all-bundles/server-ca-bundle.crt"
        assert access.certificate == f"{host}/secrets/etcd-all-certs/etcd-peer-master-1.example.com.crt"
        assert access.key.endswith("etcd-peer-master-1.example.com.key")
        assert access.node == "master-1.example.com" == access.hostname
        assert access.endpoints == ("https://10.0.0.1:2379", "https://[fd00::2]:2379")
        assert access.peers == (("master-0.example.com", "fd00::2"), ("master-1.example.com", "10.0.0.1"))
        assert access.http_port is None and access.missing == ()
        assert access.can_pipe

    def test_addresses_by_which_others_may_know_it(self, master: Master) -> None:
        said = "10.0.0.1 127.0.0.1 169.254.169.2 FD00:0::1 fe80::1 ::1 nonsense"
        master.standin("hostname", f'[ "$1" = -I ] && echo "{said} " || echo master-1.example.com')
        access = master.access()
        assert access.addresses == ("10.0.0.1", "fd00::1")
        assert access == replace(access, addresses=()), "they change nothing about asking etcd"

    def test_a_root_before_the_pods_paths(self, master: Master) -> None:
        rooted = ENV.replace(POD, str(master.root) + POD)
        master.write(f"{master.layout.etcd_scripts}/etcd.env", rooted)
        assert master.access().can_pipe

    def test_the_old_layout_of_4_5(self, master: Master) -> None:
        layout = master.layout
        old = ENV.replace(
            "configmaps/etcd-all-bundles/server-ca-bundle", "configmaps/etcd-serving-ca/ca-bundle"
        )
        old = old.replace("etcd-all-certs", "etcd-all-peer")
        master.write(f"{layout.etcd_scripts}/etcd.env", old + "\n")
        for name in ("crt", "key"):
            master.write(
                f"{layout.host_certificates}/secrets/etcd-all-peer/etcd-peer-master-1.example.com.{name}"
            )
        master.write(f"{layout.host_certificates}/configmaps/etcd-serving-ca/ca-bundle.crt")
        access = master.access()
        assert "etcd-all-peer" in access.certificate and access.ca.endswith("etcd-serving-ca/ca-bundle.crt")

    def test_tools(self, master: Master) -> None:
        master.path = str(master.bin)
        for name in ("sh", "sed", "head", "tail", "grep", "uname"):
            (master.bin / name).symlink_to(
                f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}"
            )
        bare = master.access()
        assert not bare.openssl and not bare.etcdctl and not bare.container
        assert "there is no openssl" in bare.missing and not bare.can_pipe and not bare.can_etcdctl
        master.standin("crictl", 'case "$*" in *=etcdctl) echo 4f2a9c;; esac')
        assert master.access().container == "4f2a9c"
        assert master.access().client(()).container == "4f2a9c"
        # The pod of a restore has no other container than etcd's.
        master.standin("crictl", 'case "$*" in *=etcd) echo 77aa;; esac')
        assert master.access().container == "77aa"
        master.standin("crictl", 'case "$*" in *=etcd) echo 77aa;; *=etcdctl) echo 4f2a9c;; esac')
        assert master.access().container == "4f2a9c"
        tool = master.write(f"{master.layout.client_tools}/etcdctl", "#!/bin/sh\n", 0o755)
        access = master.access()
        assert access.etcdctl == str(tool)
        assert access.client(()).container == "" and access.client(()).etcdctl == str(tool)

    def test_the_http_port_of_newer_releases(self, master: Master) -> None:
        master.write(
            f"{master.layout.manifests}/etcd-pod.yaml",
            "          --listen-client-urls=https://0.0.0.0:2379 \\\n"
            "          --listen-client-http-urls=https://[::]:2381,unixs://1.2.3.4:0 \\\n",
        )
        assert master.access().http_port == 2381

    def test_nothing_there(self, tmp_path: Path) -> None:
        empty = Master(tmp_path / "empty")
        access = empty.access()
        assert access.endpoints == () and not access.can_pipe
        assert any("etcd.env cannot be read" in sentence for sentence in access.missing)
        assert all("\n" not in sentence for sentence in access.missing)

    @pytest.mark.parametrize(
        ("said", "kind"),
        [
            ("sudo: a password is required", SudoRefused),
            ("core is not in the sudoers file.", SudoRefused),
            ("sudo: sorry, you must have a tty to run sudo", SudoRefused),
            ("", CommandFailed),
        ],
    )
    def test_sudo_refuses(self, master: Master, said: str, kind: type[EtcdTuiError]) -> None:
        master.standin("sudo", f"echo '{said}' >&2; exit 1")
        argv = openshift.access_script(replace(master.layout, sudo=("sudo", "-n")))
        done = master.run(argv)
        error = openshift.script_failed("master-1", done.returncode, done.stderr.decode())
        assert type(error) is kind
        assert "master-1" in error.message and said.rstrip(".") in error.message

    def test_sudo_comes_first_so_that_a_time_limit_goes_inside_it(self, master: Master) -> None:
        layout = replace(master.layout, sudo=("sudo", "-n"))
        for argv in (openshift.access_script(layout), openshift.look_script(layout)):
            assert split_sudo(argv)[0] == ("sudo", "-n")
            assert master.run(split_sudo(argv)[1]).returncode == 0

    def test_etcd_env_is_read_not_run(self, master: Master, tmp_path: Path) -> None:
        mark = tmp_path / "ran"
        evil = f'\nexport EVIL="$(touch {mark})"\ntouch {mark}\nexport ETCDCTL_KEY="`touch {mark}`"\n'
        master.write(f"{master.layout.etcd_scripts}/etcd.env", ENV + evil)
        access = master.access()
        assert not mark.exists()
        # A key that is no path falls back to the one named after this host.
        assert access.key.endswith("etcd-peer-master-1.example.com.key")

    @pytest.mark.parametrize("text", NASTY)
    def test_nasty_etcd_env(self, master: Master, text: str) -> None:
        master.write(f"{master.layout.etcd_scripts}/etcd.env", f'{text}\nexport X="{text}"\n{ENV}')
        assert master.access().endpoints


@pytest.mark.parametrize(
    ("certificate", "hostname", "names", "own"),
    [
        ("/x/etcd-peer-m1.crt", "elsewhere", ["m0", "m1"], "m1"),
        ("/x/etcd-peer-NODE_NAME.crt", "m0", ["m0", "m1"], "m0"),
        ("", "m0.example.com", ["m0", "m1"], "m0"),
        ("", "m0", ["m0.example.com", "m1.example.com"], "m0.example.com"),
        ("", "10", ["10.0.0.1", "10.0.0.2"], ""),
        ("", "other", ["m0"], "m0"),
        ("", "other", ["m0", "m1"], ""),
        ("", "", [], ""),
    ],
)
def test_which_node_this_is(certificate: str, hostname: str, names: list[str], own: str) -> None:
    lines = ["etcdtui access", f"hostname {hostname}"]
    lines += [f'env export NODE_{i}_ETCD_NAME="{name}"' for i, name in enumerate(names)]
    lines += [f"cert {certificate}"] if certificate else []
    assert openshift.parse_access("\n".join(lines)).node == own


class TestLook:
    def look(self, master: Master, now: float = 0.0) -> Any:
        done = master.run(openshift.look_script(master.layout))
        assert done.returncode == 0, done
        return openshift.parse_look(done.stdout, Asked(now, now), "master-1")

    def test_a_whole_host(self, master: Master) -> None:
        layout = master.layout
        os.makedirs(layout.at(layout.data))
        stamp = "2026-11-23_020000"
        master.write(f"{layout.backups}/snapshot_{stamp}.db", b"x" * 544, 0o600)
        master.write(f"{layout.backups}/static_kuberesources_{stamp}.tar.gz", b"y", 0o600)
        master.write(f"{layout.backups}/unrelated", b"y")
        master.write(f"{layout.backups}/monday/snapshot_{stamp}.db", b"x" * 32)
        master.write(layout.backup_script, "#!/bin/sh\n", 0o755)
        master.write(f"{layout.jobs}/backup-1/start", "1789999999\n")  # without a pid yet
        master.write(f"{layout.jobs}/backup-2/start", "1789999999\n")
        master.write(f"{layout.jobs}/backup-2/rc", "0 1\n")
        master.standin("date", '[ "$1" = +%s.%N ] && echo 1790000000.250000000 || echo 1790000000')
        facts = self.look(master, 1_789_999_998.0)
        assert facts.hostname == "master-1.example.com"
        assert facts.clock_offset == pytest.approx(2.25)
        assert facts.manifests == ("etcd-pod.yaml",)
        assert facts.data_disk and facts.data_disk.free > 0 and facts.data_disk.inodes_free is not None
        assert facts.backup_disk and facts.backup_disk.path.startswith("/")
        assert facts.backup_directory == layout.at(layout.backups)
        assert facts.backup_script and facts.openssl and facts.running_jobs == ("backup-1",)
        assert facts.writing_since == 1_789_999_999
        whole, single = sorted(join(facts.backups), key=lambda s: len(s.directory))
        assert whole.complete and whole.host == "master-1" and whole.files[0].mode == 0o600
        assert single.directory.endswith("/monday")

    def test_names_cannot_pass_for_lines_of_ours(self, master: Master) -> None:
        backups = Path(master.layout.at(master.layout.backups))
        backups.mkdir(parents=True)
        for name in (
            "snapshot_\nscript\n",
            "snapshot_x 1 2 3 \x1b[2J",
            "snapshot_$(touch evil)",
            "snapshot_-rf 'quote\"",
            "snapshot_" + "n" * 200,
            "snapshot_caf\udce9",
        ):
            os.close(os.open(os.fsencode(backups) + b"/" + os.fsencode(name), os.O_CREAT))
        facts = self.look(master)
        assert not facts.backup_script
        assert not any("\n" in file.name for file in facts.backups)
        assert len(facts.backups) == 5 and join(facts.backups) == ()

    def test_folders_that_are_not_there(self, tmp_path: Path) -> None:
        facts = self.look(Master(tmp_path / "empty"))
        assert facts.data_disk is not None and facts.backups == () and facts.manifests == ()
        assert facts.certificates == () and facts.running_jobs == ()

    def test_only_a_live_job_runs(self, master: Master) -> None:
        jobs = Path(master.layout.at(master.layout.jobs))
        local = LocalRunner("master-1")
        live = [Job(name, str(jobs), ("sleep", "60")) for name in ("backup-3", "other-1")]
        try:
            for job in live:
                assert start(local, job, 10) == "started"
            # Left behind by a restart of the host: a start, and the number of a process of an earlier boot.
            master.write(f"{master.layout.jobs}/backup-1/start", "1700000000")
            master.write(f"{master.layout.jobs}/backup-1/pid", f"{os.getpid()} earlier.1234\n")
            facts = self.look(master)
            assert facts.running_jobs == ("backup-3", "other-1")
            began = look(local, live[0]).started
            assert facts.writing_since == began and began is not None
        finally:
            for job in live:
                cancel(local, job, 10)
            local.close()
        facts = self.look(master)
        assert facts.running_jobs == () and facts.writing_since is None

    @pytest.mark.parametrize("evil", ["a[$(touch {mark})]", "$(touch {mark})", "08", "9" * 30, "-1", ""])
    @pytest.mark.parametrize("shell", ["bash", "dash"])
    def test_what_lies_in_a_job_is_never_run(
        self, master: Master, tmp_path: Path, evil: str, shell: str
    ) -> None:
        mark = tmp_path / "ran"
        (master.bin / "sh").symlink_to(shutil.which(shell) or pytest.skip(f"no {shell}"))
        for name in ("start", "pid"):
            master.write(f"{master.layout.jobs}/backup-1/{name}", evil.format(mark=mark) + " x.1\n")
        os.mkfifo(Path(master.layout.at(master.layout.jobs)) / "start")
        facts = self.look(master)
        assert not mark.exists() and facts.running_jobs == () and facts.etcdctl is not None

    def test_a_clock_in_whole_seconds(self, master: Master) -> None:
        master.standin("date", '[ "$1" = +%s ] && echo 1790000000 || echo 1790000000.N')
        assert self.look(master, 1_790_000_000.0).clock_offset == 0.5

    def test_of_too_many_files_the_main_folders_newest_stay(
        self, master: Master, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("etcdtui.platforms.host_scripts.BACKUPS", 3)
        for day in (1, 2, 3, 4):
            master.write(f"{master.layout.backups}/snapshot_2026-11-0{day}_000000.db")
            master.write(f"{master.layout.backups}/old/snapshot_2026-10-0{day}_000000.db")
        master.write(f"{master.layout.backups}/static_kuberesources_2026-11-04_000000.tar.gz")
        facts = self.look(master)
        assert [file.name for file in facts.backups][:3] == [
            f"snapshot_2026-11-0{day}_000000.db" for day in (2, 3, 4)
        ]
        assert facts.backups_cut == 5 and len(facts.backups) == 4

    def test_few_files_are_all_there(self, master: Master) -> None:
        master.write(f"{master.layout.backups}/old/snapshot_2026-10-01_000000.db")
        assert self.look(master).backups_cut == 0

    def test_certificates_of_this_node(self, master: Master) -> None:
        certs = Path(master.layout.at(master.layout.host_certificates)) / "secrets/etcd-all-certs"
        for name in ("peer-master-1", "serving-master-0"):
            (certs / f"etcd-{name}.example.com.crt").write_bytes(pem(30))
        now = time.time()
        (certificate,) = self.look(master, now).certificates
        assert certificate.path == str(certs / "etcd-peer-master-1.example.com.crt")
        assert certificate.not_after == pytest.approx(now + 30 * 86400, abs=60)

    @pytest.mark.parametrize("days", [(-3, 300), (300, -3), (20, 300), (300,), (-3, -1)])
    def test_a_bundle_ends_with_its_last_authority(self, master: Master, days: tuple[int, ...]) -> None:
        bundle = b"# etcd-signer\n" + b"# the next one\n".join(pem(n) for n in days)
        path = f"{master.layout.host_certificates}/configmaps/etcd-all-bundles/server-ca-bundle.crt"
        place = master.write(path, bundle + b"-----BEGIN NONSENSE-----\nx\n-----END NONSENSE-----\n")
        now = time.time()
        (certificate,) = self.look(master, now).certificates
        assert certificate.path == str(place)
        assert certificate.not_after == pytest.approx(now + max(days) * 86400, abs=60)


class TestArticle:
    def test_it_is_what_a_human_types(self, master: Master) -> None:
        master.standin("etcdctl", 'env | grep ETCDCTL_ | sort; echo "$@"')
        said = master.run(openshift.article_health(master.layout)).stdout.decode()
        host = master.layout.at(master.layout.host_certificates)
        assert f"ETCDCTL_CERT={host}/secrets/" in said and said.endswith("endpoint health\n")

    def test_in_the_container(self, master: Master) -> None:
        master.path = f"{master.bin}:/nowhere"
        for name in ("bash", "head", "sed"):
            found = next(p for p in (Path(f"/usr/bin/{name}"), Path(f"/bin/{name}")) if p.exists())
            (master.bin / name).symlink_to(found)
        none = master.run(openshift.article_health(master.layout))
        assert none.returncode == 127 and b"no etcdctl" in none.stderr
        master.standin("crictl", 'case "$1" in ps) echo 4f2a;; *) echo "$@";; esac')
        said = master.run(openshift.article_health(master.layout)).stdout
        assert said == b"exec 4f2a etcdctl endpoint health\n"

    def test_no_etcd_on_this_host(self, tmp_path: Path) -> None:
        done = Master(tmp_path / "x").run(openshift.article_health(Layout(root=str(tmp_path), sudo=())))
        assert done.returncode == 1 and b"cannot be read" in done.stderr


LINE = st.sampled_from(
    ["env ", "date ", "df-data ", "di-data ", "file ", "certificate ", "manifest ", "ca ", "http ", "status "]
)


@given(st.lists(LINE | st.just(""), max_size=6), st.text(max_size=60))
def test_any_output_raises_nothing_but_ours(words: list[str], text: str) -> None:
    body = "\n".join(word + text for word in words)
    for title in ("", "etcdtui access\n", "etcdtui look\n"):
        for parse in (
            lambda said: openshift.parse_access(said, "h"),
            lambda said: openshift.parse_look(said, Asked(1.0, 1.0), "h"),
        ):
            try:
                parse(title + body)
            except EtcdTuiError as exc:
                assert str(exc)


@pytest.mark.parametrize(
    "output", [b"", b"\xff\xfe", b"Welcome to masternode1\n", *(n.encode() for n in NASTY)]
)
def test_nothing_of_ours_in_the_output(output: bytes) -> None:
    with pytest.raises(UnexpectedOutput, match="did not run our script"):
        openshift.parse_look(output, Asked(1.0, 1.0), "h")
    with pytest.raises(UnexpectedOutput):
        openshift.parse_access(output, "h")


def test_a_banner_before_our_lines_is_passed_over() -> None:
    facts = openshift.parse_look(
        b"Red Hat CoreOS\n[systemd]\netcdtui look\nhostname m1\nend\n", Asked(1.0, 1.0)
    )
    assert facts.hostname == "m1" and facts.clock_offset is None and facts.data_disk is None


def test_odd_values_are_left_out() -> None:
    said = (
        "etcdtui look\ndate x\ndf-data nonsense\nfile 12 x 600 /a\nfile 1 2 3 relative\n"
        "certificate notAfter= /a.crt\ncertificate notAfter=Foo 1 00:00:00 2027 GMT /b.crt\n"
        "certificate notAfter=Feb  3 04:05:06 2027 GMT /c d.crt\n"
        "df-backups server:/a b  1000 400 -5 101% /mnt/with space\ndi-backups x 0 0 0 - /mnt\n"
    )
    facts = openshift.parse_look(said, Asked(1.0, 1.0))
    assert facts.data_disk is None and facts.backups == ()
    assert [(c.path, c.not_after) for c in facts.certificates] == [("/c d.crt", 1801627506.0)]
    assert facts.backup_disk is not None
    assert (facts.backup_disk.path, facts.backup_disk.free) == ("/mnt/with space", 0)
    assert facts.backup_disk.inodes_free is None


# API objects


def condition(kind: str, status: str, message: str = "", reason: str = "R") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-09-21T10:00:00Z",
    }


@pytest.mark.parametrize(
    ("message", "available", "members"),
    [
        ("3 members are available", 3, 3),
        ("2 of 3 members are available, ip-10-0-131-183.ec2.internal is unhealthy", 2, 3),
        ("2 of 3 members are available, NAME-PENDING-10.0.0.3 has not started", 2, 3),
        ("1 of 3 members are available, m1 is unhealthy, m2 is unhealthy", 1, 3),
    ],
)
def test_the_operators_word(message: str, available: int, members: int) -> None:
    resource = {"status": {"conditions": [condition("EtcdMembersAvailable", "True", message, "EtcdQuorate")]}}
    word = openshift.operator_word(openshift.parse_conditions(resource))
    assert word is not None
    assert (word.available, word.members, word.message) == (available, members, message)
    assert word.changed == 1_789_984_800.0


@pytest.mark.parametrize("message", ["", "unknown members", "all well", *NASTY])
def test_words_without_numbers(message: str) -> None:
    conditions = openshift.parse_conditions(
        {"status": {"conditions": [condition("EtcdMembersAvailable", "True", message)]}}
    )
    assert openshift.operator_word(conditions) is None


def node(name: str, *, ready: str | None = "True", label: str = "master", **spec: Any) -> dict[str, Any]:
    conditions = [condition("Ready", ready, "", "KubeletReady")] if ready else []
    addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": "10.0.0.1"}]
    return {
        "metadata": {"name": name, "labels": {f"node-role.kubernetes.io/{label}": ""}},
        "spec": spec,
        "status": {"conditions": conditions, "addresses": addresses},
    }


def test_nodes() -> None:
    gone = {"taints": [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]}
    items = [
        node("m2", ready="Unknown", **gone),
        node("m1"),
        node("w1", label="worker"),
        node("m3", ready=None, label="control-plane"),
    ]
    found = openshift.parse_nodes(items)
    assert [(n.name, n.ready, n.reason) for n in found] == [
        ("m1", True, ""),
        ("m2", False, "unreachable"),
        ("m3", False, "not reported"),
    ]
    assert found[0].address == "10.0.0.1"


def pod(name: str, ready: Sequence[bool], *, waiting: str = "", app: str = "etcd") -> dict[str, Any]:
    statuses: list[dict[str, Any]] = [
        {"name": f"c{i}", "ready": value, "restartCount": i, "state": {"running": {}}}
        for i, value in enumerate(ready)
    ]
    if waiting:
        statuses[0]["state"] = {"waiting": {"reason": waiting}}
    return {
        "metadata": {"name": name, "labels": {"app": app, "k8s-app": app}},
        "spec": {"nodeName": name.removeprefix("etcd-"), "containers": [{}] * len(ready)},
        "status": {"phase": "Running", "containerStatuses": statuses},
    }


def test_pods() -> None:
    items = [
        pod("etcd-m2", [False, True, True, True], waiting="CrashLoopBackOff"),
        pod("etcd-m1", [True] * 5),
        pod("etcd-quorum-guard-6f8-abc", [True], app="etcd-quorum-guard"),
        pod("etcd-guard-m1", [True], app="guard"),
        pod("installer-7-m1", [False]),
        pod("revision-pruner-7-m1", [False]),
        {"metadata": {"name": "etcd-m3", "labels": None}, "spec": None, "status": None},
    ]
    found = openshift.parse_pods(items)
    assert [(p.name, p.node, p.ready, p.containers) for p in found] == [
        ("etcd-m1", "m1", 5, 5),
        ("etcd-m2", "m2", 3, 4),
        ("etcd-m3", "m3", 0, 0),
    ]
    assert found[1].waiting == "CrashLoopBackOff" and found[0].restarts == 10


def test_operators_and_version() -> None:
    items = [
        {
            "metadata": {"name": "etcd"},
            "status": {
                "conditions": [
                    condition("Available", "True", "fine"),
                    condition("Progressing", "True", "rolling out"),
                    condition("Degraded", "False"),
                ]
            },
        },
        {"metadata": {"name": "dns"}, "status": None},
    ]
    dns, etcd = openshift.parse_operators(items)
    assert (etcd.available, etcd.progressing, etcd.degraded, etcd.message) == (
        True,
        True,
        False,
        "rolling out",
    )
    assert not dns.available
    version = {"status": {"desired": {"version": "4.16.3"}}, "spec": {"clusterID": "abc"}}
    assert openshift.parse_version(version) == ("4.16.3", "abc")


class FakeApi:
    def __init__(self, **failures: EtcdTuiError) -> None:
        self.failures = failures
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        self._ask(path)
        if path == objects.VERSION:
            return {"status": {"desired": {"version": "4.16.3"}}}
        return {
            "status": {"conditions": [condition("EtcdMembersAvailable", "True", "3 members are available")]}
        }

    def get_list(self, path: str) -> list[Any]:
        self._ask(path)
        return [node("m1")] if path == objects.NODES else []

    def _ask(self, path: str) -> None:
        self.asked.append(path)
        last = path.rsplit("/", 1)[-1]
        if error := self.failures.get(last) or self.failures.get("all"):
            raise error


def test_collect() -> None:
    api = FakeApi()
    facts = openshift.collect(api.get_list, api.get)
    assert facts.word is not None and facts.word.members == 3
    assert facts.version == "4.16.3" and facts.nodes[0].name == "m1" and facts.missing == ()


def test_narrow_rights_leave_the_rest() -> None:
    api = FakeApi(nodes=Forbidden("no"), clusteroperators=TimedOut("It gave no answer."))
    facts = openshift.collect(api.get_list, api.get)
    assert facts.word is not None and facts.nodes == ()
    assert facts.missing == (
        "The nodes: this login may not read it.",
        "The cluster operators: It gave no answer.",
    )


def test_a_dead_api_is_asked_once() -> None:
    api = FakeApi(all=Unreachable("gone"))
    with pytest.raises(Unreachable):
        openshift.collect(api.get_list, api.get)
    assert len(api.asked) == 1


def test_when_nothing_may_be_read() -> None:
    api = FakeApi(all=Forbidden("no"))
    with pytest.raises(Forbidden):
        openshift.collect(api.get_list, api.get)
    assert len(api.asked) == 5


KEYS = st.sampled_from(
    [
        *("metadata", "name", "labels", "status", "conditions", "type", "spec", "containers", "ready"),
        *("containerStatuses", "restartCount", "state", "waiting", "reason", "taints", "items"),
        "node-role.kubernetes.io/master",
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["etcd-m1", "Ready", "True", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)


@given(JSON)
def test_any_object_raises_nothing_but_ours(value: Any) -> None:
    openshift.parse_nodes(value)
    openshift.parse_pods(value)
    openshift.parse_operators(value)
    for parse in (openshift.parse_conditions, openshift.parse_version):
        try:
            parse(value)
        except UnexpectedOutput:
            assert not isinstance(value, dict)


@pytest.mark.parametrize(
    "text", [None, 5, "", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00", "9" * 50]
)
def test_odd_times(text: Any) -> None:
    value = objects.moment(text)
    assert value is None or value < 0
