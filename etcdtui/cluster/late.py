"""A read that the quorum owes an answer to, waited for aside, so that its time is that of its bytes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from etcdtui.errors import EtcdTuiError
from etcdtui.etcd import gateway
from etcdtui.reach.pipe import GatewayPipe

QUORUM_GIVES_UP = 9.0  # seconds; etcd itself ends an unconfirmed read after about 7

log = logging.getLogger(__name__)


class LateRead:
    """Takes over a pipe whose last answer is late, and closes it.

    ``told`` hears, from another thread, how many seconds after the question a good answer came. A read that
    is refused, or never answered, is told nobody: the next one asks again.
    """

    def __init__(self, pipe: GatewayPipe, told: Callable[[float], None]) -> None:
        self._pipe, self._told = pipe, told
        self._over = threading.Event()
        threading.Thread(target=self._wait, name=f"late read {pipe.endpoint}", daemon=True).start()

    @property
    def over(self) -> bool:
        """Nothing is waited for any more."""
        return self._over.is_set()

    def close(self) -> None:
        """Wait no longer. Safe from any thread, and twice."""
        self._over.set()
        self._pipe.close()

    def _wait(self) -> None:
        try:
            for answer in self._pipe.more(QUORUM_GIVES_UP):
                gateway.check_read(answer.response)
                if not self.over:
                    self._over.set()
                    self._told(answer.seconds)
        except EtcdTuiError:
            pass
        except Exception:  # a bug of ours must not end as a traceback on the screen
            log.exception("late read %s", self._pipe.endpoint)
        finally:
            self.close()
