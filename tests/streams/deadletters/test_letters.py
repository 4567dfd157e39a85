"""Dead letters without brokers: what a record is read as, receipts, what would pass, what a listing tells."""

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.deadletters.judge import NO_PLACE, Judge, Verdicts
from streams.deadletters.letter import FOREIGN, Letter, Receipt, Selection, SentBack, moment, read, receipt_row
from streams.deadletters.listing import ELSEWHERE, Listing
from streams.delivery.ports import Row
from streams.flow.merge import Rejected
from streams.flow.messages import Headers, MessageWriter
from streams.settings import Settings

AT = 1_767_225_600_000
VIEWED = {"type": "product.viewed", "event_id": "e", "customer_id": "ann", "occurred_at": AT, "product_id": "p"}
PARTITIONS = {"carts": 2, "purchases": 2, "customers": 2}
HOSTILE = "\x1b[2J\x9b31m\u202e\n"


class Record(NamedTuple):
    """A record as aiokafka's parser leaves it."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int = AT


def record(offset: int, row: Row, at: int = AT) -> Record:
    return Record(offset, *row, timestamp=at)


def refused(
    value: bytes | None,
    reason: str = "not JSON: x",
    *,
    headers: tuple[tuple[str, bytes], ...] = (),
    topic: str = "carts",
    partition: int = 1,
    key: bytes | None = b"ann",
) -> Row:
    """As a worker writes it."""
    message = MessageWriter(Settings()).dead_letter(Rejected(key, value, headers, "", reason), topic, partition, 7)
    return message[1:]


def letter(value: bytes | None = b"{", reason: str = "not JSON: x", offset: int = 5, **more: Any) -> Letter:
    found = read(3, record(offset, refused(value, reason, **more)))
    assert isinstance(found, Letter)
    return found


def test_a_letter_is_read_as_it_was_written() -> None:
    trace = (("trace", b"\xff"), ("trace", b""))
    found = letter(b"{", "unknown type for carts: x", headers=trace)
    assert found == Letter(3, 5, AT, "carts", 1, 7, "unknown type for carts: x", "unknown_type", 0, b"ann", b"{", trace)
    assert found.row() == (b"ann", b"{", [*trace, ("offbeat_sent_back", b"1")])


def test_what_is_refused_again_is_counted() -> None:
    again = letter(headers=tuple(letter().row()[2]))
    assert again.times == 1
    assert again.headers == ()
    assert again.row()[2] == [("offbeat_sent_back", b"2")]


def test_a_producer_cannot_speak_for_the_worker() -> None:
    """Its own headers stand before the worker's, and do not come back."""
    forged = (
        ("offbeat_topic", b"customers"),
        ("offbeat_partition", b"0"),
        ("offbeat_receipt", b"1"),
        ("offbeat_sent_back", b"\xb2"),
    )
    found = read(3, record(5, refused(b'{"sent_back":[[0,4]]}', headers=forged, key=None)))
    assert isinstance(found, Letter)
    assert (found.topic, found.partition, found.times, found.headers) == ("carts", 1, 0, ())


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("offbeat_topic", b"carts")],
        [("offbeat_topic", b"carts"), ("offbeat_partition", b"-1"), ("offbeat_offset", b"1")],
        [("offbeat_topic", b"carts"), ("offbeat_partition", b"1" * 5000), ("offbeat_offset", b"1")],
        [("offbeat_partition", b"1"), ("offbeat_offset", b"1")],
    ],
)
def test_what_no_worker_wrote_is_foreign(headers: Headers) -> None:
    found = read(0, Record(5, b"k", b"v", headers))
    assert isinstance(found, Letter)
    assert (found.kind, found.topic, found.partition, found.from_offset) == (FOREIGN, "", -1, -1)
    assert Judge(Settings(), PARTITIONS, AT).against(found) == (
        FOREIGN,
        "no worker wrote it: it does not say where it came from",
    )


@given(st.sets(st.integers(0, 300)), st.integers(0, 100))
def test_receipts_tell_what_was_sent_back(offsets: set[int], begin: int) -> None:
    """Also those of letters that are gone, and whatever number of them."""
    found, other = SentBack(), letter(offset=1)._replace(number=4)
    found.begins(3, begin)
    for part in (sorted(o for o in offsets if o % 2), sorted(o for o in offsets if not o % 2)):
        receipt = read(3, record(1000, receipt_row(part)))
        assert isinstance(receipt, Receipt)
        found.note(3, receipt)
    assert {o for o in range(begin, 320) if found.has(letter(offset=o))} == {o for o in offsets if o >= begin}
    assert not found.has(other)


@pytest.mark.parametrize(
    "value", [None, b"", b"{", b"[]", b'{"sent_back":1}', b'{"sent_back":[[5,9],[-3,1],[3,2],[0,9999999999999]]}']
)
def test_a_receipt_is_only_of_what_came_before_it(value: bytes | None) -> None:
    """Else one that somebody wrote could take all memory."""
    assert read(0, Record(9, None, value, [("offbeat_receipt", b"1")])) == Receipt(())


def test_a_receipt_is_short_for_what_stands_together() -> None:
    assert receipt_row([1, 2, 3, 7, 8, 10])[1] == b'{"sent_back":[[1,3],[7,8],[10,10]]}'


