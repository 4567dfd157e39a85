"""Virtual time: an event loop whose clock jumps to the next timer, shared by machines that can freeze and crash.

Every callback belongs to the machine in whose context it was scheduled. On one machine callbacks run in the order in
which they were scheduled, as asyncio promises; which machine is next is drawn from the seed.
"""

import asyncio
import random
import warnings
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from typing import Any, TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")


_MACHINE: ContextVar["Machine"] = ContextVar("machine")


class Machine:
    """What fails as a whole: a worker's process; the cluster of brokers, which never does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frozen = False
        self.dead = False
        self.listed = False
        """Among those whose turn it may be."""
        self.queue: deque[asyncio.Handle] = deque()
        self.context = copy_context()
        self.context.run(_MACHINE.set, self)

    def kill(self) -> None:
        """As kill -9: nothing more runs here, not even what would clean up."""
        self.dead = True
        self.queue.clear()


def machine() -> Machine:
    """The machine that the running code is on."""
    return _MACHINE.get()


class Loop(asyncio.BaseEventLoop):
    """Runs callbacks of all machines; `seed` draws whose turn it is."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.tasks: list[asyncio.Task[Any]] = []
        """All that were ever started, so that the collector of garbage ends none of them at a time of its own."""
        self.errors: list[str] = []
        """What nobody caught."""
        self.steps = 0
        self._rng = rng
        self._now = 0.0
        self._order = 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._ready_machines: list[Machine] = []
        self.set_task_factory(self._make_task)
        self.set_exception_handler(lambda _loop, found: self.errors.append(_told(found)))

    def time(self) -> float:
        return self._now

    def _make_task(self, _loop: Any, work: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=self, **options)
        self.tasks.append(task)
        return task

    def spawn(self, owner: Machine, work: Coroutine[Any, Any, None]) -> None:
        """Begin work on a machine."""
        self._make_task(self, work, context=owner.context)

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._add(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._order += 1
        heappush(self._timers, (when, self._order, timer))
        return timer

    def _timer_handle_cancelled(self, _handle: asyncio.TimerHandle) -> None:
        """It stays in the heap until its time."""

    def _add(self, handle: asyncio.Handle) -> None:
        owner: Machine = handle._context[_MACHINE]  # type: ignore[attr-defined]
        if owner.dead:
            return
        owner.queue.append(handle)
        self._list(owner)

    def _list(self, owner: Machine) -> None:
        if not owner.listed and not owner.frozen and owner.queue:
            owner.listed = True
            self._ready_machines.append(owner)

    def thaw(self, owner: Machine) -> None:
        """Let a frozen machine go on with all that has gathered."""
        owner.frozen = False
        self._list(owner)

    def run_until(self, over: Callable[[], bool], until: float) -> None:
        """Run until `over` holds, looked at before time moves on, or until this time (seconds)."""
        asyncio._set_running_loop(self)
        try:
            self._run_ready()
            while not over() and self._jump(until):
                self._run_ready()
        finally:
            asyncio._set_running_loop(None)

    def _jump(self, until: float) -> bool:
        """Move on to the next timer, and make it and all of the same time ready; False when there is none by then."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heappop(timers)
        if not timers or timers[0][0] > until:
            self._now = until
            return False
        self._now = now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= now:
            timer = heappop(timers)[2]
            if not timer.cancelled():
                self._add(timer)
        return True

    def _run_ready(self) -> None:
        ready, rng = self._ready_machines, self._rng
        while ready:
            place = int(rng.random() * len(ready)) if len(ready) > 1 else 0
            owner = ready[place]
            if owner.queue and not owner.frozen:
                handle = owner.queue.popleft()
                self.steps += 1
                if not handle.cancelled():
                    handle._run()
            if not owner.queue or owner.frozen:
                owner.listed = False
                ready.remove(owner)

    def end(self) -> None:
        """Take apart what is left, without letting any of it act."""
        nowhere = Machine("nowhere")
        nowhere.dead = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what was never begun
            nowhere.context.run(self._close_tasks)
        self._timers.clear()
        self.close()

    def _close_tasks(self) -> None:
        asyncio._set_running_loop(self)
        for task in self.tasks:  # grows meanwhile: what is closed may begin to clean up
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                work = task.get_coro()
                with suppress(BaseException):
                    work.close()
            elif not task.cancelled():
                task.exception()  # looked at: nobody need be told
        asyncio._set_running_loop(None)
        self.tasks.clear()


def _told(found: dict[str, Any]) -> str:
    exc = found.get("exception")
    return f"{found.get('message')}: {exc!r}" if exc is not None else str(found.get("message"))
