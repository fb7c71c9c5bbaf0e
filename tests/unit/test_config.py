"""clusters.toml: what is wrong in it is said with file, key and the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdtui import config
from etcdtui.config_stores import (
    BackupsConfig,
    DirectoryPlace,
    Encryption,
    NexusPlace,
    S3Place,
    StoreConfig,
)
from etcdtui.errors import ConfigError
from etcdtui.model.retention import Rule

FULL = """
[clusters.prod]
kubeconfig = "~/kube"
context = "admin"
colour = "red"
read_only = true
hosts = ["m1", {name = "m2", address = "10.0.0.2", port = 2222, user = "root", layout = {data = "/d2"}}]

[clusters.prod.ssh]
user = "core"
port = 22
identity = "~/.ssh/id"
config = "none"

[clusters.prod.layout]
data = "/data"
sudo = []

[clusters.test]
"""


def load(tmp_path: Path, text: str) -> config.Config:
    path = tmp_path / "clusters.toml"
    path.write_text(text)
    return config.load(path)


def test_a_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    loaded = load(tmp_path, FULL)
    prod, test = loaded.clusters
    assert loaded.cluster(None) is prod and loaded.cluster("test") is test
    assert (prod.kubeconfig, prod.context, prod.colour, prod.read_only) == (
        "/home/me/kube",
        "admin",
        "red",
        True,
    )
    assert (prod.ssh.user, prod.ssh.port, prod.ssh.identity) == ("core", 22, "/home/me/.ssh/id")
    first, second = prod.hosts
    assert (first.name, first.address, first.port, first.layout.data) == ("m1", "m1", None, "/data")
    assert (second.address, second.port, second.user, second.layout.data) == ("10.0.0.2", 2222, "root", "/d2")
    assert first.layout.sudo == () == second.layout.sudo
    assert test.hosts == () and not test.read_only
    assert test.stores == () and test.backups.keep.empty and test.backups.max_age == 24


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no cluster"),
        ("clusters = 3", "names no cluster"),
        ("[cluster.a]", "unknown key 'cluster' in the file. Did you mean 'clusters'?"),
        ("[clusters.a]\nhost = []", "unknown key 'host' in [clusters.a]. Did you mean 'hosts'?"),
        ("[clusters.a]\ncolor = 'red'", "Did you mean 'colour'?"),
        ("[clusters.a]\ncolour = 'rad'", "Did you mean 'red'?"),
        ("[clusters.a]\ncolour = 'zzz'", "not one of red, orange"),
        ("[clusters.a]\nzzzzzz = 1", "Known: backups, colour"),
        ("[clusters.a.ssh]\nidentiy = 'x'", "[clusters.a.ssh]. Did you mean 'identity'?"),
        ("[clusters.a.ssh]\nport = 70000", "70000 is no port"),
        ("[clusters.a.ssh]\nport = true", "True is no port"),
        ("[clusters.a]\nread_only = 'yes'", "must be true or false"),
        ("[clusters.a]\nhosts = 'm1'", "must be"),
        ("[clusters.a]\nhosts = [5]", "must be a table"),
        ("[clusters.a]\nhosts = [{port = 22}]", "neither name nor address"),
        ("[clusters.a]\nhosts = [{name = 5}]", "must be a text in quotes"),
        ("[clusters.a]\nhosts = [{name = 'm', port = 'x'}]", "'x' is no port"),
        ("[clusters.a.layout]\nbackup = '/b'", "Did you mean 'backups'?"),
        ("[clusters.a.layout]\ndata = 'var/lib'", "must be an absolute path"),
        ("[clusters.a.layout]\nsudo = 'sudo -n'", "must be a list of words"),
        ('[clusters.a]\nkubeconfig = "/a\\u0000b"', "a NUL character in clusters.a.kubeconfig of"),
        ('[[clusters.a.stores]]\nkind = "directory"\npath = "/\\u0000"', "in clusters.a.stores.path of"),
        ('[clusters.a]\nhosts = ["m\\u00001"]', "in clusters.a.hosts of"),
        ('[clusters.a]\nhosts = [{name = "m", user = "\\u0000"}]', "in clusters.a.hosts.user of"),
        ('[clusters.a.layout]\nsudo = ["sudo\\u0000"]', "in clusters.a.layout.sudo of"),
        ('[clusters."a\\u0000"]', "in a name in clusters of"),
        ("[clusters]\na = 5", "must be a table"),
        ("[clusters.a", "not valid TOML"),
    ],
)
def test_errors(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value) and "clusters.toml" in str(caught.value)


STORES = """
[clusters.prod.backups]
directory = "~/backups"
keep = {last = 7, days = 1.5}
keep_on_hosts = {daily = 2}
max_age = 12

[[clusters.prod.stores]]
kind = "directory"
name = "nas"
path = "~/nas"
mounted = true
keep = {last = 7, days = 30, daily = 7, weekly = 4, monthly = 6}
age_recipients = ["age1xyz"]
age_recipients_file = "~/team"
age_identity = "~/mine"

