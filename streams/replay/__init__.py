"""Sending a log to the topics, in event time (contract: commands, `replay`; design: time)."""

from streams.replay.run import Progress, ReplayResult, replay
from streams.replay.sender import ReplayError, TopicsError

__all__ = ["Progress", "ReplayError", "ReplayResult", "TopicsError", "replay"]
