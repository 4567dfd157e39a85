"""What a look at one thing gives."""

from dataclasses import asdict, dataclass
from typing import NamedTuple


class Finding(NamedTuple):
    """One line of what was found, and what to do about it. What could not be known is `ok` and says so."""

    ok: bool
    detail: str
    advice: str = ""


def well(detail: str, advice: str = "") -> Finding:
    """All is well; with `advice` it could be better."""
    return Finding(True, detail, advice)


def wrong(detail: str, advice: str) -> Finding:
    return Finding(False, detail, advice)


def split(line: str) -> Finding:
    """A line as errors have it: what is wrong, then behind a semicolon what to do."""
    what, _, advice = line.partition("; ")
    return wrong(what, advice)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, by its name."""

    name: str
    ok: bool
    detail: str
    advice: str = ""

    @property
    def mark(self) -> str:
        """`ok`, `note` (something could be better) or `FAILED`."""
        if not self.ok:
            return "FAILED"
        return "note" if self.advice else "ok"

    def as_json(self) -> dict[str, object]:
        """Fields that others may rely on."""
        return asdict(self)
