"""One run: brokers, shops, workers and faults, from a seed to its end."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

from streams.brokers import reading
from streams.delivery import partition, producing
from streams.flow import reader
from tests.sim.brokers import Brokers
from tests.sim.faults import FAULTY_SECONDS, SESSION, TRANSACTION, Act, Plan, plan
from tests.sim.load import DELIVERIES, SETTINGS, V2, VARIANTS, Load, load
from tests.sim.loop import Loop
from tests.sim.network import Network, Trace, Weather
from tests.sim.parts import Silent
from tests.sim.plainproducer import PlainProducer
from tests.sim.producer import ModelProducer
from tests.sim.reader import ModelReader
from tests.sim.worker import Surroundings, Worker

PATIENCE = 150.0
"""Seconds within which all must be done once nothing goes wrong any more."""
AFTERMATH = 8.0
"""Seconds to go on when all is done: nothing more may come."""
CUTS = 4
"""A source's records of one partition number come in so many pieces and a last one, which comes when all is well."""
MOST_WORKERS = 4
RESTART = (0.3, 3.0)
GIVEN_UP = ("cannot be taken over", "cannot be made durable")
"""Why a worker may end with status 1; any other reason would need a person."""


class World:
    """Everything there is in a run."""

    def __init__(self, seed: int, delivery: str = "exactly_once", *, keep: bool = False) -> None:
        self.settings = DELIVERIES[delivery]
        self.rng = random.Random(seed)
        self.plan: Plan = plan(self.rng)
        self.load: Load = load(seed % VARIANTS, self.plan.partitions)
        self.loop = Loop(random.Random(seed + 1))
        self._ends = {number: self.load.ends(number) for number in range(self.plan.partitions)}
        self.trace = Trace(self.loop, keep=keep)
        self.network = Network(self.loop, self.rng, self.trace)
        self.brokers = Brokers(self.loop, self.rng, self.network, self.trace, SETTINGS, self.plan.partitions)
        self.brokers.coordinator.v2 = delivery == V2
        self.faulty = True
        self.wrong: list[str] = []
        """What must never happen, and did."""
        self._workers: list[Worker] = []
        self._all: list[Worker] = []
        """Those that are gone or going, too."""
        self._around = Surroundings(
            settings=self.settings,
            loop=self.loop,
            network=self.network,
            brokers=self.brokers,
            trace=self.trace,
            rng=self.rng,
            exited=self._exited,
            tick=self.plan.tick,
            dropped=lambda: self.plan.dropped if self.faulty else 0.0,
        )

    def run(self) -> None:
        """To the end: everything is taken and nothing is under way, or patience is over."""
        with self._connected():
            try:
                self.network.brokers.context.run(self._begin)
                self.loop.run_until(self._over_with_faults, FAULTY_SECONDS)
                self.network.brokers.context.run(self._calm_down)
                self.loop.run_until(self._done, FAULTY_SECONDS + PATIENCE)
                if self._done():
                    self.loop.run_until(lambda: False, self.loop.time() + AFTERMATH)
                else:
                    self.wrong.append(f"not done {PATIENCE:.0f} s after the last fault")
                self.wrong += self.loop.errors
            finally:
                for worker in self._all:
                    worker.kill()
                self.loop.end()

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """The model's clients stand for aiokafka's; and what was fetched is decoded a few records at a time."""
        with (
            patch.object(producing, "AIOKafkaProducer", self._producer),
            patch.object(partition, "Report", Silent),
            patch.object(reader, "PORTION", 3),
            patch.object(reading, "AIOKafkaConsumer", partial(ModelReader, self.network, self.brokers)),
        ):
            yield

    def _producer(self, **options: Any) -> ModelProducer | PlainProducer:
        kind = ModelProducer if "transactional_id" in options else PlainProducer
        return kind(self.network, self.brokers, **options)

    def _over_with_faults(self) -> bool:
        return self.loop.time() >= FAULTY_SECONDS

    def _done(self) -> bool:
        return self.network.late == 0 and self.brokers.reached == self._ends

    # -- at the beginning, and when faults end

    def _begin(self) -> None:
        self.network.weather = self.plan.weather
        for _ in range(self.plan.workers):
            self._start_worker()
        for act in self.plan.acts:
            self.loop.call_at(act.at, self._act, act)
        for (source, number), rows in self.load.rows.items():
            place = SETTINGS.sources[source], number
            cuts = sorted(self.rng.sample(range(len(rows)), min(len(rows), CUTS)))
            times = [*sorted(self.rng.uniform(0.0, FAULTY_SECONDS) for _ in cuts), FAULTY_SECONDS + 1]
            for begin, end, at in zip([0, *cuts], [*cuts, len(rows)], times, strict=True):
                self.loop.call_at(at, self.brokers.append, place, rows[begin:end])

    def _calm_down(self) -> None:
        self.trace.say("calm")
        self.faulty = False
        self.network.weather = Weather()
        self.network.cut.clear()
        self.brokers.refuse = 0
        for worker in self._workers:
            self._thaw(worker)
        if not self._workers:
            self._start_worker()

    def _start_worker(self) -> None:
        worker = Worker(f"w{len(self._all) + 1}", self._around)
        self._all.append(worker)
        self._workers.append(worker)
        self.trace.say(f"{worker.name} starts")

    def _exited(self, worker: Worker, code: int, why: str) -> None:
        self.trace.see(f"worker ended with {code}")
        if code not in (0, 75) and not (code == 1 and any(reason in why for reason in GIVEN_UP)):
            self.wrong.append(f"{worker.name} ended with {code}: {why}")
        if worker in self._workers:
            self._replace(worker)

    def _replace(self, worker: Worker) -> None:
        self._workers.remove(worker)
        self.network.later(*RESTART, self._start_worker)

    # -- faults

    def _act(self, act: Act) -> None:
        self.trace.see(act.name)
        chance, workers, now = act.chance, self._workers, self.loop.time()
        moving = self.brokers.moving
        match act.name:
            case "join":
                if len(workers) < MOST_WORKERS:
                    self.trace.see("a worker more")
                    self._start_worker()
            case "rebalance":
                self.brokers.group.shake()
            case "transactions move":
                moving["transactions"] = now + 4 * chance
            case "group moves":
                moving["group"] = now + 4 * chance
            case "leaders move":
                moving["leaders"] = now + 4 * chance
            case "refusal":
                self.brokers.refuse += 1
            case _ if workers:
                self._act_on(act.name, workers[int(chance * len(workers))], chance * len(workers) % 1)

    def _act_on(self, name: str, worker: Worker, chance: float) -> None:
        match name:
            case "crash":
                worker.kill()
                self._replace(worker)
            case "stop":
                worker.stop()
            case "leave" if len(self._workers) > 1:
                self.trace.see("a worker less")
                self._workers.remove(worker)
                worker.stop()
            case "freeze":
                self._freeze(worker, 0.1 + chance * SESSION / 2)
            case "freeze beyond the session":
                self._freeze(worker, SESSION + 1 + chance * 4)
            case "freeze beyond the transaction":
                self._freeze(worker, TRANSACTION + 1 + chance * 10)
            case "cut":
                self.network.cut[worker.machine] = self.loop.time() + 1 + chance * 20
            case "clock step":
                worker.clock.ahead += round((chance - 0.5) * 7_200_000)

    def _freeze(self, worker: Worker, seconds: float) -> None:
        worker.freeze()
        self.loop.call_later(seconds, self._thaw, worker)

    def _thaw(self, worker: Worker) -> None:
        if worker.machine.frozen:
            worker.thaw()
