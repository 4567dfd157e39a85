"""An event loop whose time does not pass but leaps: hours of waiting take no time, and the order is always the same."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """When nothing is left to do now, it is at once the time of what is to be done next."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        # the selector is where a loop waits for its next timer
        selector: Any = self._selector  # type: ignore[attr-defined]
        look: Callable[[float], list[Any]] = selector.select

        def leap(seconds: float | None = None) -> list[Any]:
            found = look(0)
            if not found:
                assert seconds is not None, "everybody waits for something that will never be"
                self._now += seconds
            return found

        selector.select = leap

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now


def virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run it in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


def background(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Begin it, and do not wait for it."""
    return asyncio.get_running_loop().create_task(work)