[[clusters.prod.stores]]
kind = "nexus"
name = "nexus"
url = "https://nexus/repository/etcd"
prefix = "prod"
ca = "~/ca"
user = "me"
user_env = "U"
password_env = "P"
netrc = "~/netrc"

[[clusters.prod.stores]]
kind = "s3"
name = "minio"
bucket = "etcd"
prefix = "prod"
endpoint = "http://minio"
region = "eu"
profile = "backup"
ca = "~/ca"
plain = true
"""


def test_stores_and_backups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    (prod,) = load(tmp_path, STORES).clusters
    assert prod.backups == BackupsConfig(
        Path("/home/me/backups"), Rule(count=7, days=1.5), Rule(daily=2), max_age=12.0
    )
    nas, nexus, minio = prod.stores
    assert nas == StoreConfig(
        "nas",
        DirectoryPlace(Path("/home/me/nas"), mounted=Path("/home/me/nas")),
        Rule(7, 30, 7, 4, 6),
        Encryption(("age1xyz",), "/home/me/team", "/home/me/mine"),
    )
    assert nexus == StoreConfig(
        "nexus",
        NexusPlace(
            "https://nexus/repository/etcd", "prod", "/home/me/ca", "me", "U", "P", "/home/me/netrc", False
        ),
    )
    assert minio == StoreConfig(
        "minio", S3Place("etcd", "prod", "http://minio", "eu", "backup", "/home/me/ca", True)
    )


def test_where_a_share_is_mounted(tmp_path: Path) -> None:
    for words, point in (("'/mnt'", Path("/mnt")), ("true", Path("/nas")), ("false", None)):
        (cluster,) = load(tmp_path, f"{NAS}mounted = {words}\n").clusters
        assert cluster.stores[0].place == DirectoryPlace(Path("/nas"), mounted=point)


NAS = "[[clusters.a.stores]]\nname = 'nas'\nkind = 'directory'\npath = '/nas'\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[clusters.a.backups]\ndirektory = '/b'", "[clusters.a.backups]. Did you mean 'directory'?"),
        ("[clusters.a.backups]\ndirectory = 'b'", "must be an absolute path"),
        ("[clusters.a.backups]\nkeep = 7", "keep in [clusters.a.backups] in"),
        ("[clusters.a.backups]\nkeep = {count = 7}", "unknown key 'count' in keep in [clusters.a.backups]"),
        ("[clusters.a.backups]\nkeep = {week = 7}", "Did you mean 'weekly'?"),
        ("[clusters.a.backups]\nkeep = {last = 1.5}", "last = 1.5 in keep in [clusters.a.backups]"),
        ("[clusters.a.backups]\nkeep = {last = true}", "must be a whole number, 0 or more"),
        ("[clusters.a.backups]\nkeep_on_hosts = {days = -1}", "must be a number, 0 or more"),
        ("[clusters.a.ssh]\nport = 22.7", "22.7 is no port"),
        ("[clusters.a.backups]\nkeep = {days = inf}", "must be a number, 0 or more"),
        ("[clusters.a.backups]\nmax_age = 0", "must be more than 0 hours"),
        ("[clusters.a.backups]\nmax_age = '24h'", "must be a number"),
        ("[clusters.a]\nstores = {nas = 1}", "must be [[clusters.a.stores]] tables"),
        ("[clusters.a]\nstores = [1]", "must be a table"),
        ("[[clusters.a.stores]]\nkind = 's3'", "has no name"),
        ("[[clusters.a.stores]]\nname = '../x'", "cannot be the name of a store"),
        ("[[clusters.a.stores]]\nname = 'here'", "cannot be the name of a store"),
        ("[[clusters.a.stores]]\nname = 'nas'", "[[clusters.a.stores]] nas of"),
        ("[[clusters.a.stores]]\nname = 'nas'\nkind = 'direktory'", "Did you mean 'directory'?"),
        ("[[clusters.a.stores]]\nname = 'nas'\nkind = 'directory'", "has no path. A store of kind directory"),
        ("[[clusters.a.stores]]\nname = 'n'\nkind = 'nexus'", "has no url"),
        ("[[clusters.a.stores]]\nname = 'n'\nkind = 's3'", "has no bucket"),
        (NAS.replace("/nas'", "nas'"), "must be an absolute path"),
        (NAS + "bucket = 'x'", "unknown key 'bucket' in [[clusters.a.stores]] nas"),
        (NAS + "mountd = true", "Did you mean 'mounted'?"),
        (NAS + "mounted = 'yes'", "must be an absolute path"),
        (NAS + "mounted = 1", "must be true, false or the folder where it is mounted"),
        (NAS + "mounted = '/'", "/ is always mounted"),
        (NAS + "password = 'x'", "no secret belongs in this file. Name the environment variable"),
        (NAS + "secret_key = 'x'", "Use AWS_SECRET_ACCESS_KEY"),
        (NAS + "keep = {lst = 1}", "Did you mean 'last'?"),
        (NAS + "age_recipients = 'age1x'", "must be a list of texts"),
        (NAS + "age_recipients = []", "names no recipient"),
        (NAS + "age_identity = 'x'", "names no recipient"),
        (NAS + NAS, "are called 'nas'"),
    ],
)
def test_errors_in_stores_and_backups(tmp_path: Path, text: str, words: str) -> None:
    test_errors(tmp_path, text, words)


NUMBERS = {
    "a port of SSH": "[clusters.a.ssh]\nport = {}",
    "a port of a host": "[clusters.a]\nhosts = [{{name = 'm', port = {}}}]",
    "max_age": "[clusters.a.backups]\nmax_age = {}",
    **{
        f"{key}.{part}": f"[clusters.a.backups]\n{key} = {{{{{part} = {{}}}}}}"
        for key in ("keep", "keep_on_hosts")
        for part in ("last", "days", "daily", "weekly", "monthly")
    },
    **{f"a store's {part}": NAS + f"keep = {{{{{part} = {{}}}}}}" for part in ("last", "days", "monthly")},
}
WRONG = st.one_of(
    st.sampled_from(
        ["inf", "-inf", "+inf", "nan", "-nan", "1e308", "-1e308", "1e400", "-1", "1000001", "true"]
    ),
    st.integers(300, 6000).map(lambda digits: "9" * digits),
    st.integers(300, 6000).map(lambda digits: "-1" + "0" * digits),
    st.integers(260, 6000).map(lambda digits: "0x" + "f" * digits),
    st.integers(min_value=1_000_001).map(str),
    st.integers(max_value=-1).map(str),
    st.floats(min_value=1_000_001).map(repr),
    st.floats(max_value=-0.5).map(repr),
)


@pytest.mark.parametrize("text", NUMBERS.values(), ids=NUMBERS.keys())
@given(WRONG)
def test_a_number_that_cannot_be_is_told_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, text: str, number: str
) -> None:
    test_errors(tmp_path_factory.getbasetemp(), text.format(number), "number")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path_factory.getbasetemp(), text.format(number))
    assert len(str(caught.value)) < 400, "the whole of a long number helps nobody"


@given(st.integers(1, 65535), st.integers(1, 1_000_000), st.floats(0.001, 1_000_000))
def test_every_number_that_can_be_is_taken(
    tmp_path_factory: pytest.TempPathFactory, port: int, count: int, days: float
) -> None:
    text = f"[clusters.a.ssh]\nport = {port}\n[clusters.a.backups]\nmax_age = {days!r}\n"
    text += f"keep = {{last = {count}, days = {days!r}, monthly = {count}}}"
    (made,) = load(tmp_path_factory.getbasetemp(), text).clusters
    assert made.ssh.port == port
    assert made.backups.max_age == days and made.backups.keep == Rule(count, days, monthly=count)


@pytest.mark.parametrize(
    ("name", "folder"), [("prod", "prod"), ("a/b", "a_b"), ("..", "_."), (".x", "_x"), ("", "_")]
)
def test_where_copies_are_when_nothing_is_named(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert config.ClusterConfig(name).backups.directory == tmp_path / "etcdtui/backups" / folder


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no configuration file"):
        config.load(tmp_path / "none.toml")
    (tmp_path / "bin.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path / "bin.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config.load(tmp_path)


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'prod'"):
        load(tmp_path, FULL).cluster("prd")


@pytest.mark.parametrize(
    ("target", "user", "address", "port"),
    [
        ("masternode1", None, "masternode1", None),
        ("core@masternode1", "core", "masternode1", None),
        ("core@masternode1:2222", "core", "masternode1", 2222),
        ("core@[fd00::1]:2222", "core", "fd00::1", 2222),
        ("core@[fd00::1]", "core", "fd00::1", None),
        ("fd00::1", None, "fd00::1", None),
        ("a@b@host", "a@b", "host", None),
    ],
)
def test_a_host_alone_is_enough(target: str, user: str | None, address: str, port: int | None) -> None:
    made = config.from_ssh(target, read_only=True)
    (host,) = made.clusters[0].hosts
    assert (host.user, host.address, host.port) == (user, address, port)
    assert made.clusters[0].read_only


@pytest.mark.parametrize(
    "target", ["", "core@", "core@-oProxyCommand=x", "h:0", "h:abc", "[fd00::1]:99999", "[]", "[fd00::1"]
)
def test_no_host(target: str) -> None:
    with pytest.raises(ConfigError):
        config.from_ssh(target)


@given(st.text(max_size=40))
def test_any_target(target: str) -> None:
    try:
        config.from_ssh(target)
    except ConfigError as exc:
        assert str(exc)


def test_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/mine")
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert config.default_path() == Path("/etc/mine/etcdtui/clusters.toml")
    assert config.state_directory() == Path.home() / ".local/state/etcdtui"
