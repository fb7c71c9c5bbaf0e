"""A slow member: stopped most of the time, awake often enough to stay one."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from etcdtui.children import processes

if TYPE_CHECKING:
    from etcdtui.lab.kubelet import Kubelet

# Well below the election timeout of 1000 ms: it answers late, it does not fall out.
STOPPED = 0.35
AWAKE = 0.05


class Slowness:
    """The duty cycle of one host's etcd, whichever process that is at the moment."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def on(self) -> bool:
        return self._thread is not None

    def begin(self) -> None:
        """Slow from now on."""
        if self._thread is None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._cycle, daemon=True)
            self._thread.start()

    def end(self) -> None:
        """As fast as ever again."""
        thread, self._thread = self._thread, None
        self._ended.set()
        if thread is not None:
            thread.join()

    def _cycle(self) -> None:
        while not self._ended.is_set():
            pid = self._kubelet.pid
            if pid is not None:
                processes.signal_group(pid, signal.SIGSTOP)
            self._ended.wait(STOPPED)
            if pid is not None:
                processes.signal_group(pid, signal.SIGCONT)
            self._ended.wait(AWAKE)
