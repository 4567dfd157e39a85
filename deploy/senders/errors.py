"""What went wrong, by what becomes of the trigger. All but the last two are raised by what sends one."""

from once import NotSentError


class LaterError(NotSentError):
    """It did not go out: try it again, after `after` seconds at the earliest. Too many of them: a dead letter."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after


class AwayError(LaterError):
    """The other side takes nothing at the moment, of no trigger: let all wait. It counts against none of them."""


class NeverError(NotSentError):
    """It did not go out and never will: a dead letter."""


class SkipError(NotSentError):
    """It did not go out, and that is right: it is done. The text says why."""


class StopError(NotSentError):
    """Somebody has to mend a setting; one line. Nothing more is tried, and nothing is lost."""


class UnsureError(RuntimeError):
    """Nobody knows whether it went out: the order of `Once` decides, when the lease is over."""


class UsageError(ValueError):
    """A setting is wrong: one line that says how to mend it. Only at the start."""
