"""Where a partition that was taken over goes on, and the states of affairs in which it must not."""

import re
from collections.abc import Mapping

import pytest

from streams.delivery.positions import check_topics_are_those, go_on_from
from streams.errors import StopError
from streams.flow.mark import Mark, Position, decode_mark, encode_mark
from streams.settings import Settings
from tables.customer import NEVER
from tables.events import CARTS, CUSTOMERS, PURCHASES, SOURCES

SETTINGS = Settings(prefix="eu-")
NOTHING: dict[str, int | None] = dict.fromkeys(SOURCES)
FRESH = dict.fromkeys(SOURCES, 0)
MARK = Mark({CUSTOMERS: Position(5, 50), PURCHASES: Position(70, 700), CARTS: Position(9, 90)}, 800)


def go(
    mark: Mark | None, committed: Mapping[str, int | None] | None = None, beginnings: Mapping[str, int] | None = None
) -> dict[str, Position]:
    return go_on_from(SETTINGS, 3, mark, {**NOTHING, **(committed or {})}, {**FRESH, **(beginnings or {})})


def refused(
    mark: Mark | None, committed: Mapping[str, int | None] | None = None, beginnings: Mapping[str, int] | None = None
) -> str:
    with pytest.raises(StopError) as caught:
        go(mark, committed, beginnings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_first_start_begins_at_the_topics_beginnings() -> None:
    found = go(None, beginnings={CARTS: 1_000})
    assert found == {CUSTOMERS: Position(0, 0), PURCHASES: Position(0, 0), CARTS: Position(1_000, 0)}
    assert list(found) == list(SOURCES)


def test_a_mark_is_the_truth() -> None:
    assert go(MARK) == MARK.positions
    assert go(MARK, {CUSTOMERS: 5, PURCHASES: 70, CARTS: 9}) == MARK.positions


def test_the_groups_offsets_may_be_behind_or_absent() -> None:
    assert go(MARK, {CUSTOMERS: 0, PURCHASES: 69, CARTS: None}) == MARK.positions


def test_what_was_read_before_may_be_deleted() -> None:
    assert go(MARK, beginnings={PURCHASES: 70, CARTS: 3}) == MARK.positions


def test_a_source_that_the_mark_does_not_know_begins_at_its_beginning() -> None:
    mark = Mark({PURCHASES: Position(70, 700)})
    assert go(mark, beginnings={CARTS: 4}) == {
        CUSTOMERS: Position(0),
        PURCHASES: Position(70, 700),
        CARTS: Position(4),
    }


def test_a_group_that_committed_nothing_is_no_reason_to_stop() -> None:
    assert go(None, {PURCHASES: 0}) == dict.fromkeys(SOURCES, Position(0))


def test_a_changelog_that_was_lost() -> None:
    told = refused(None, {PURCHASES: 70})
    assert told.startswith(
        "eu-purchases[3]: group eu-offbeat has committed offset 70, but eu-offbeat-changelog holds no"
    )
    assert "delete the changelog and the group's offsets" in told


def test_a_changelog_that_has_lost_records() -> None:
    told = refused(MARK, {CARTS: 10})
    assert told.startswith(
        "eu-carts[3]: group eu-offbeat has committed offset 10, but eu-offbeat-changelog only knows 9:"
    )


def test_events_that_were_deleted_unread() -> None:
    told = refused(MARK, beginnings={CUSTOMERS: 8})
    assert re.match(
        r"eu-customers\[3\]: the next offset is 5, but the topic begins at 8: 3 events were deleted unread", told
    )
    assert "Nothing was skipped yet" in told


def test_a_topic_that_was_made_anew() -> None:
    """Whether it is shorter, as long or longer by now: its offsets are of other events."""
    known = Mark(MARK.positions, 800, topics={CARTS: "one", PURCHASES: "two"})
    for same in ({CARTS: "one", PURCHASES: "two"}, {CARTS: "one", CUSTOMERS: "three"}, {}):
        check_topics_are_those(SETTINGS, known, same)
    for untold in (None, MARK):
        check_topics_are_those(SETTINGS, untold, {CARTS: "four"})
    with pytest.raises(StopError) as caught:
        check_topics_are_those(SETTINGS, known, {CARTS: "four", PURCHASES: "two"})
    told = str(caught.value)
    assert told.startswith("topic eu-carts was made anew since its events were last taken: ")
    assert "Nothing was skipped yet" in told


# --- the mark itself -------------------------------------------------------------------------------------------------


def test_a_mark_comes_back_as_it_was() -> None:
    for mark in (MARK, Mark({}), Mark(MARK.positions, 5, 77), Mark(MARK.positions, NEVER, NEVER, {CARTS: "x"})):
        assert decode_mark(encode_mark(mark)) == mark


def test_a_mark_of_an_older_release_is_read() -> None:
    assert decode_mark(b'{"positions":{"carts":[7]}}') == Mark({CARTS: Position(7, 0)}, 0, NEVER)
    assert decode_mark(b'{"positions":{"carts":[7,8]},"now":9}') == Mark({CARTS: Position(7, 8)}, 9, NEVER)


def test_a_mark_of_a_later_release_is_read() -> None:
    assert decode_mark(b'{"positions":{"carts":[7,8,1]},"now":9,"live_from":3,"more":{}}') == Mark(
        {CARTS: Position(7, 8)}, 9, 3
    )
