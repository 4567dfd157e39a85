"""Samples of customers without a core: what a worker's states would hold of a log's orders."""

import numpy as np
from xxhash import xxh3_64_intdigest

from agents.fit.histories import Orders, occasions_of
from agents.learning.sample import EVERYBODY, Customers, Sample
from tables.clock import CALENDAR, Clock
from tables.orders import REMEMBERED


def sample_of(orders: Orders, until: int, clock: Clock = CALENDAR, remembered: int = REMEMBERED) -> Sample:
    """Everybody who has ordered before `until` (epoch ms), with sums by a clock that was followed all along."""
    known = orders.before(until)
    known = Orders(known.customer, known.at // 1000 * 1000, known.total, known.currency)
    names, counts = np.unique(known.customer, return_counts=True)
    hashes = np.array([xxh3_64_intdigest(b"c%d" % name) for name in names.tolist()], dtype=np.uint64)
    newest = occasions_of(known, clock).newest()
    kept = np.minimum(counts, remembered)
    whole = counts <= remembered
    ends = np.cumsum(counts)
    paid = known.total > 0
    ln = np.log(np.where(paid, known.total, 1.0))
    owner = np.repeat(np.arange(names.size), counts)
    baskets = np.bincount(owner, paid, names.size)
    mean = np.bincount(owner, ln, names.size) / np.maximum(baskets, 1)
    off = np.where(paid, np.square(ln - mean[owner]), 0.0)
    ss = np.bincount(owner, off, names.size).astype(np.float64)
    s1, s2, e1, e2 = (np.where(whole, 0.0, column) for column in (newest.s1, newest.s2, newest.e1, newest.e2))
    columns = Customers(
        hashes, kept, np.where(whole, -1, newest.x), s1, s2, e1, e2, baskets.astype(np.int64), mean, ss, kept * 0
    )
    by_hash = np.argsort(hashes)
    at = np.concatenate([known.at[ends[row] - kept[row] : ends[row]] for row in by_hash.tolist()] or [known.at[:0]])
    return Sample(until, int(names.size), EVERYBODY, columns.take(by_hash), at)
