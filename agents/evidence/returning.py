"""The shop's own curve of returning: which share of customers has ordered again after so many days."""

import numpy as np

from agents.fit.histories import Ints, Occasions
from tables.orders import DAY

DAYS = (7, 14, 30, 60, 90, 120, 180, 270, 365, 545, 730, 1095, 1825)


def returning(occasions: Occasions, end: int) -> dict[int, float]:
    """Per number of days the share that has returned by then, as far as the occasions reach; `end` in epoch ms.

    The product-limit estimate (Kaplan & Meier 1958): whoever was watched for less than that long counts until then.
    """
    closed = np.isfinite(occasions.gap)
    days = np.where(closed, occasions.gap, np.maximum(end - occasions.last_at, 0) / DAY)
    # a gap that is watched for 6.5 days was there on the sixth day's evening, and closes on the seventh at the earliest
    on = np.where(closed, np.ceil(days), np.floor(days)).astype(np.int64)
    longest = int(on.max(initial=0))
    came = np.bincount(on[closed], minlength=longest + 1)
    silent = np.cumprod(1.0 - came / np.maximum(_watched(on, longest), 1))
    return {day: 1.0 - float(silent[day]) for day in DAYS if day <= longest}


def _watched(on: Ints, longest: int) -> Ints:
    """How many gaps were still open, and seen, at the beginning of each day."""
    over = np.bincount(on, minlength=longest + 1)
    watched: Ints = np.cumsum(over[::-1])[::-1]
    return watched
