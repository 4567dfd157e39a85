"""The views' keys and commands. One module owns Redis.

Each command has one key, so that a cluster may hold them; behind the prefix of the settings:

    offbeat:customer:<id>   JSON (agents.portrait.Portrait)
    offbeat:sent:<id>       sorted set: JSON (streams.views.render.Sent) by the time of sending, epoch ms
    offbeat:view:<number>   JSON (streams.views.mark): who writes the views of a partition number, or how far they go

Customer ids go into keys as they are: Redis takes any bytes, and the id is the last part of its key.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from streams.settings import Settings
from streams.views.connecting import connect, kind_of
from streams.views.mark import ViewMark, decode_mark, encode_mark
from streams.views.render import Row
from streams.views.trouble import told

MOST_SENT = 50
"""Entries of a customer's list of what was sent."""
_SCAN = 1_000


class Written(NamedTuple):
    """How many keys."""

    customer: int
    sent: int
    deleted: int


class ViewStore:
    """The views of one deployment; every method raises `ViewError`, and connects when it has to."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._prefix = settings, settings.prefix.encode()
        self._ttl, self._sent_ttl = settings.views.ttl, settings.views.sent_ttl
        self._customer, self._sent = self._prefix + b"offbeat:customer:", self._prefix + b"offbeat:sent:"
        self._client: Any = None

    def write(self, rows: Iterable[Row]) -> Written:
        """Write rows, all of them or, when it raises, any of them; to do so again changes nothing."""
        written, sent, deleted = 0, 0, 0
        with self._redis() as client:
            pipe = client.pipeline(transaction=False)
            for key, wiped, value, entries in rows:
                if wiped:
                    deleted += 1
                    pipe.execute_command("DEL", self._customer + key)
                    pipe.execute_command("DEL", self._sent + key)
                if value is not None:
                    written += 1
                    pipe.execute_command("SET", self._customer + key, value, "PX", self._ttl)
                if entries:
                    sent += 1
                    pipe.zadd(self._sent + key, entries)
                    pipe.execute_command("ZREMRANGEBYRANK", self._sent + key, 0, -MOST_SENT - 1)
                    pipe.execute_command("PEXPIRE", self._sent + key, self._sent_ttl)
            for answer in pipe.execute(raise_on_error=False):
                if isinstance(answer, Exception):
                    raise answer
        return Written(written, sent, deleted)

    # -- marks

    def marks(self, numbers: Sequence[int]) -> list[ViewMark | None]:
        """Of these partition numbers; None where there is none that can be read."""
        with self._redis() as client:
            pipe = client.pipeline(transaction=False)
            for number in numbers:
                pipe.execute_command("GET", self._mark(number))
            return [decode_mark(answer) for answer in pipe.execute()]

    def swap(self, number: int, mark: ViewMark) -> ViewMark | None:
        """Set the mark of a partition number; what it was."""
        with self._redis() as client:
            return decode_mark(client.execute_command("GETSET", self._mark(number), encode_mark(mark)))

    def unmark(self, numbers: Iterable[int]) -> None:
        """Whoever writes views of these partition numbers writes all of them anew."""
        with self._redis() as client:
            for number in numbers:
                client.execute_command("DEL", self._mark(number))

    # -- looking

    def customer(self, key: bytes) -> tuple[bytes | None, list[tuple[bytes, int]]]:
        """The view of one customer, and the list of what was sent, newest first."""
        with self._redis() as client:
            sent = client.zrange(self._sent + key, 0, -1, desc=True, withscores=True)
            return client.execute_command("GET", self._customer + key), [(entry, int(at)) for entry, at in sent]

    def sweep(self, known: Callable[[bytes], bool]) -> int:
        """Delete the views of customers who are not known; of how many keys."""
        gone = 0
        with self._redis() as client:
            for family in (self._customer, self._sent):
                for name in client.scan_iter(match=family + b"*", count=_SCAN):
                    if not known(name[len(family) :]):
                        gone += client.delete(name)
        return gone

    def try_out(self) -> str:
        """Write a key and delete it: a line that says what there is."""
        with self._redis() as client:
            name = self._prefix + b"offbeat:doctor"
            client.execute_command("SET", name, b"", "PX", 1000)
            client.execute_command("DEL", name)
            return kind_of(self._settings, client)

    def close(self) -> None:
        """Let go of the connections. Never raises."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(RedisError, OSError):
                client.close()

    def _mark(self, number: int) -> bytes:
        return b"%boffbeat:view:%d" % (self._prefix, number)

    @contextmanager
    def _redis(self) -> Iterator[Any]:
        """The client. Whatever it raises comes out as `ViewError`, and the next time it connects anew."""
        try:
            if self._client is None:
                self._client = connect(self._settings)
            yield self._client
        except (RedisError, OSError) as exc:
            self.close()
            raise told(exc) from None
