"""A worker's process: the real `Holdings` and all below it, a member of the model's group, until it ends.

What `streams.group.recovery` and aiokafka's group coordination do around the holdings is done here, in the same order.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count

from aiokafka.errors import KafkaError, RebalanceInProgressError

from agents.core import Core
from streams.delivery.changelog import read_changelog
from streams.delivery.holdings import Holdings
from streams.delivery.partition import Partition
from streams.delivery.ports import Means, Writer
from streams.delivery.writer import AcknowledgedWriter
from streams.errors import FencedError
from streams.flow.flood import FloodGuard
from streams.settings import Settings
from streams.watch.metrics import Metrics
from streams.watch.status import Status
from tables.parameters import BUILTIN
from tests.sim.brokers import Brokers
from tests.sim.group import Assignment
from tests.sim.intake import ModelIntake
from tests.sim.load import RULES, SETTINGS
from tests.sim.log import Place
from tests.sim.loop import Loop, Machine
from tests.sim.network import Network, Trace
from tests.sim.parts import SteppingClock, WatchedWriter

PAUSE = (0.05, 0.5)
HEARTBEATS = 5
"""In a session."""
LOOK_SECONDS = 0.5
STOP_SECONDS = 5.0
METRICS = Metrics()


class ExitedError(BaseException):
    """The process is gone; nothing catches this."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all workers of a run share. `exited` hears of a worker's end: its status and why."""

    settings: Settings
    loop: Loop
    network: Network
    brokers: Brokers
    trace: Trace
    rng: random.Random
    exited: Callable[["Worker", int, str], None]
    tick: float
    """Seconds between two looks at the timers."""
    dropped: Callable[[], float]
    """Share of fetched batches that are lost inside a worker, now."""


