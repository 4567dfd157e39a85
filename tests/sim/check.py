"""Whether a run came out right: what is committed is what the pure core makes of the same log, and nothing else."""

from collections import Counter
from collections.abc import Iterator

from streams.delivery.changelog import MARK
from streams.delivery.overtaken import Sieve
from streams.flow.mark import Mark, decode_mark
from tables.customer import Customer
from tables.customerform import unpack
from tables.events import SOURCES
from tests.sim.load import SETTINGS, Written
from tests.sim.log import Kept, visible
from tests.sim.world import World
from tests.support.topics_io import comparable


def verdict(world: World) -> list[str]:
    """What is wrong with a run that has ended, a line each; nothing, if all is right."""
    return [*_messages(world), *_states(world), *_marks(world), *_takes(world), *world.wrong]


def _changelog(world: World, number: int) -> list[Kept]:
    """The records that count; in at_least_once without those that are overtaken."""
    log = world.brokers.logs[SETTINGS.changelog, number]
    records = [record for record in log.records[: log.stable] if visible(record)]
    return (
        records if world.settings.delivery == "exactly_once" else list(Sieve(MARK, {}, together=True).pass_on(records))
    )


def _messages(world: World) -> Iterator[str]:
    outputs = set(SETTINGS.outputs)
    found: Counter[Written] = Counter()
    for (topic, _), log in world.brokers.logs.items():
        if topic in outputs:
            found.update((topic, r.key, r.value, r.headers) for r in log.records[: log.stable] if visible(r))
    expected = world.load.messages
    if world.settings.delivery == "at_least_once":  # each as often as it likes
        found = Counter({message: expected.get(message, 1) for message in found})
    for what, difference in (("missing", expected - found), ("too many", found - expected)):
        if difference:
            topic, key, value, _ = next(iter(difference))
            yield f"{difference.total()} messages {what}: {topic} {key!r} {value!r}"


def _states(world: World) -> Iterator[str]:
    found: dict[bytes, Customer] = {}
    for number in range(world.plan.partitions):
        newest = {r.key: r.value for r in _changelog(world, number) if r.key}
        found |= {k: unpack(v) for k, v in newest.items() if v is not None and not k.startswith(b"\0")}
    found = comparable(found)
    expected = world.load.states
    if missing := expected.keys() - found.keys():
        yield f"{len(missing)} customers missing: {min(missing)!r}"
    if extra := found.keys() - expected.keys():
        yield f"{len(extra)} customers too many: {min(extra)!r}"
    wrong = sorted(key for key in expected.keys() & found.keys() if expected[key] != found[key])
    if wrong:
        yield f"{len(wrong)} states differ: {wrong[0]!r} is {found[wrong[0]]}, not {expected[wrong[0]]}"


def _marks(world: World) -> Iterator[str]:
    """Positions and `now` never go back."""
    for number in range(world.plan.partitions):
        last = Mark({})
        for record in _changelog(world, number):
            if record.key == MARK and record.value is not None:
                mark = decode_mark(record.value)
                if mark.now < last.now:
                    yield f"partition {number}: now goes back from {last.now} to {mark.now}"
                for source, position in last.positions.items():
                    if mark.positions[source].offset < position.offset:
                        yield f"partition {number}: {source} goes back from {position} to {mark.positions[source]}"
                last = mark
        ends = dict(zip(SOURCES, world.load.ends(number), strict=True))
        if {source: position.offset for source, position in last.positions.items()} != ends:
            yield f"partition {number}: the last mark is {last.positions}, the sources end at {ends}"


def _takes(world: World) -> Iterator[str]:
    """Every committed transaction takes on where the last one left off: no offset is skipped or taken twice."""
    at: dict[int, tuple[int, ...]] = {}
    for transaction in world.brokers.coordinator.transactions:
        if transaction.committed:
            if len(transaction.takes) > 1:
                yield f"a transaction holds {transaction.takes}"
            for taken in transaction.takes:
                before = at.get(taken.number, (0,) * len(SOURCES))
                if taken.before != before:
                    yield f"a transaction takes {taken}, but {before} was reached"
                at[taken.number] = taken.after
