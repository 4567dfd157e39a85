"""Errors of the worker, by what the caller does about them.

What brokers do and may pass is aiokafka's KafkaError: try again.
"""


class StopError(RuntimeError):
    """The worker cannot go on with what it finds: stop, with this message to a person."""


AGAIN = 75
"""Exit status: nothing is wrong, and the same worker goes on when it is started again."""


class FencedError(RuntimeError):
    """Another worker has taken the partition over: leave it alone at once."""


class FloodError(StopError):
    """So many records are not understood that going on would drain the topics: stop, and let a person look."""


class ChangelogError(StopError):
    """The changelog cannot be read."""
