"""How far the worker is, from its own metrics."""

import http.client
import time
from collections import deque

from streams.settingkinds import split_address

_WINDOW_SECONDS = 2.0


class Gauges:
    """Reads the worker's metrics port. A look that fails leaves what was seen last."""

    def __init__(self, address: str) -> None:
        self._host, self._port = split_address(address)
        self._seen: deque[tuple[float, int]] = deque()
        self.taken = 0
        """Events that the worker has made durable."""
        self.reached = (0, 0)
        """Event time that the slowest and the fastest partition have reached, epoch ms; 0: not known yet."""
        self.rate = 0.0
        """Events per second over the last two seconds."""

    def look(self) -> None:
        """Ask once."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=2)  # not urllib: it may use a proxy
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()
        self.read(text, time.monotonic())

    def read(self, text: str, now: float) -> None:
        """Take an answer in. `now`: seconds of a steady clock."""
        taken, reached = 0.0, list[float]()
        for line in text.splitlines():
            if line.startswith("offbeat_events_total"):
                taken += float(line.rpartition(" ")[2])
            elif line.startswith("offbeat_event_time_seconds"):
                reached.append(float(line.rpartition(" ")[2]))
        self.taken = int(taken)
        known = [round(seconds * 1000) for seconds in reached if seconds]
        self.reached = min(known, default=0), max(known, default=0)
        seen = self._seen
        seen.append((now, self.taken))
        while len(seen) > 2 and now - seen[1][0] >= _WINDOW_SECONDS:
            seen.popleft()
        seconds = now - seen[0][0]
        self.rate = (self.taken - seen[0][1]) / seconds if seconds > 0 else 0.0
