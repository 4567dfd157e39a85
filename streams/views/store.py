"""The views' keys and commands. One module owns Redis.

Each command has one key, so that a cluster may hold them; behind the prefix of the settings:

    offbeat:customer:<id>   JSON (agents.portrait.Portrait)
    offbeat:sent:<id>       sorted set: JSON (streams.views.render.Sent) by the time of sending, epoch ms
    offbeat:view:<number>   JSON (streams.views.mark): who writes the views of a partition number, or how far they go

Customer ids go into keys as they are: Redis takes any bytes, and the id is the last part of its key.
"""

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import AuthorizationError, NoPermissionError, RedisClusterException, RedisError
from redis.retry import Retry

from streams.access.secretfile import SettingsError, read_secret
from streams.settings import Settings
from streams.views.mark import ViewMark, decode_mark, encode_mark
from streams.views.render import Row
from streams.watch.viewmetrics import Reason

MOST_SENT = 50
"""Entries of a customer's list of what was sent."""
ANSWER_SECONDS = 2.0
_CONNECT_SECONDS = 1.0
_SCAN = 1_000


class ViewError(RuntimeError):
    """Redis did not take it: try again later. `reason` says what to look at; one line, without the URL."""

    def __init__(self, reason: Reason, what: str) -> None:
        super().__init__(what)
        self.reason: Reason = reason


class Written(NamedTuple):
    """How many keys."""

    customer: int
    sent: int
    deleted: int


class ViewStore:
    """The views of one deployment; every method raises `ViewError`, and connects when it has to."""

    def __init__(self, settings: Settings) -> None:
        self._url, self._prefix = settings.redis, settings.prefix.encode()
        self._password_file = settings.redis_password_file
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
            return "a cluster" if isinstance(client, RedisCluster) else "one server"

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
            yield self._connection()
        except (RedisError, OSError) as exc:
            self.close()
            raise _told(exc) from None

    def _connection(self) -> Any:
        """The first time it finds out whether there is a cluster."""
        if self._client is None:
            options: Any = {
                "socket_timeout": ANSWER_SECONDS,
                "socket_connect_timeout": _CONNECT_SECONDS,
                "retry": Retry(NoBackoff(), 0),
            }
            if self._password_file is not None:
                options["password"] = _password(self._password_file)
            try:
                client: Any = redis.Redis.from_url(self._url, **options)
            except ValueError:
                raise ViewError("refused", "cannot be asked: its URL is wrong") from None
            if _is_cluster(client):
                client.close()
                client = RedisCluster.from_url(self._url, **options)
            self._client = client
        return self._client


def _password(file: Path) -> str:
    try:
        return read_secret("redis_password_file", file)
    except SettingsError as error:  # whoever changes it may be in the middle of it
        raise ViewError("refused", f"cannot be asked: {str(error).partition(';')[0]}") from None


def _is_cluster(client: Any) -> bool:
    try:
        return bool(int(client.info("cluster").get("cluster_enabled", 0)))
    except NoPermissionError:  # who may not ask has one server
        return False


ADVICE: Mapping[Reason, str] = {
    "away": "start it, or mend OFFBEAT_REDIS (rediss:, ssl_ca_certs)",
    "slow": "look at its load and at the network, or mend OFFBEAT_REDIS",
    "full": "raise its maxmemory, or let views expire sooner (views.ttl)",
    "read_only": "set OFFBEAT_REDIS to the primary",
    "refused": "mend user and password in OFFBEAT_REDIS (or OFFBEAT_REDIS_PASSWORD_FILE), or the user's rights "
    "(streams/OPERATING.md, Views)",
    "other": "read its log",
}
"""What to do about it."""

_REASONS: tuple[tuple[type[Exception], Reason, str], ...] = (
    (redis.OutOfMemoryError, "full", "has no memory left"),
    (redis.ReadOnlyError, "read_only", "is a replica, or may not be written to"),
    (redis.AuthenticationError, "refused", "refuses user or password"),
    (AuthorizationError, "refused", "refuses the user"),
    (NoPermissionError, "refused", "does not let the user do it"),
    (redis.TimeoutError, "slow", "does not answer in time"),
    (TimeoutError, "slow", "does not answer in time"),
    (redis.BusyLoadingError, "away", "is still starting"),
    (redis.ConnectionError, "away", "cannot be reached"),
    (OSError, "away", "cannot be reached"),
    (RedisClusterException, "away", "is a cluster that cannot be reached"),
)


def _told(exc: Exception) -> ViewError:
    """By what to do about it. What the client says may hold the URL, and so a password."""
    if (told := _certificate(exc)) is not None:
        return ViewError("away", f"shows a certificate that is not accepted ({told})")
    for kind, reason, what in _REASONS:
        if isinstance(exc, kind):
            return ViewError(reason, what)
    return ViewError("other", f"refuses ({type(exc).__name__}{_code(exc)})")


def _certificate(exc: BaseException | None) -> str | None:
    """What is wrong with the server's certificate; None when it is something else."""
    while exc is not None and not isinstance(exc, ssl.SSLCertVerificationError):
        exc = exc.__cause__ or exc.__context__
    return None if exc is None else exc.verify_message


def _code(exc: Exception) -> str:
    """The server's own error code, a word in capitals: NOSCRIPT, CLUSTERDOWN, MISCONF."""
    word = str(exc).split(" ", 1)[0]
    return f" {word}" if word.isalpha() and word.isupper() and len(word) <= 20 else ""
