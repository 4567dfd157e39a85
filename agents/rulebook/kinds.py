"""Kinds of settings: what a value may be, how it is read from TOML and how it is shown again.

A settings class declares its fields with these (`after: int = duration("4h", "1m", "90d")`), so that the range stands
beside the default and every reader, listing and error message takes it from there.
"""

import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Protocol

MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
_DURATION = re.compile(r"([0-9]{1,9})([dhms])")
_SHOWN = 60
"""Characters of a wrong value that an error message repeats."""


class Kind(Protocol):
    """One kind of value. `read` raises ValueError, TypeError or OverflowError for what is not as `allowed` says."""

    @property
    def allowed(self) -> str: ...

    def read(self, value: object) -> object: ...

    def show(self, value: Any) -> str: ...


def milliseconds(text: str) -> int:
    """`"90d"`, `"4h"`, `"30m"` or `"5s"` in milliseconds; ValueError for anything else."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return int(found[1]) * MS[found[2]]


def duration_text(ms: int) -> str:
    """Milliseconds in the largest unit that divides them: 259200000 is "3d"."""
    unit = next((unit for unit in MS if ms and ms % MS[unit] == 0), "s")
    return f"{ms // MS[unit]}{unit}"


def shown(value: object) -> str:
    """A value in an error message: on one line, short, never failing."""
    try:
        text = f'"{value}"' if isinstance(value, str) else repr(value)
        text = text.lower() if isinstance(value, bool) else text
    except (ValueError, RecursionError):  # an integer of thousands of digits, nesting beyond reason
        text = f"a value of type {type(value).__name__}"
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def read(kind: Kind, value: object) -> object:
    """`value` as `kind` reads it; ValueError with the whole sentence when it is not allowed."""
    try:
        return kind.read(value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{shown(value)} is not allowed; give {kind.allowed}") from None


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of time, "4h" in the file, milliseconds here; both ends are allowed."""

    low: int
    high: int

    @property
    def allowed(self) -> str:
        return f'a duration from "{duration_text(self.low)}" to "{duration_text(self.high)}" (units d, h, m, s)'

    def read(self, value: object) -> int:
        if not isinstance(value, str) or not self.low <= (ms := milliseconds(value)) <= self.high:
            raise ValueError
        return ms

    def show(self, value: int) -> str:
        return f'"{duration_text(value)}"'


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number; both ends are allowed."""

    low: int
    high: int

    @property
    def allowed(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise ValueError
        return value

    def show(self, value: int) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Number:
    """A number above `low` (or from `low` on, when `closed`) and below `high` (or up to it, when `full`)."""

    low: float
    high: float
    closed: bool = False
    full: bool = False

    @property
    def allowed(self) -> str:
        low = f"from {self.low:g} on" if self.closed else f"above {self.low:g}"
        return f"a number {low} and {'at most' if self.full else 'below'} {self.high:g}"

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError
        number = float(value)
        inside = self.low < number < self.high or (self.closed and number == self.low)
        if not (inside or (self.full and number == self.high)):
            raise ValueError
        return number

    def show(self, value: float) -> str:
        return repr(value)


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    allowed: str = "true or false"

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise TypeError
        return value

    def show(self, value: bool) -> str:
        return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return " or ".join(f'"{word}"' for word in self.words)

    def read(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise ValueError
        return value

    def show(self, value: str) -> str:
        return f'"{value}"'


def setting(kind: Kind, default: Any) -> Any:
    """A dataclass field of this kind; `default` as the dataclass holds it, not as the file writes it."""
    return field(default=default, metadata={"kind": kind})


def duration(default: str, low: str, high: str) -> int:
    """A field that holds milliseconds and is written as a duration."""
    found: int = setting(Duration(milliseconds(low), milliseconds(high)), milliseconds(default))
    return found


def whole(default: int, low: int, high: int) -> int:
    """A field for a count."""
    found: int = setting(Whole(low, high), default)
    return found


def share(default: float, high: float = 1.0) -> float:
    """A field for a number above 0 and below `high`."""
    found: float = setting(Number(0.0, high), default)
    return found


def flag(default: bool) -> bool:
    """A field that is on or off."""
    found: bool = setting(Flag(), default)
    return found


def settable(cls: type[Any]) -> Mapping[str, Field[Any]]:
    """The fields of a settings class that a file may set, by name, in their order."""
    return {f.name: f for f in fields(cls) if "kind" in f.metadata}
