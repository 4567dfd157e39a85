"""Options that mirror settings, for every command that needs some of them."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from streams.resolve import load_settings

R = TypeVar("R")

_HELP = {
    "config": "The settings file (OFFBEAT_CONFIG; offbeat.toml in the working directory).",
    "brokers": "host:port, comma separated (OFFBEAT_BROKERS; 127.0.0.1:9092).",
    "prefix": "Of every topic, group and transactional id (OFFBEAT_PREFIX).",
    "partitions": "Of the topics that are made (OFFBEAT_PARTITIONS; 4).",
    "replication": "Copies of the topics that are made; 0: three, or one per broker (OFFBEAT_REPLICATION).",
    "delivery": "exactly_once or at_least_once (OFFBEAT_DELIVERY).",
    "state_dir": "Where the worker keeps files (OFFBEAT_STATE_DIR; state).",
    "redis": "URL; empty: off (OFFBEAT_REDIS).",
    "metrics": "host:port; empty: off (OFFBEAT_METRICS; 127.0.0.1:9464).",
    "rules": "The rules file (OFFBEAT_RULES; none: the defaults).",
    "parameters": "The population parameters (OFFBEAT_PARAMETERS); builtin: those that come with Offbeat.",
    "clock": "What timers follow: wall or event (OFFBEAT_CLOCK).",
    "log_level": "debug, info, warning or error (OFFBEAT_LOG_LEVEL).",
    "log_format": "text or json (OFFBEAT_LOG_FORMAT).",
}


def with_settings(*names: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command the options --config and those of these settings; it gets `settings` instead of them.

    SettingsError when a setting is wrong, whichever source it comes from.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @wraps(function)
        def command(*args: Any, **kwargs: Any) -> R:
            options = {name: kwargs.pop(name) for name in ("config", *names)}
            return function(*args, settings=load_settings(options), **kwargs)

        wrapped: Callable[..., R] = command
        for name in reversed(("config", *names)):
            wrapped = click.option("--" + name.replace("_", "-"), name, metavar="TEXT", help=_HELP[name])(wrapped)
        return wrapped

    return decorate
