"""Which triggers go out, and when."""

import random
from collections.abc import Container
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """Spans are seconds."""

    delay: float = 0.0
    held: int = 10_000
    """How many messages wait in memory at the most."""
    attempts: int = 8
    """Then a trigger that is put off again and again is a dead letter."""
    types: Container[str] | None = None
    """Of triggers; None: all of them."""
    recalls: bool = False
    """Whether a cancellation goes out too, when the trigger was sent before it came."""
    first_pause: float = 1.0
    """After the first failure; it doubles up to `longest_pause`, and a random part of up to a half is taken off."""
    longest_pause: float = 300.0

    def pause(self, failures: int, at_least: float) -> float:
        """How long to wait after so many failures in a row (1 or more)."""
        whole = min(self.longest_pause, self.first_pause * 2.0 ** min(failures - 1, 30))
        return max(at_least, whole * random.uniform(0.5, 1.0))  # noqa: S311 - senders should not come back together
