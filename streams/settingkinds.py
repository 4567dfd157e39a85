"""Kinds of settings that only the worker has: addresses, topics, files, secrets. See `agents.rulebook.kinds`."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agents.rulebook.kinds import MS, Flag, Kind, Number, Whole, milliseconds

_LEGAL = re.compile(r"[A-Za-z0-9._-]+")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def from_text(kind: Kind, text: str) -> object:
    """What an environment variable or an option says, as TOML would: numbers and flags; else the text itself."""
    if isinstance(kind, Whole):
        return int(text) if _WHOLE.fullmatch(text) else text
    if isinstance(kind, Flag):
        return {"true": True, "false": False}.get(text, text)
    if isinstance(kind, Number):
        try:
            return float(text)
        except ValueError:
            return text
    return text


def split_address(text: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[::1]:port"; ValueError for anything else."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[2]) < 65536:
        raise ValueError(text)
    return found[1].strip("[]"), int(found[2])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # surrogates stand for bytes that were not UTF-8
    return value


@dataclass(frozen=True, slots=True)
class Text:
    """What every kind here has in common: shown as it is written."""

    allowed: str

    def show(self, value: object) -> str:
        return f'"{value if value is not None else ""}"'


@dataclass(frozen=True, slots=True)
class Addresses(Text):
    """Brokers, or Sentinels; "" for none where `empty`."""

    empty: bool = False
    allowed: str = 'addresses as "host:port", comma separated'

    def __post_init__(self) -> None:
        if self.empty:
            object.__setattr__(self, "allowed", f'{self.allowed}, or "" for none')

    def read(self, value: object) -> str:
        if self.empty and not _text(value):
            return ""
        addresses = [part.strip() for part in _text(value).split(",")]
        for address in addresses:
            split_address(address)
        return ",".join(addresses)


@dataclass(frozen=True, slots=True)
class Address(Text):
    """A place to listen at; empty for none."""

    allowed: str = 'an address as "host:port", or "" for none'

    def read(self, value: object) -> str:
        if _text(value):
            split_address(_text(value))
        return _text(value)


@dataclass(frozen=True, slots=True)
class Name(Text):
    """What Kafka takes as the name of a topic, so groups and prefixes are held to it too."""

    low: int = 1
    high: int = 200
    allowed: str = 'a name of letters, digits, ".", "_" and "-", at most 200 of them'

    def read(self, value: object) -> str:
        name = _text(value)
        if not self.low <= len(name) <= self.high or (name and not _LEGAL.fullmatch(name)) or name in (".", ".."):
            raise ValueError
        return name


@dataclass(frozen=True, slots=True)
class Schedule(Text):
    """How often something is done: a duration, or left to Offbeat, or never."""

    allowed: str = '"auto", "off", or a duration from "1d" to "365d" (units d, h, m, s)'

    def read(self, value: object) -> str:
        text = _text(value)
        if text not in ("auto", "off") and not MS["d"] <= milliseconds(text) <= 365 * MS["d"]:
            raise ValueError
        return text


@dataclass(frozen=True, slots=True)
class Word(Text):
    """One of a few words, in any case; "" for none where `empty`. Kept as listed."""

    words: tuple[str, ...] = ()
    empty: bool = False
    allowed: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed", " or ".join(f'"{word}"' for word in self.words))

    def read(self, value: object) -> str:
        wanted = _text(value)
        if self.empty and not wanted:
            return ""
        return {word.lower(): word for word in self.words}.get(wanted.lower()) or _refuse()


def _refuse() -> str:
    raise ValueError


@dataclass(frozen=True, slots=True)
class File(Text):
    """The path of a file or directory; "" for none."""

    allowed: str = 'a path, or "" for none'

    def read(self, value: object) -> Path | None:
        path = _text(value)
        if "\0" in path:
            raise ValueError
        return Path(path) if path else None


@dataclass(frozen=True, slots=True)
class Folder(Text):
    """The path of a directory."""

    allowed: str = "the path of a directory"

    def read(self, value: object) -> Path:
        path = _text(value)
        if not path or "\0" in path:
            raise ValueError
        return Path(path)


@dataclass(frozen=True, slots=True)
class Secret(Text):
    """What no message and no listing shows."""

    allowed: str = "a text"

    def read(self, value: object) -> str:
        return _text(value)

    def show(self, value: object) -> str:
        return '"***"' if value else '""'


@dataclass(frozen=True, slots=True)
class Command(Secret):
    """A program and its arguments, as a shell would split them; they may hold a secret."""

    allowed: str = 'a program and its arguments, or "" for none'

    def read(self, value: object) -> str:
        command = _text(value)
        if "\0" in command or (command and not shlex.split(command)):
            raise ValueError
        return command


@dataclass(frozen=True, slots=True)
class RedisUrl(Secret):
    """A URL may hold a password, so it is a secret as a whole."""

    allowed: str = 'a URL such as "redis://127.0.0.1:6379/0" (or rediss:, unix:), or "" for none'

    def read(self, value: object) -> str:
        url = _text(value)
        if url:
            parts = urlsplit(url)
            if parts.scheme not in ("redis", "rediss", "unix") or not (parts.hostname or parts.path):
                raise ValueError
            _ = parts.port  # raises ValueError
        return url
