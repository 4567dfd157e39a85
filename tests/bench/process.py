"""What a process has used up, as the kernel counts it: the same for the worker and for its peers."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Use:
    """Up to now, all threads together."""

    cpu_seconds: float
    """User and system, in steps of 10 ms."""
    rss: int
    """Resident memory now, bytes."""
    peak: int


def use_of(pid: int) -> Use:
    """Read `/proc/PID`. Raises OSError when there is no such process any more."""
    proc = Path("/proc") / str(pid)
    ticks = proc.joinpath("stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in proc.joinpath("status").read_text().splitlines() if ":" in line)
    user, system = int(ticks[11]), int(ticks[12])
    return Use((user + system) / _TICK, _kib(status.get("VmRSS", "0")), _kib(status.get("VmHWM", "0")))


def _kib(text: str) -> int:
    return int(text.split(maxsplit=1)[0]) * 1024
