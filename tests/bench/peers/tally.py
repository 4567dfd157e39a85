"""What a Python peer counts and tells: a line at its first event, at half of them and at the last one.

The standard library alone: it runs in the peers' environments. The Java peer writes the same lines.
"""

import json
import os
import time


class Tally:
    """Counts what a peer has done, and tells it on standard output.

    A line is `peer ` and a JSON object: `events`, `customers` and `triggers` so far, and `time`, Unix seconds.
    """

    def __init__(self, events: int) -> None:
        self._when = {1, events // 2, events}
        self._events = self._customers = self._triggers = 0

    def count(self, *, new: bool, fired: bool) -> None:
        """One more event, after its state was put back; whether its customer is new, whether a trigger was sent."""
        self._events += 1
        self._customers += new
        self._triggers += fired
        if self._events in self._when:
            self._tell()

    def _tell(self) -> None:
        told = {
            "events": self._events,
            "customers": self._customers,
            "triggers": self._triggers,
            "time": time.time(),
        }
        # past what a framework makes of sys.stdout
        os.write(1, f"peer {json.dumps(told)}\n".encode())
