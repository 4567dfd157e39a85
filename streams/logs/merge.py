"""Three topics into one order (design: time, merge)."""

from collections.abc import Iterable, Iterator, Sequence

from streams.logs.model import LogLine


def merge(topics: Sequence[Iterable[LogLine]]) -> Iterator[LogLine]:
    """Lines in order of effective time; at the same time the topic that comes first in `topics` goes first.

    Each topic must be in order of effective time itself. Holds one line per topic.
    """
    heads = [
        (head.effective, rank, head, lines)
        for rank, lines in enumerate(map(iter, topics))
        if (head := next(lines, None)) is not None
    ]
    while len(heads) > 1:
        heads.sort()  # times and ranks differ in pairs: no line is ever compared
        _, rank, line, lines = heads[0]
        # as long as it stays before the second one, without looking at the others
        limit = heads[1][0] + (rank < heads[1][1])
        while line.effective < limit:
            yield line
            following = next(lines, None)
            if following is None:
                del heads[0]
                break
            line = following
        else:
            heads[0] = (line.effective, rank, line, lines)
    for _, _, line, lines in heads:
        yield line
        yield from lines
