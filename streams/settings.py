"""What a worker is told: brokers, names, places. Resolved once, then frozen; `streams.resolve` reads the sources."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agents.rulebook.kinds import MS, Choice, Number, duration, milliseconds, setting, whole
from streams.access.security import Security, SettingsError
from streams.settingkinds import Address, Addresses, File, Folder, Name, RedisUrl, Schedule
from streams.watch.logformat import FORMATS
from tables.events import SOURCES

__all__ = ["Security", "Settings", "SettingsError", "Topics", "Views"]

_MAX_TOPIC = 249
"""Characters of a topic's name that Kafka takes."""


def _name(default: str, low: int = 1) -> str:
    found: str = setting(Name(low=low), default)
    return found


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics' names, before the prefix: `[topics]` in the file, `OFFBEAT_TOPIC_*` in the environment."""

    purchases: str = _name("purchases")
    carts: str = _name("carts")
    customers: str = _name("customers")
    triggers_repurchase: str = _name("triggers.repurchase")
    triggers_cart: str = _name("triggers.cart")
    triggers_basket: str = _name("triggers.basket")
    triggers_lifecycle: str = _name("triggers.lifecycle")
    triggers_suppressed: str = _name("triggers.suppressed")
    segments: str = _name("segments")
    dead_letters: str = _name("dead-letters")
    changelog: str = _name("offbeat-changelog")
    parameters: str = _name("offbeat-parameters")


@dataclass(frozen=True, slots=True)
class Views:
    """How the views in Redis are kept: `[views]` in the file, `OFFBEAT_VIEWS_*` in the environment. In ms."""

    ttl: int = duration("7d", "1h", "3650d")
    """How long the view of a customer lasts that nobody writes again."""
    sent_ttl: int = duration("90d", "1h", "3650d")
    """The same of the list of what was sent."""
    refresh: int = duration("1d", "1m", "365d")
    """After that all views are written again: P(alive) falls while nothing happens."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of the engine but the rules. Relative paths are relative to the working directory."""

    brokers: str = setting(Addresses(), "127.0.0.1:9092")
    """host:port, comma separated."""
    prefix: str = _name("", low=0)
    """Of every topic, group and transactional id."""
    partitions: int = whole(4, 1, 10_000)
    """Of the topics that `topics create` makes."""
    replication: int = whole(0, 0, 100)
    """Copies of them; 0: three, or as many as there are brokers."""
    delivery: str = setting(Choice(("exactly_once", "at_least_once")), "exactly_once")
    state_dir: Path = field(default=Path("state"), metadata={"kind": Folder()})
    redis: str = field(default="", repr=False, metadata={"kind": RedisUrl()})
    """A URL; empty: off. May hold a password."""
    redis_password_file: Path | None = field(default=None, metadata={"kind": File()})
    """A file that holds it instead, read with each new connection."""
    redis_sentinels: str = setting(Addresses(empty=True), "")
    """host:port, comma separated, of Sentinels that know where the primary is which they call by the URL's host."""
    metrics: str = setting(Address(), "127.0.0.1:9464")
    """host:port; empty: off."""
    rules: Path | None = field(default=None, metadata={"kind": File()})
    parameters: Path | None = field(default=None, metadata={"kind": File()})
    """`builtin`: the built-in ones, and so is None, but for a backtest, which then learns its own."""
    refit: str = setting(Schedule(), "auto")
    """How often workers fit parameters from what they remember; see `refit_every` and `follows`."""
    clock: str = setting(Choice(("wall", "event")), "wall")
    """What timers follow: the wall clock, or event time (for replays)."""
    group: str = _name("offbeat")
    session_timeout: int = duration("10s", "1s", "5m")
    """How long a silent worker keeps its partitions, in ms."""
    dead_letter_share: float = setting(Number(0.0, 1.0, full=True), 0.5)
    """Of the last 1,000 events; more dead letters stop the worker. 1: never."""
    log_level: str = setting(Choice(("debug", "info", "warning", "error")), "info")
    log_format: str = setting(Choice(FORMATS), "text")
    security: Security = field(default_factory=Security)
    topics: Topics = field(default_factory=Topics)
    views: Views = field(default_factory=Views)

    def topic(self, name: str) -> str:
        """The topic's full name; `name` as in the contract (`triggers.cart`) or as the setting (`triggers_cart`)."""
        key = name.replace(".", "_").replace("-", "_")
        found: str = getattr(self.topics, key)
        return self.prefix + found

    @property
    def sources(self) -> tuple[str, ...]:
        """The topics read, in the order in which records of the same instant are taken."""
        return tuple(self.topic(name) for name in SOURCES)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The topics written, without those that workers keep for themselves."""
        return tuple(self.topic(f.name) for f in fields(Topics) if f.name not in (*SOURCES, "changelog", "parameters"))

    @property
    def changelog(self) -> str:
        """The topic of the customers' states."""
        return self.topic("changelog")

    @property
    def published(self) -> str:
        """The topic of the population parameters, and of the samples that they are fitted from."""
        return self.topic("parameters")

    @property
    def refit_every(self) -> int:
        """Ms after which workers fit parameters anew at the latest; 0: they fit none.

        `auto`: by the wall clock, unless parameters are named. A replay of the past is to come out the same each time.
        """
        if self.refit == "auto":
            return 28 * MS["d"] if self.clock == "wall" and self.parameters is None else 0
        return 0 if self.refit == "off" else milliseconds(self.refit)

    @property
    def follows(self) -> bool:
        """Whether workers adopt what is published: unless parameters are named, and none are fitted."""
        return self.parameters is None or self.refit_every > 0

    @property
    def group_id(self) -> str:
        """The consumer group of the workers."""
        return self.prefix + self.group

    def transactional_id(self, partition: int) -> str:
        """One per partition number, whichever worker has it: taking it over fences the previous owner."""
        return f"{self.group_id}-{partition}"

    @property
    def broker_list(self) -> list[str]:
        """The brokers, one by one."""
        return self.brokers.split(",")

    def client_options(self, *, blocking: bool = False) -> dict[str, Any]:
        """Keyword arguments for clients of aiokafka, or with `blocking` of kafka-python: where and how to connect.

        Raises SettingsError when a file that they need cannot be used.
        """
        return {"bootstrap_servers": self.broker_list, **self.security.client_options(blocking=blocking)}

    def conflicts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Keys whose values do not go with others, and what to do."""
        if (found := self.security.conflict()) is not None:
            yield ("security", found[0]), found[1]
        if self.redis_password_file and (not self.redis or urlsplit(self.redis).password):
            yield ("redis_password_file",), "is for redis, a URL without a password; set that, or leave this out"
        if self.redis_sentinels and not _names_a_primary(self.redis):
            yield (
                ("redis_sentinels",),
                "is for redis, a URL with the primary's name for a host, without a port (redis://mymaster/0); set that",
            )
        if self.views.ttl <= self.views.refresh:
            yield ("views", "ttl"), "must be longer than views.refresh, or views expire before they are written again"
        seen: dict[str, str] = {}
        for f in fields(Topics):
            name = self.topic(f.name)
            if len(name) > _MAX_TOPIC:
                yield ("topics", f.name), f"{name[:40]}... is longer than {_MAX_TOPIC} characters; make it shorter"
            # brokers take "." and "_" for the same in the names of their metrics and refuse the second topic
            other = seen.setdefault(name.replace(".", "_"), f.name)
            if other != f.name:
                yield ("topics", f.name), f'"{name}" is the same as topics.{other}; give every topic a name of its own'


def _names_a_primary(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port is None
