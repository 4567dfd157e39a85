"""A wall clock that a test can step: Python imports this module at its start when its folder is on PYTHONPATH.

The file named by CHAOS_CLOCK holds, as a float64, the seconds by which `time.time` and `time.time_ns` are ahead of the
system's clock; it may change while the process runs. What reads the clock elsewhere (`datetime.now`) is not moved, nor
is the monotonic clock, as with a real step.
"""

import mmap
import os
import struct
import time
from pathlib import Path


def _install(path: Path) -> None:
    with path.open("rb") as file:
        ahead = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    real, real_ns = time.time, time.time_ns

    def shifted() -> float:
        return real() + float(struct.unpack_from("d", ahead)[0])

    def shifted_ns() -> int:
        return real_ns() + int(struct.unpack_from("d", ahead)[0] * 1e9)

    vars(time).update(time=shifted, time_ns=shifted_ns)


if "CHAOS_CLOCK" in os.environ:
    _install(Path(os.environ["CHAOS_CLOCK"]))
