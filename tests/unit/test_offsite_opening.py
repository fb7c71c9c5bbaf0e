"""From the configuration of a store to the store itself."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from etcdtui.config import ClusterConfig
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
from etcdtui.offsite.opening import open_keeping, open_recipients, open_store
from etcdtui.offsite.store import Item, shelve

URL = "https://nexus.example.com/repository/etcd"


@pytest.fixture
def local(tmp_path):
    (tmp_path / "x").write_bytes(b"x" * 1000)
    return Item(tmp_path / "x", "x", hashlib.sha256(b"x" * 1000).hexdigest())


def test_a_folder(tmp_path, local):
    (tmp_path / "nas").mkdir()
    config = StoreConfig("nas", DirectoryPlace(tmp_path / "nas"))
    assert open_recipients(config) is None
    shelve(open_store(config), [local])
    assert (tmp_path / "nas/x").read_bytes() == b"x" * 1000


def test_all_that_a_cluster_keeps(tmp_path, local):
    pyrage = pytest.importorskip("pyrage", reason="pyrage is not installed")
    (tmp_path / "nas").mkdir()
    key = str(pyrage.x25519.Identity.generate().to_public())
    place = DirectoryPlace(tmp_path / "nas")
    stores = (
        StoreConfig("nas", place, Rule(count=3), Encryption((key,))),
        StoreConfig("plain", place),
        StoreConfig("bad", place, encryption=Encryption(("age1xyz",))),
    )
    backups = BackupsConfig(tmp_path, Rule(count=7), Rule(days=2), max_age=1.5)
    keeping = open_keeping(ClusterConfig("prod", backups=backups, stores=stores))
    assert (keeping.cluster, keeping.folder, keeping.max_age) == ("prod", tmp_path, 5400)
    assert (keeping.rule, keeping.rule_on_hosts) == (Rule(count=7), Rule(days=2))
    nas, plain, bad = keeping.shelves
    assert (nas.name, nas.rule, plain.seal) == ("nas", Rule(count=3), None)
    assert nas.seal is not None and bad.seal is not None
    assert nas.identity is plain.identity is None
    with nas.seal([local], tmp_path, None, None) as sealed:
        shelve(nas.open(), sealed)
    assert (tmp_path / "nas/x.age").read_bytes().startswith(b"age-encryption.org/v1\n")
    with (
        pytest.raises(ConfigError, match=r"^bad: age_recipients: 'age1xyz' is no recipient"),
        bad.seal([local], tmp_path, None, None),
    ):
        pass


def test_what_opens_it_again_is_that_of_the_store_or_the_one_for_all(tmp_path):
    place = DirectoryPlace(tmp_path)
    stores = (
        StoreConfig("own", place, encryption=Encryption(("age1",), identity="/own")),
        StoreConfig("sealed", place, encryption=Encryption(("age1",))),
        StoreConfig("formerly", place),
    )
    backups = BackupsConfig(tmp_path, age_identity="/all")
    keeping = open_keeping(ClusterConfig("prod", backups=backups, stores=stores))
    assert [shelf.identity for shelf in keeping.shelves] == [Path("/own"), Path("/all"), Path("/all")]


def test_the_login_of_nexus(tmp_path):
    (tmp_path / "netrc").write_text("machine nexus.example.com login me password kept\n")
    (tmp_path / "netrc").chmod(0o600)
    config = StoreConfig("nexus", NexusPlace(URL, user_env="U", password_env="P"))
    with pytest.raises(ConfigError, match="variable U, which nexus logs in with, is not set"):
        open_store(config, {})
    assert open_store(config, {"U": "me", "P": "word"}).name == "nexus"
    assert open_store(StoreConfig("nexus", NexusPlace(URL, netrc=str(tmp_path / "netrc"))), {}).name
    with pytest.raises(ConfigError, match="nexus: there is no netrc file /none"):
        open_store(StoreConfig("nexus", NexusPlace(URL, netrc="/none")), {})


def test_what_is_wrong_is_said_with_the_name(monkeypatch):
    with pytest.raises(ConfigError, match="nexus: 'nonsense' is no repository"):
        open_store(StoreConfig("nexus", NexusPlace("nonsense")), {})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="minio is a store of kind s3, and boto3 is not installed"):
        open_store(StoreConfig("minio", S3Place("etcd")))


def test_only_what_is_needed_is_imported():
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from etcdtui.config_stores import DirectoryPlace, StoreConfig\n"
        "from etcdtui.offsite.opening import open_store\n"
        "open_store(StoreConfig('nas', DirectoryPlace(Path('/nas'))))\n"
        "print([name for name in ('boto3', 'pyrage', 'urllib3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_keys_that_the_documentation_shows_are_the_keys_there_are(tmp_path):
    """The example in the module that reads them is read, whole."""
    from etcdtui import config, config_stores

    shown = (config_stores.__doc__ or "").split("::\n", 1)[1].split("\nA ``keep``")[0]
    (tmp_path / "clusters.toml").write_text("\n".join(line[4:] for line in shown.splitlines()))
    (prod,) = config.load(Path(tmp_path / "clusters.toml")).clusters
    assert [store.name for store in prod.stores] == ["nas", "nexus", "minio"]
    for keys in config_stores._KEYS.values():
        for key in keys | config_stores._COMMON:
            assert f"\n    {key} = " in shown
