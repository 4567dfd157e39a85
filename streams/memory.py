"""How the worker's memory is taken care of: by the interpreter's garbage collector, and by the C library."""

import ctypes
import gc
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""glibc's names of mallopt(3), in malloc.h."""
_LARGE = 32 << 20
"""The most that glibc takes."""
_KEPT = 256 << 20


def take_care_of_memory() -> None:
    """To be called once, before the worker takes anything."""
    _keep_garbage_collector_away()
    _keep_buffers()


def _keep_garbage_collector_away() -> None:
    """States are bytes and events hold no cycles: there is little to find, and looking costs half of the throughput."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def _keep_buffers() -> None:
    """Fetches bring megabytes at a time. glibc would give such buffers back at once, and get them again page by page.

    The kernel clears each of these pages: more than a third of the time in which a changelog was read back.
    """
    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _KEPT)
