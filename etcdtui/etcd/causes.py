"""The cause of a failure, found in what etcdctl, openssl, sudo and the shell leave on standard error.

etcdctl's answer is nearly always "context deadline exceeded"; the reason stands in a line beside it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from etcdtui.model.problems import Fault, Problem
from etcdtui.text import clean, clean_lines

_LINES = 400
_NOISE = re.compile(r"DONE|depth=|verify return:|Can't use SSL_get_servername|Connecting to ")
_CLIENT = "Look at the dates and the authority of the client certificate on the host we speak through."
_SERVER = "Look at the certificate files of that member: authority, dates, names."
_CLOCK = "Compare the clocks of the hosts, then the dates of the certificates."


UNUSABLE = "a certificate or key file on the host cannot be used"
"""Said of the host that asks; of the one that is asked it says nothing."""


@dataclass(frozen=True, slots=True)
class _Cause:
    """Words to look for, and what they mean. Those that explain more come first."""

    pattern: re.Pattern[str]
    fault: Fault
    sentence: str
    hint: str = ""
    quote: bool = True  # show the machine's own line too


def _cause(pattern: str, fault: Fault, sentence: str, hint: str = "", quote: bool = True) -> _Cause:
    return _Cause(re.compile(pattern, re.IGNORECASE), fault, sentence, hint, quote)


_CAUSES = (
    _cause(
        r"sudo:.*(password is required|terminal is required|no tty present|must have a tty)",
        Fault.LOGIN,
        "sudo wants a password",
        "etcdtui types no passwords into sudo; allow this user sudo without one, as it is on OpenShift.",
    ),
    _cause(
        r"not in the sudoers file|may not run sudo|sudo:.*not allowed|is not allowed to execute",
        Fault.LOGIN,
        "sudo does not allow this",
    ),
    _cause(
        r"(openssl|etcdctl|crictl|sudo|env)['’\"]?: (command )?not found"
        r"|(openssl|etcdctl|crictl|sudo)['’\"]?: No such file or directory"
        r"|executable file not found|sudo: \S+: command not found",
        Fault.NO_TOOLS,
        "a program is missing on the host",
    ),
    _cause(r"certificate is not yet valid", Fault.TLS, "a certificate is not valid yet", _CLOCK),
    _cause(r"alert certificate expired", Fault.TLS, "etcd says our client certificate has expired", _CLIENT),
    _cause(
        r"certificate has expired( or is not yet valid)?",
        Fault.TLS,
        "the server's certificate, or its authority's, has expired",
        _CLOCK,
    ),
    _cause(
        r"bad certificate|alert unknown ca|certificate required|alert certificate unknown"
        r"|alert handshake failure|alert access denied",
        Fault.TLS,
        "etcd does not accept our client certificate",
        _CLIENT,
    ),
    _cause(
        r"unknown authority|unable to get (local )?issuer|self[- ]signed certificate"
        r"|unable to verify the first|certificate signature failure|issued? by unknown",
        Fault.TLS,
        "the server's certificate is not signed by the authority we were given",
        _SERVER,
    ),
    _cause(
        r"hostname mismatch|ip address mismatch|certificate is valid for|doesn't contain any IP SANs"
        r"|not valid for any names",
        Fault.TLS,
        "the server's certificate is for another name or address",
        _SERVER,
    ),
    _cause(
        r"wrong version number|first record does not look like a TLS handshake",
        Fault.TLS,
        "the port does not speak TLS",
    ),
    _cause(
        r"could not (open|find|read)\b.*(cert|key|CA)|unable to load (client )?(cert|key|private)"
        r"|error opening|key values mismatch|private key does not match|open /\S+\.(crt|key|pem): "
        r"|can't open .*\.(crt|key|pem)|cannot load (CA )?cert"
        r"|error loading (file|CA|store)|could not read \w+ certificate",
        Fault.TLS,
        UNUSABLE,
        "See that the paths of etcd.env exist on the host.",
    ),
    _cause(r"connection refused|errno=111\b", Fault.REFUSED, "nothing listens there"),
    _cause(r"no route to host|errno=113\b", Fault.UNREACHABLE, "there is no route to it"),
    _cause(r"network is unreachable|errno=101\b", Fault.UNREACHABLE, "its network cannot be reached"),
    _cause(
        r"name or service not known|temporary failure in name resolution|no such host|nodename nor servname"
        r"|getaddrinfo",
        Fault.UNREACHABLE,
        "the name has no address",
    ),
    _cause(
        r"connection timed out|errno=110\b|i/o timeout|operation timed out",
        Fault.SILENT,
        "it does not answer",
    ),
    _cause(r"active alarm\(s\)", Fault.ODD, "an alarm is active"),
    _cause(r"etcdserver: no leader|leader changed", Fault.NO_LEADER, "it knows no leader", quote=False),
    _cause(
        r"connection reset by peer|errno=104\b|connection closed|unexpected eof",
        Fault.DROPPED,
        "the connection was cut",
        "A client certificate that is not accepted can look like this, too.",
    ),
    _cause(
        r"etcdserver: request timed out|context deadline exceeded|deadline exceeded",
        Fault.NO_QUORUM_READ,
        "it gave no confirmed answer in time",
        quote=False,
    ),
)


def explain(stderr: str) -> Problem | None:
    """The most telling line as a Problem, or None when nothing is recognised. The sentence has no subject."""
    lines = _spoken(stderr)
    for cause in _CAUSES:
        for line in lines:
            if cause.pattern.search(line):
                words = f"{cause.sentence} ({_shortened(line)})" if cause.quote else cause.sentence
                return Problem(cause.fault, words, cause.hint)
    return None


def last_words(stderr: str, limit: int = 200) -> str:
    """The last line that says something, made harmless."""
    lines = [line.strip() for line in _spoken(stderr) if line.strip() and not _NOISE.match(line)]
    return clean(lines[-1], limit) if lines else ""


def _spoken(stderr: str) -> list[str]:
    """Lines; a zap JSON line stands for its message and error."""
    lines = clean_lines(stderr[-64_000:], 16_000)[-_LINES:]
    return [_zap(line) if line.startswith("{") else line for line in lines]


def _zap(line: str) -> str:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(entry, dict):
        return line
    said = [entry[key] for key in ("msg", "error") if isinstance(entry.get(key), str)]
    return ": ".join(said) or line


def _shortened(line: str) -> str:
    """The reason alone of an openssl error line (thread, code, library and source line go); a gRPC one
    without its wrapping."""
    words = re.sub(r"^[0-9A-Fa-f]+:error:[0-9A-Fa-f]+:", "", line.strip())
    words = re.sub(r"^[^:]*:[^:]*:([^:]+):\S+\.[ch]:\d+:.*$", r"\1", words)
    match = re.search(r'desc = "?(transport: )?(authentication handshake failed: )?([^"]+)', words)
    return clean(match[3] if match else words, 160).strip().rstrip(".")
