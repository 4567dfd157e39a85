"""Letters go back to where their customers are, also when there are more partitions than when they were written."""

from collections.abc import Callable

import pytest

from streams.deadletters.letter import Letter
from streams.deadletters.placing import place_by
from streams.delivery.tails import Tail
from streams.repartitioning.repartitionplan import PARTITIONERS
from tables.customer import Customer
from tables.customerform import pack
from tests.streams.deadletters.test_command import came_back, command, dead, viewed
from tests.support.brokers import ApacheKafka
from tests.support.topics_io import Send, produce
from tests.support.workers import deploy

NAMES = [f"c{n}" for n in range(40)]
MURMUR2, CRC32 = PARTITIONERS["murmur2"], PARTITIONERS["crc32"]


def letter(key: bytes | None, partition: int) -> Letter:
    return Letter(0, 0, 0, "carts", partition, 0, "", "not_json", 0, key, b"", ())


def tails_by(hashed: Callable[[bytes], int], partitions: int, names: list[str]) -> dict[int, Tail]:
    found = {number: Tail() for number in range(partitions)}
    for name in names:
        found[hashed(name.encode()) % partitions].keys.add(name.encode())
    return found


@pytest.mark.parametrize("hashed", PARTITIONERS.values(), ids=PARTITIONERS)
def test_the_partitioner_that_explains_where_customers_are(hashed: Callable[[bytes], int]) -> None:
    place = place_by(tails_by(hashed, 8, NAMES), 8)
    for name in ("ann", "bob", "cem", "dan"):
        key = name.encode()
        assert place(letter(key, hashed(key) % 2)) == hashed(key) % 8
    assert place(letter(None, 1)) == 1


def test_what_nobody_explains_goes_where_it_came_from() -> None:
    mixed = tails_by(MURMUR2, 8, NAMES)
    mixed[CRC32(b"x") % 8].keys.add(b"x")
    mixed[(MURMUR2(b"y") + 1) % 8].keys.add(b"y")
    for found in (mixed, tails_by(MURMUR2, 8, [])):
        assert [place_by(found, 8)(letter(name.encode(), 1)) for name in NAMES] == [1] * len(NAMES)


def test_where_two_explain_it_they_must_agree() -> None:
    """So few customers that both do."""
    (one, *_) = (name for name in NAMES if MURMUR2(name.encode()) % 2 == CRC32(name.encode()) % 2)
    place = place_by(tails_by(MURMUR2, 2, [one]), 2)
    for name in NAMES:
        key = name.encode()
        agreed = MURMUR2(key) % 2 if MURMUR2(key) % 2 == CRC32(key) % 2 else 7
        assert place(letter(key, 7)) == agreed


def test_letters_of_before_a_repartitioning(apache_kafka: ApacheKafka) -> None:
    to = deploy(apache_kafka, partitions="4")
    state = pack(Customer(), 0)
    changelog = to.topic("changelog")
    produce(to.broker, [Send(changelog, name.encode(), state, MURMUR2(name.encode()) % 4) for name in NAMES])
    (who, *_) = (name for name in ("ann", "bob", "cem", "dan") if MURMUR2(name.encode()) % 4 > 1)
    old, new = MURMUR2(who.encode()) % 2, MURMUR2(who.encode()) % 4
    produce(to.broker, [dead(to, who, viewed(who), partition=old)])
    assert command(to, "replay", "--yes")["sent"] == 1
    (back,) = came_back(to)
    assert (back.partition, back.key) == (new, who.encode())
