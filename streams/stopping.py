"""Being told to stop: SIGTERM and SIGINT, from the first moment of a worker to its last."""

import asyncio
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class StopSignal:
    """Listens from `listen` on, until the process ends: a second signal changes nothing.

    Not asyncio's handlers: those are there only while the loop runs, and a signal before or after it would kill.
    """

    def __init__(self) -> None:
        self.told = False
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def listen(self) -> None:
        """From now on a signal is remembered. Called in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._tell)

    @staticmethod
    def deafen() -> None:
        """The work is done: a signal that comes now must not change the exit status, not even while Python ends."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    def _tell(self, _number: int, _frame: FrameType | None) -> None:
        self.told = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Return when told, before or now."""
        self._loop = asyncio.get_running_loop()
        if self.told:
            self._event.set()
        await self._event.wait()

    async def unless(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` returns; None, and `work` is cancelled, when told to stop before it has ended."""
        task, told = asyncio.ensure_future(work), asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait((task, told), return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else None
        finally:
            for pending in (task, told):
                pending.cancel()
            await asyncio.gather(task, told, return_exceptions=True)
