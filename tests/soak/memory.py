"""Resident memory of every worker, sampled; and whether it is flat where nothing is restarted."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import theilslopes

from tests.bench.process import use_of
from tests.chaos.background import Background

_EVERY_SECONDS = 1.0
_MANY = 600
"""Samples that a slope is taken of, at most."""


class Sample(NamedTuple):
    """One look at one worker."""

    at: float
    """By `time.monotonic`."""
    worker: int
    pid: int
    rss: int
    """Bytes."""


@dataclass(frozen=True)
class Stretch:
    """A worker's memory while nothing was restarted."""

    worker: int
    seconds: float
    median: float
    """MiB."""
    slope: float
    """MiB in an hour: the median of the slopes between any two samples, which a single jump does not move."""

    @property
    def growth(self) -> float:
        """By how much it grew in this time, as a share of the median."""
        return self.slope * self.seconds / 3600 / self.median


class MemoryWatch(Background):
    """Samples in a thread of its own. `with MemoryWatch(...) as watch:`.

    :param pids: of each worker; None: it does not run
    """

    def __init__(self, pids: Callable[[], Sequence[int | None]]) -> None:
        super().__init__("memory")
        self._pids = pids
        self.samples: list[Sample] = []

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_SECONDS):
            for worker, pid in enumerate(self._pids()):
                if pid is not None:
                    try:
                        rss = use_of(pid).rss
                    except OSError:
                        continue  # it has just ended
                    self.samples.append(Sample(time.monotonic(), worker, pid, rss))


def stretches(samples: Sequence[Sample], begin: float, end: float) -> list[Stretch]:
    """Of each process that was there all the time between; [] when that is too short for three samples."""
    inside = [sample for sample in samples if begin <= sample.at <= end]
    found = []
    for worker, pid in sorted({(sample.worker, sample.pid) for sample in inside}):
        own = [sample for sample in inside if sample.pid == pid]
        if len(own) >= 3 and own[-1].at - own[0].at > (end - begin) / 2:
            found.append(_stretch(worker, own))
    return found


def _stretch(worker: int, samples: Sequence[Sample]) -> Stretch:
    at = np.array([sample.at for sample in samples])
    mib = np.array([sample.rss for sample in samples]) / (1 << 20)
    few = slice(None, None, -(-at.size // _MANY))
    slope = float(theilslopes(mib[few], at[few]).slope)
    return Stretch(worker, float(at[-1] - at[0]), float(np.median(mib)), slope * 3600)
