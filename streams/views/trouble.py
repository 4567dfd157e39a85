"""What is wrong with Redis: why it does not take views, in one line, and what to do about it."""

import ssl
from collections.abc import Mapping

import redis
from redis.exceptions import AuthorizationError, NoPermissionError, RedisClusterException
from redis.sentinel import MasterNotFoundError

from streams.watch.viewmetrics import Reason


class ViewError(RuntimeError):
    """Redis did not take it: try again later. `reason` says what to look at; one line, without the URL."""

    def __init__(self, reason: Reason, what: str) -> None:
        super().__init__(what)
        self.reason: Reason = reason


ADVICE: Mapping[Reason, str] = {
    "away": "start it, or mend OFFBEAT_REDIS (rediss:, ssl_ca_certs) or OFFBEAT_REDIS_SENTINELS",
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
    (MasterNotFoundError, "away", "has no primary of that name that its Sentinels know"),
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


def told(exc: Exception) -> ViewError:
    """By what to do about it. What the client says may hold the URL, and so a password."""
    if (wrong := _certificate(exc)) is not None:
        return ViewError("away", f"shows a certificate that is not accepted ({wrong})")
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
