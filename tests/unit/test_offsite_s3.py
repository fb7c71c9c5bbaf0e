"""What is wrong with a store of kind s3 before anything is sent; its servers are in tests/live/test_s3.py."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from etcdtui.errors import ConfigError
from etcdtui.offsite.s3 import S3Store


@pytest.fixture(autouse=True)
def boto3_is_there(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())


def test_without_boto3_the_command_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"boto3 is not installed\. Run: pip install 'etcdtui\[s3\]'"):
        S3Store("minio", "etcd")


@pytest.mark.parametrize("bucket", ["", "s3://etcd", "etcd/prod"])
def test_what_is_no_bucket(bucket):
    with pytest.raises(ConfigError, match=r"minio: .* is no bucket"):
        S3Store("minio", bucket)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "minio",
        "ftp://minio",
        "https://",
        "https://me:word@minio",
        "https://me:word@[min",
        "https://me:word@m:x",
    ],
)
def test_what_is_no_endpoint(endpoint):
    with pytest.raises(ConfigError, match="is no endpoint") as wrong:
        S3Store("minio", "etcd", endpoint=endpoint)
    assert "word" not in str(wrong.value).replace("without user and password", "")


def test_nothing_goes_unencrypted():
    with pytest.raises(ConfigError, match="is not encrypted, and a backup holds every secret"):
        S3Store("minio", "etcd", endpoint="http://minio")
    assert S3Store("minio", "etcd", endpoint="http://minio", plain=True).name == "minio"


def test_an_authority_that_cannot_be_read(tmp_path):
    (tmp_path / "ca").write_text("nonsense")
    told = {"none": "cannot be read: No such file or directory.", "ca": "cannot be used: the file holds no"}
    for name, said in told.items():
        with pytest.raises(ConfigError) as wrong:
            S3Store("minio", "etcd", ca=str(tmp_path / name))
        assert f"The authority {tmp_path / name} of minio {said}" in wrong.value.message
        assert "_ssl.c" not in str(wrong.value) and "Errno" not in str(wrong.value)


def test_boto3_is_imported_when_the_store_is_used():
    code = (
        "import sys\nfrom etcdtui.offsite.s3 import S3Store\n"
        "try:\n    S3Store('minio', 'etcd')\nexcept Exception:\n    pass\n"
        "print([name for name in ('boto3', 'botocore') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("proxy", ["socks5://sesame", "http://me:sesame#open@proxy:3128"])
def test_a_proxy_that_cannot_be_used_is_told_without_its_text(monkeypatch, proxy):
    pytest.importorskip("boto3")
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(ConfigError, match="The proxy for https that the environment names") as said:
        S3Store("minio", "etcd", endpoint="https://minio").list()
    assert "sesame" not in str(said.value)
