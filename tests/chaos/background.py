"""What goes on beside a round, in a thread of its own, until the end of its `with` block."""

import threading
from types import TracebackType
from typing import Self

_END_SECONDS = 30


class Background:
    """`_run` is the thread; it ends when `_stopped` is set."""

    def __init__(self, name: str) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(_END_SECONDS)
