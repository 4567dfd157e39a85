"""The records by which a batch becomes durable."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from streams.delivery.changelog import mark_record
from streams.delivery.overtaken import tombstone_headers
from streams.delivery.ports import Row
from streams.flow.mark import Mark
from streams.flow.messages import Headers, MessageWriter
from streams.flow.pipeline import Outcome
from streams.settings import Settings

NO_HEADERS: Headers = []


class RowWriter:
    """Turns what a batch of one partition number comes to into rows."""

    def __init__(self, number: int, settings: Settings, topic_ids: Mapping[str, str]) -> None:
        self._number, self._topics, self._ids = number, settings.sources, dict(topic_ids)
        self._messages = MessageWriter(settings)

    def states(self, outcome: Outcome) -> Iterator[Row]:
        """Of the changelog: the states that changed, and last the mark, if positions have moved."""
        erased = outcome.settled.erased
        for key, value in outcome.settled.changes.items():
            yield key, value, tombstone_headers(erased[key]) if value is None and key in erased else NO_HEADERS
        if outcome.positions:
            mark = Mark(outcome.positions, outcome.now, outcome.live_from, self._ids)
            yield *mark_record(mark), NO_HEADERS

    def outputs(self, outcome: Outcome) -> Mapping[str, list[Row]]:
        """Decisions and dead letters, by topic."""
        rows: dict[str, list[Row]] = defaultdict(list)
        for decision in outcome.decisions:
            message = self._messages.decision(decision)
            rows[message.topic].append(message[1:])
        for source, offset, record in outcome.dead:
            message = self._messages.dead_letter(record, self._topics[source], self._number, offset)
            rows[message.topic].append(message[1:])
        return rows
