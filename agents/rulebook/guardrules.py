"""The guards' settings: what may hold a trigger back, as a rules file says it in its table `[guards]`."""

import re
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from agents.rulebook.kinds import Choice, Duration, Number, Whole, flag, milliseconds, setting

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")
_PER = Duration(milliseconds("1m"), milliseconds("365d"))


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` up to `end`, in minutes of the local day; over midnight when `start` is the later one."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.start // 60:02}:{self.start % 60:02}-{self.end // 60:02}:{self.end % 60:02}"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `count` triggers of one customer within `per` milliseconds."""

    per: int
    count: int


@dataclass(frozen=True)
class QuietHoursKind:
    """Hours such as "21:00-08:00", or false for none."""

    allowed: str = 'hours such as "21:00-08:00" whose ends differ, or false'

    def read(self, value: object) -> QuietHours | None:
        if value is False:
            return None
        found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValueError
        hours = QuietHours(int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4]))
        if hours.start == hours.end:
            raise ValueError
        return hours

    def show(self, value: QuietHours | None) -> str:
        return "false" if value is None else f'"{value}"'


@dataclass(frozen=True)
class CapKind:
    """A table such as { per = "24h", count = 1 }, or false for none."""

    allowed: str = 'false or { per = "24h", count = 1 } with a duration from "1m" to "365d" and a count from 1 to 1000'

    def read(self, value: object) -> Cap | None:
        if value is False:
            return None
        if not isinstance(value, dict) or set(value) != {"per", "count"}:
            raise ValueError
        return Cap(_PER.read(value["per"]), Whole(1, 1000).read(value["count"]))

    def show(self, value: Cap | None) -> str:
        return "false" if value is None else f"{{ per = {_PER.show(value.per)}, count = {value.count} }}"


@dataclass(frozen=True)
class ShareOrOff:
    """A share of the customers, 0 or false for none."""

    allowed: str = "a share of the customers from 0 on, below 1, or false"

    def read(self, value: object) -> float:
        return 0.0 if value is False else Number(0.0, 1.0, closed=True).read(value)

    def show(self, value: float) -> str:
        return repr(value)


@dataclass(frozen=True)
class Zone:
    """A time zone by its IANA name."""

    allowed: str = 'the IANA name of a time zone, such as "Europe/Berlin" or "UTC"'

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise TypeError
        try:
            return ZoneInfo(value).key
        except (KeyError, OSError):  # unknown; a folder of zones
            raise ValueError from None

    def show(self, value: str) -> str:
        return f'"{value}"'


@dataclass(frozen=True, slots=True)
class Guards:
    """What may hold a trigger back. This version applies none of these yet; `max_age` of each rule is applied."""

    consent: str = setting(Choice(("opt-out", "opt-in")), "opt-out")
    quiet_hours: QuietHours | None = field(default=None, metadata={"kind": QuietHoursKind()})
    timezone: str = setting(Zone(), "UTC")
    cap: Cap | None = field(default=None, metadata={"kind": CapKind()})
    holdout: float = setting(ShareOrOff(), 0.0)
    breaker: bool = flag(True)
    given: frozenset[str] = frozenset()
    """The keys that a file has set."""

    def warnings(self) -> list[str]:
        """One line for each guard that a file has set, other than to off, and that this version does not apply."""
        asked = [name for name in _WITHOUT if name in self.given and getattr(self, name) not in (None, False, 0.0)]
        return [f"guards.{name} is set but not applied by this version: {_WITHOUT[name]}" for name in asked]


_WITHOUT = {
    "consent": "triggers of customers without consent go out too, so check consent before you send",
    "quiet_hours": "triggers go out at any hour",
    "timezone": "nothing depends on local time yet",
    "cap": "a customer may get any number of triggers",
    "holdout": "nobody is held out",
    "breaker": "a flood of triggers is not stopped",
}
"""What happens as long as a guard is not applied."""