def test_what_would_pass_and_why_the_rest_would_not() -> None:
    judge = Judge(Settings(), PARTITIONS, AT)
    good = json.dumps(VIEWED).encode()
    assert judge.against(letter(good)) is None
    assert judge.against(letter(good, key=b"bob")) == ("wrong_key", "the key b'bob' differs from customer_id 'ann'")
    assert judge.against(letter(b"{"))[0] == "not_json"  # type: ignore[index]
    assert judge.against(letter(good, topic="purchases"))[0] == "unknown_type"  # type: ignore[index]
    assert judge.against(letter(good, topic="carts-of-old")) == (NO_PLACE, "carts-of-old is none of the sources")
    assert judge.against(letter(good, partition=2)) == (NO_PLACE, "carts has no partition 2")
    ahead = json.dumps({**VIEWED, "occurred_at": AT + 7_200_000}).encode()
    assert judge.against(letter(ahead))[0] == "bad_time"  # type: ignore[index]
    assert Judge(Settings(), PARTITIONS, AT + 7_200_000).against(letter(ahead)) is None


def test_verdicts_count_by_reason_and_show_the_first() -> None:
    verdicts = Verdicts()
    verdicts.refuse(letter(offset=1), "not_json", "x")
    verdicts.refuse(letter(offset=2), "bad_time", f"y{HOSTILE}")
    verdicts.refuse(letter(offset=3), "bad_time", "z")
    assert verdicts.staying == 3
    assert verdicts.as_json() == [
        {"reason": "bad_time", "count": 2, "example": {"partition": 3, "offset": 2, "why": r"y\x1b[2J\x9b31m\u202e\n"}},
        {"reason": "not_json", "count": 1, "example": {"partition": 3, "offset": 1, "why": "x"}},
    ]


def test_a_selection_is_by_reason_and_time() -> None:
    found = letter()
    assert Selection().takes(found)
    assert Selection(frozenset({"not_json"}), AT).takes(found)
    assert not Selection(frozenset({"bad_time"})).takes(found)
    assert not Selection(since=AT + 1).takes(found)


def test_a_listing_groups_by_reason_and_place() -> None:
    listing = Listing(examples=1)
    for number, (reason, partition) in enumerate(
        [("not JSON", 0), ("not JSON", 1), ("not JSON", 1), ("empty value", 0)]
    ):
        found = letter(f"v{number}".encode(), reason, offset=number, partition=partition)
        listing.add(found._replace(at=AT + number * 1000, times=number // 2), sent_back=number == 1)
    told = listing.as_json("dead-letters")
    groups = told.pop("groups")
    assert told == {
        "topic": "dead-letters",
        "count": 4,
        "sent_back": 1,
        "refused_again": 2,
        "reasons": {"not_json": 3, "empty": 1},
    }
    assert [(g["reason"], g["topic"], g["partition"], g["count"]) for g in groups] == [
        ("not_json", "carts", 1, 2),
        ("not_json", "carts", 0, 1),
        ("empty", "carts", 0, 1),
    ]
    assert groups[0] == {
        "reason": "not_json",
        "topic": "carts",
        "partition": 1,
        "count": 2,
        "sent_back": 1,
        "refused_again": 1,
        "first": "2026-01-01T00:00:01Z",
        "last": "2026-01-01T00:00:02Z",
        "examples": [
            {
                "partition": 3,
                "offset": 2,
                "at": "2026-01-01T00:00:02Z",
                "source_offset": 7,
                "why": "not JSON",
                "key": "ann",
                "value": "v2",
                "sent_back": False,
                "times_before": 1,
            }
        ],
    }


def test_examples_are_harmless_and_short() -> None:
    listing = Listing(examples=2)
    raw = HOSTILE.encode() + b"\xff\x00"
    listing.add(letter(raw, HOSTILE, key=raw, topic=f"carts{HOSTILE}"), sent_back=False)
    listing.add(letter(b"\x1b" * 5_000_000, HOSTILE, key=None, topic=f"carts{HOSTILE}"), sent_back=False)
    told = listing.as_json("dead-letters")["groups"][0]
    shown = json.dumps(told, ensure_ascii=False)
    assert shown.isprintable()
    assert len(shown) < 2000
    assert told["examples"][0]["key"] == told["examples"][0]["value"] == r"\x1b[2J\x9b31m\u202e\n\xff\x00"
    assert told["examples"][1]["key"] is None
    assert told["examples"][1]["value"].endswith("... (5000000 bytes)")


def test_a_listing_is_bounded_whatever_headers_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.deadletters.listing.MOST_GROUPS", 3)
    listing = Listing()
    for number in range(10):
        listing.add(letter(topic=f"t{number}" + "x" * 1000), sent_back=False)
    groups = listing.as_json("dead-letters")["groups"]
    assert [(g["topic"][:2], g["partition"], g["count"]) for g in groups] == [
        (ELSEWHERE[:2], None, 7),
        ("t0", 1, 1),
        ("t1", 1, 1),
        ("t2", 1, 1),
    ]
    assert max(len(g["topic"]) for g in groups) <= 300


def test_times_that_no_calendar_has() -> None:
    assert (moment(-1), moment(1 << 62)) == ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