class Worker:
    """One process from its start to its end."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self.name = name
        self.machine = Machine(name)
        self.clock = SteppingClock(around.loop)
        self._around = around
        self._member = name
        self._generation = 0
        self._settings = around.settings
        self._exactly_once = self._settings.delivery == "exactly_once"
        self._awake = around.loop.time()
        self._main: asyncio.Task[None] | None = None
        around.loop.spawn(self.machine, self._run())

    # -- what happens to it

    def kill(self) -> None:
        """As kill -9 does."""
        self.machine.kill()

    def freeze(self) -> None:
        """As SIGSTOP does."""
        self.machine.frozen = True

    def thaw(self) -> None:
        """As SIGCONT does."""
        self._around.loop.thaw(self.machine)

    def stop(self) -> None:
        """As SIGTERM does."""
        self._around.loop.spawn(self.machine, self._stop())

    # -- what it is made of

    @cached_property
    def holdings(self) -> Holdings:
        return Holdings(lambda number: Partition(number, self._means), self._fatal)

    @cached_property
    def _intake(self) -> ModelIntake:
        around = self._around
        return ModelIntake(
            around.network,
            around.brokers,
            around.trace,
            around.rng,
            self.clock,
            SETTINGS.sources,
            self.holdings.apply,
            self._in_group,
            around.dropped,
            self._commit_group,
        )

    @cached_property
    def _means(self) -> Means:
        tokens = count(1)
        return Means(
            settings=self._settings,
            intake=self._intake,
            new_writer=self._new_writer,
            read_changelog=partial(read_changelog, self._settings),
            new_core=lambda: Core(RULES, BUILTIN, track_offsets=not self._exactly_once),
            flood=FloodGuard(SETTINGS.dead_letter_share),
            clock=self.clock,
            metrics=METRICS,
            status=Status(),
            new_token=lambda: f"{self.name}-{next(tokens)}",
        )

    def _new_writer(self, number: int) -> Writer:
        if self._exactly_once:
            return WatchedWriter(number, lambda: self.holdings.held)
        return AcknowledgedWriter(self._settings, number, {}, self._check_awake)

    def _check_awake(self) -> None:
        """As streams.group.groupwatch does it."""
        if self._around.loop.time() - self._awake > SETTINGS.session_timeout / 1000:
            raise FencedError("this process stood still")

    def _fatal(self, code: int, why: str) -> None:
        if self.machine.dead:
            raise ExitedError
        self._around.trace.say(f"{self.name} ends with {code}: {why}")
        self.machine.kill()
        self._around.exited(self, code, why)
        raise ExitedError

    # -- what it does

    async def _run(self) -> None:
        self._main = asyncio.current_task()
        ticking = asyncio.create_task(self._tick())
        watching = asyncio.create_task(self._stay_awake())
        takeover: asyncio.Task[None] | None = None
        try:
            while True:
                assignment = await self._join()
                if takeover is not None:  # two must not overlap
                    await asyncio.wait([takeover])
                self._generation = assignment.generation
                self._intake.assigned(assignment.numbers)
                self.holdings.grant(assignment.generation)
                takeover = asyncio.create_task(self._take_over(assignment))
                await self._beat()
                self.holdings.revoke()
                self._intake.revoked()
                takeover.cancel()
                await self.holdings.drain(SETTINGS.session_timeout / 2000)
        finally:
            ticking.cancel()
            watching.cancel()
            if takeover is not None:
                takeover.cancel()

    async def _join(self) -> Assignment:
        while True:
            try:
                return await self._around.network.call("JoinGroup", self._around.brokers.join, self._member)
            except KafkaError:
                await self._around.network.pause(*PAUSE)

    def _heartbeat(self) -> "asyncio.Future[None]":
        around = self._around
        return around.network.call("Heartbeat", around.brokers.heartbeat, self._member, self._generation)

    async def _commit_group(self, offsets: Mapping[Place, int]) -> None:
        around = self._around
        await around.network.call("OffsetCommit", around.brokers.commit_group, self._member, self._generation, offsets)

    async def _in_group(self) -> bool:
        """Whether the group says so, asked now."""
        try:
            await self._heartbeat()
        except KafkaError as exc:
            if exc.retriable:
                raise
            return False
        return True

    async def _beat(self) -> None:
        """Tell the group that we are there, until it says that it is assigning anew."""
        while True:
            await asyncio.sleep(SETTINGS.session_timeout / 1000 / HEARTBEATS)
            try:
                async with asyncio.timeout(SETTINGS.session_timeout / 1000):
                    await self._heartbeat()
            except RebalanceInProgressError:
                return
            except (KafkaError, TimeoutError) as exc:
                retriable = isinstance(exc, TimeoutError) or exc.retriable
                self._intake.away = retriable
                if not retriable:
                    return
            else:
                self._intake.away = False

    async def _take_over(self, assignment: Assignment) -> None:
        try:
            await self.holdings.take_over(set(assignment.numbers), assignment.generation, self._resume)
        except Exception as exc:  # noqa: BLE001 - a worker that holds nothing must not look alive
            self._fatal(70, f"taking partitions over failed: {type(exc).__name__}: {exc}")

    async def _resume(self, _numbers: set[int]) -> None:
        await asyncio.sleep(0)

    async def _stay_awake(self) -> None:
        """Without transactions nobody else keeps a worker from writing that comes to again: it leaves."""
        while not self._exactly_once:
            try:
                self._check_awake()
            except FencedError as exc:
                self._fatal(75, str(exc))
            self._awake = self._around.loop.time()
            await asyncio.sleep(LOOK_SECONDS)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._around.tick)
            await self.holdings.tick()

    async def _stop(self) -> None:
        if self._main is not None:
            self._main.cancel()
            await asyncio.wait([self._main])
        self._intake.revoked()
        await self.holdings.stop(STOP_SECONDS)
        network = self._around.network
        try:
            async with asyncio.timeout(1.0):
                await network.call("LeaveGroup", self._around.brokers.leave, self._member)
        except (KafkaError, TimeoutError):
            self._around.trace.say(f"{self.name} did not leave the group")
        self.machine.kill()
        self._around.exited(self, 0, "")
