"""Where a partition number that was just taken over goes on reading, and when it must not."""

from collections.abc import Mapping

from streams.errors import StopError
from streams.flow.mark import Mark, Position
from streams.settings import Settings
from tables.events import SOURCES

ANEW = "to build the state anew from the sources, delete the changelog and the group's offsets"


def check_topics_are_those(settings: Settings, mark: Mark | None, topic_ids: Mapping[str, str]) -> None:
    """Raises `StopError` when a source was deleted and made anew since `mark`: its offsets are of other events.

    `topic_ids`: what the brokers tell now, as the mark has them; what one of both does not know is not compared.
    """
    before = mark.topics if mark else {}
    for source in SOURCES:
        if source in before and topic_ids.get(source, before[source]) != before[source]:
            raise StopError(
                f"topic {settings.topic(source)} was made anew since its events were last taken: the offsets in "
                f"{settings.changelog} are of the former one. Nothing was skipped yet; {ANEW}"
            )


def go_on_from(
    settings: Settings,
    number: int,
    mark: Mark | None,
    committed: Mapping[str, int | None],
    beginnings: Mapping[str, int],
) -> dict[str, Position]:
    """Per source: the mark's position; without a mark the topic's beginning.

    `committed` (the group's offsets) and `beginnings` are by source. Raises `StopError` where going on would skip
    events or apply them twice.
    """
    found: dict[str, Position] = {}
    for source in SOURCES:
        place = f"{settings.topic(source)}[{number}]"
        group, first = committed[source], beginnings[source]
        position = mark.positions.get(source) if mark else None
        if position is None:
            if group:
                raise StopError(
                    f"{place}: group {settings.group_id} has committed offset {group}, but {settings.changelog} holds "
                    f"no state: it was lost, or is another one. Set it right; or, {ANEW}"
                )
            position = Position(first)
        elif group is not None and group > position.offset:
            raise StopError(
                f"{place}: group {settings.group_id} has committed offset {group}, but {settings.changelog} only knows "
                f"{position.offset}: it has lost records. Restore it; or, to go on from where it stands, delete the "
                "group's offsets: what was decided since then comes again, with the same ids"
            )
        elif position.offset < first:
            raise StopError(
                f"{place}: the next offset is {position.offset}, but the topic begins at {first}: "
                f"{first - position.offset} events were deleted unread. Nothing was skipped yet; {ANEW}"
            )
        found[source] = position
    return found
