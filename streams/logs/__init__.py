"""Logs of a shop's events in files: contract events as JSON lines, or a flat table (contract: files)."""

from streams.logs.model import Log, LogError, LogLine, Rejected
from streams.logs.reader import read_log

__all__ = ["Log", "LogError", "LogLine", "Rejected", "read_log"]
