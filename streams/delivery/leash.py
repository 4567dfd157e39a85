"""Work that can be ended from outside, for good."""

import asyncio
from collections.abc import Callable, Coroutine


class Leash:
    """Lets one piece of work go on at a time. Once `cut`, what goes on ends, and nothing begins any more."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._cut = False

    @property
    def busy(self) -> bool:
        """Something goes on."""
        return self._lock.locked()

    async def run(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Do `work` when what came before it has ended, and raise what it raises. Once `cut`: return."""
        async with self._lock:
            if self._cut:
                return
            self._task = task = asyncio.create_task(work())
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError:
                task.cancel()
                await asyncio.wait((task,))
                raise
            finally:
                self._task = None
            if not task.cancelled():
                task.result()
            elif not self._cut:  # or it would have ended halfway without a word
                raise RuntimeError("what it waited for was cancelled")

    async def idle(self, deadline: float) -> bool:
        """Wait until nothing goes on, at the longest until `deadline` on the loop's clock; whether that came true."""
        try:
            async with asyncio.timeout_at(deadline), self._lock:
                return True
        except TimeoutError:
            return False

    async def cut(self, seconds: float) -> bool:
        """End what goes on, and wait for its end, at the longest `seconds`; whether it has ended."""
        self._cut = True
        task = self._task
        if task is None:
            return True
        task.cancel()
        done, _ = await asyncio.wait((task,), timeout=seconds)
        return bool(done)
