"""What one fetch brings for one partition number: all that who fetches and who applies know of each other."""

from streams.flow.reader import Record


class Span:
    """All that one topic of a partition number holds in [start, end): `records`, less what is not for readers."""

    __slots__ = ("arrived", "end", "records", "sent", "start")

    def __init__(
        self, start: int | None, end: int, arrived: int, records: list[Record], sent: int | None = None
    ) -> None:
        self.start = start
        self.end = end
        self.arrived = arrived
        """When the broker's answer came, epoch ms."""
        self.records = records
        self.sent = sent
        """The time of the first of them, as Kafka has it, epoch ms; None: not known."""


class Batch:
    """What one fetch brought for one partition number. `epoch` names the seek it follows."""

    __slots__ = ("epoch", "partition", "spans")

    def __init__(self, partition: int, epoch: int | None) -> None:
        self.partition = partition
        self.epoch = epoch
        self.spans: dict[str, Span] = {}
        """By topic."""
