"""`offbeat` with a fault: from SIGUSR1 until SIGUSR2 nothing that partition 0 writes becomes durable."""

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import Any

from streams import app
from streams.__main__ import main
from streams.delivery.ports import Writer
from streams.delivery.writer import make_writer
from streams.settings import Settings

FREEZE, THAW = signal.SIGUSR1, signal.SIGUSR2
_thawed = asyncio.Event()


def _freezing(settings: Settings, number: int, partitions: Mapping[str, int], check: Callable[[], None]) -> Writer:
    """As `make_writer`; the one of partition 0 hangs."""
    writer = make_writer(settings, number, partitions, check)
    write = writer.write

    async def hang(*batch: Any) -> None:
        await _thawed.wait()
        await write(*batch)

    if number == 0:
        writer.write = hang  # type: ignore[method-assign]
    return writer


if __name__ == "__main__":
    _thawed.set()
    signal.signal(FREEZE, lambda *_: _thawed.clear())
    signal.signal(THAW, lambda *_: _thawed.set())
    vars(app)["make_writer"] = _freezing
    main()
