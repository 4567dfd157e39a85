"""Doing what the plan says. Each returns when the fault is over: what it has caused goes on."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.chaos.plan import Fault
from tests.chaos.world import World
from tests.support.node import Node
from tests.support.proxy import Link


def commit_fault(fault: Fault, world: World) -> None:
    """Make it happen, and undo it. Raises BrokerStartError when a broker does not come back."""
    _HOW[fault.kind](fault, world)


def _kill_worker(fault: Fault, world: World) -> None:
    world.slots[fault.worker].kill(back=fault.seconds)
    world.rest(fault.seconds)


def _stop_worker(fault: Fault, world: World) -> None:
    world.slots[fault.worker].stop(back=fault.seconds)
    world.rest(fault.seconds)


def _freeze_worker(fault: Fault, world: World) -> None:
    slot = world.slots[fault.worker]
    slot.freeze()
    try:
        world.rest(fault.seconds)
    finally:
        slot.thaw()


def _step_clock(fault: Fault, world: World) -> None:
    """And back, which is a step, too."""
    slot = world.slots[fault.worker]
    slot.step_clock(fault.amount)
    try:
        world.rest(fault.seconds)
    finally:
        slot.step_clock(0.0)


def _kill_broker(fault: Fault, world: World) -> None:
    node = _node(fault, world)
    node.kill()
    world.rest(fault.seconds)
    node.launch()


def _kill_most_brokers(fault: Fault, world: World) -> None:
    """It and all others but the next: with three, neither the controllers nor the copies have their majority."""
    node, nodes = _node(fault, world), world.kafka.nodes
    left = nodes[(nodes.index(node) + 1) % len(nodes)]
    killed = [one for one in nodes if one is not left] or [node]
    for one in killed:
        one.kill()
    world.rest(fault.seconds)
    for one in killed:
        one.launch()


def _restart_broker(fault: Fault, world: World) -> None:
    """Its leaders move to the others before it ends."""
    node = _node(fault, world)
    node.stop()
    world.rest(fault.seconds)
    node.launch()


def _freeze_broker(fault: Fault, world: World) -> None:
    pid = _node(fault, world).pid
    assert pid is not None, "a broker does not run"
    os.kill(pid, signal.SIGSTOP)
    try:
        world.rest(fault.seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def _slow_broker(fault: Fault, world: World) -> None:
    assert fault.broker is not None
    with _spoilt([links[fault.broker] for links in world.links], lambda link: link.delay(fault.amount)):
        world.rest(fault.seconds)


def _cut(fault: Fault, world: World) -> None:
    with _spoilt(_links(fault, world), Link.cut):
        world.rest(fault.seconds)


def _blackhole(fault: Fault, world: World) -> None:
    with _spoilt(_links(fault, world), Link.blackhole):
        world.rest(fault.seconds)


def _hold_answers(fault: Fault, world: World) -> None:
    with _spoilt(_links(fault, world), Link.hold_answers):
        world.rest(fault.seconds)


def _lose_answers(fault: Fault, world: World) -> None:
    """What was asked for has been done, and nobody hears of it."""
    links = _links(fault, world)
    with _spoilt(links, Link.hold_answers):
        world.rest(fault.seconds)
        for link in links:
            link.cut()


@contextmanager
def _spoilt(links: list[Link], how: Callable[[Link], None]) -> Iterator[None]:
    try:
        for link in links:
            how(link)
        yield
    finally:
        for link in links:
            link.heal()


def _node(fault: Fault, world: World) -> Node:
    assert fault.broker is not None, "a plan names the broker"
    world.mend()  # it may still be on its way back from the fault before
    return world.kafka.nodes[fault.broker]


def _links(fault: Fault, world: World) -> list[Link]:
    links = world.links[fault.worker]
    return links if fault.broker is None else [links[fault.broker]]


_HOW: dict[str, Callable[[Fault, World], None]] = {
    "worker-kill": _kill_worker,
    "worker-stop": _stop_worker,
    "worker-freeze": _freeze_worker,
    "worker-freeze-long": _freeze_worker,
    "worker-clock": _step_clock,
    "broker-kill": _kill_broker,
    "broker-kill-most": _kill_most_brokers,
    "broker-restart": _restart_broker,
    "broker-freeze": _freeze_broker,
    "broker-slow": _slow_broker,
    "network-cut": _cut,
    "network-blackhole": _blackhole,
    "network-answers-held": _hold_answers,
    "network-answers-lost": _lose_answers,
}
