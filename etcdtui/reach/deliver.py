"""A file from this machine to a host: taken up again where it broke off, proven there, never over another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from etcdtui.errors import Cancelled, CommandFailed, Refusal, TimedOut, UnexpectedOutput, Unreachable
from etcdtui.landing import Cancel, Meter, Progress, faults
from etcdtui.reach.runner import Runner
from etcdtui.reach.transfer import host_digest
from etcdtui.text import clean

BLOCK: Final = 256 * 1024
PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before the next attempt after a drop
_ASK = 30.0  # seconds for a short command
_STALL = 30.0  # seconds the host may take nothing

# Argument: FILE. Prints "whole", or how many bytes of it have come.
_LOOK = r"""
umask 077
mkdir -p -- "${1%/*}" || exit 1
if [ -e "$1" ]; then echo whole; exit; fi
[ -f "$1.part" ] || : >"$1.part" || exit 1
wc -c <"$1.part"
"""
# Arguments: FILE BYTES. So many bytes of standard input go behind what has come.
_TAKE = 'exec head -c "$2" >>"$1.part"'
_DROP = 'rm -f -- "$1.part"'
_NAME = 'sync; mv -n -- "$1.part" "$1" && [ ! -e "$1.part" ]'


def deliver(
    runner: Runner,
    source: Path,
    target: str,
    *,
    sha256: str,
    sudo: Sequence[str] = (),
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> None:
    """Bring ``source`` to ``target`` (absolute, mode 0600) on the host; its folder is made (0700).

    Raises Refusal (another file is there), UnexpectedOutput (it did not arrive as it is), CommandFailed,
    LocalFault, Cancelled, Unreachable and its kin. What has come stays in ``<target>.part``, unless it is
    wrong.
    """
    way = _Way(runner, source, target, sha256, tuple(sudo), cancelled)
    meter = Meter(source.name, way.size, progress)
    for pause in (*PAUSES, None):
        try:
            way.go(meter)
            return
        except Unreachable as exc:
            if pause is None:
                raise
            meter.at(way.gone, f"{clean(exc.message, 160)} Trying again in {pause:g} s.")
        if cancelled is not None and cancelled.wait(pause):
            raise way.stopped()


class _Way:
    def __init__(
        self,
        runner: Runner,
        source: Path,
        target: str,
        sha256: str,
        sudo: tuple[str, ...],
        cancelled: Cancel | None,
    ) -> None:
        self._runner, self._source, self._target = runner, source, target
        self._sha256, self._sudo, self._cancelled = sha256, sudo, cancelled
        with faults(f"{source} cannot be read"):
            self.size = source.stat().st_size
        self.gone = 0  # bytes that are there

    def stopped(self) -> Cancelled:
        return Cancelled(
            f"Bringing {self._source.name} to {self._runner.host} was stopped.",
            f"{self.gone} bytes are kept in {self._target}.part there; the next attempt goes on from there.",
        )

    def go(self, meter: Meter) -> None:
        """One attempt, from where the last one ended."""
        host = self._runner.host
        there = self._run(_LOOK).strip()
        if there == "whole":
            if host_digest(self._runner, self._sudo, self._target) != self._sha256:
                raise Refusal(
                    f"{self._target} on {host} is there already and is another file; it is not overwritten.",
                    "Look at it, and move it away if it is not wanted.",
                )
            return
        self.gone = int(there) if there.isdigit() else 0
        resumed = self.gone > 0
        if self.gone > self.size:
            self._run(_DROP)
            self._run(_LOOK)
            self.gone = 0
        self._send(meter)
        if host_digest(self._runner, self._sudo, f"{self._target}.part") != self._sha256:
            self._run(_DROP)
            if resumed:  # what an earlier attempt left was not the beginning of this file
                self.go(meter)
                return
            raise UnexpectedOutput(
                f"{self._source.name} did not arrive on {host} as it is: its SHA-256 is another there. What "
                "came was thrown away.",
                "Try again; if this repeats, check the memory and the disk of both machines.",
            )
        self._run(_NAME)

    def _send(self, meter: Meter) -> None:
        left = self.size - self.gone
        if not left:
            return
        words = (*self._sudo, "sh", "-c", _TAKE, "etcdtui-take-file", self._target, str(left))
        stream = self._runner.stream(words, timeout=_ASK)
        try:
            with faults(f"{self._source} cannot be read"), self._source.open("rb") as file:
                file.seek(self.gone)
                while block := file.read(min(BLOCK, self.size - self.gone)):
                    if self._cancelled is not None and self._cancelled.is_set():
                        raise self.stopped()
                    stream.send(block, _STALL)
                    self.gone += len(block)
                    meter.at(self.gone)
            if stream.receive(_STALL) or stream.status() not in (0, None):
                said = clean(stream.stderr().decode("utf-8", "replace"), 200)
                why = said or "no reason was given"
                raise CommandFailed(f"{self._target} on {self._runner.host} cannot be written: {why}.")
        except EOFError as exc:
            raise TimedOut(f"{self._runner.host} took no more of {self._source.name}.") from exc
        finally:
            stream.close()

    def _run(self, script: str) -> str:
        words = (*self._sudo, "sh", "-c", script, "etcdtui-deliver", self._target)
        done = self._runner.run(words, timeout=_ASK)
        if not done.ok:
            said = clean(done.err().strip(), 200) or "no reason was given"
            raise CommandFailed(
                f"{self._target} on {self._runner.host} cannot be written: {said}.",
                "Look at the disk and the rights there.",
                status=done.status,
            )
        return done.out()
