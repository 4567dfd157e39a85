"""The load at an even rate, made as it is sent, until it is told to end."""

import time
from collections.abc import Callable, Iterator

from streams.logs import LogLine
from streams.settings import Settings
from tests.chaos.feed import Place, Sending, portions

_PORTIONS = 10
"""In a second: after each of them workers may take what came before."""


class Flow(Sending):
    """Sends lines in a thread of its own. `with Flow(...) as flow:`; what the brokers hold up follows at full speed.

    :param rate: lines in a second
    :param acknowledged: as for `Sending`
    :param announce: hears how many lines have been sent
    """

    def __init__(
        self,
        brokers: str,
        lines: Iterator[LogLine],
        settings: Settings,
        *,
        rate: float,
        acknowledged: Callable[[dict[Place, int]], None],
        announce: Callable[[int], None],
    ) -> None:
        super().__init__("flow", brokers, acknowledged)
        self._rate, self._announce = rate, announce
        self._portions = portions(lines, settings, max(1, round(rate / _PORTIONS)))
        self._ending = self._ended = False
        self.lines = 0
        """Sent."""

    def end(self) -> None:
        """Let no more be sent."""
        self._ending = True

    @property
    def done(self) -> bool:
        """Whether all that was sent before the end is acknowledged. Raises RuntimeError when brokers refused some."""
        return self._ended and self.all_acknowledged

    def _run(self) -> None:
        begin = time.monotonic()
        for portion in self._portions:
            while not self._stopped.is_set() and time.monotonic() < begin + self.lines / self._rate:
                self._settle(0.01)
            if self._ending or self._stopped.is_set():
                break
            self._send(portion)
            self.lines += sum(row.key is not None for row in portion)
            self._announce(self.lines)
            self._settle(0)
        self._ended = True
        while not self._stopped.is_set():
            self._settle(0.01)
