"""How tests say which section of the runbook they break, and by which check `doctor` finds it."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

from streams.doctor.check import Check
from streams.doctor.run import checkup
from streams.settings import Settings

P = ParamSpec("P")
_ADDRESS = re.compile(r" (127\.0\.0\.1|localhost):\d+")
_found: set[str] = set()
"""What was found since the test began."""


def kind(name: str) -> str:
    """The name of a check without an address in it, as the runbook has it."""
    return _ADDRESS.sub("", name)


def finds(section: str, check: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """The test breaks what this section of the runbook is about, and this check must have found it at its end."""

    def decorate(test: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(test)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
            _found.discard(check)
            test(*args, **kwargs)
            assert check in _found, f"{check} found nothing wrong; {section} is about that"

        return wrapped

    return decorate


def note(*checks: Check) -> None:
    """These were made: each that is not well must say what to do, on one line."""
    for check in checks:
        assert check.ok or check.advice, check
        assert "\n" not in check.detail + check.advice
        assert str(Path(__file__).parents[3]) not in check.advice
        if check.mark != "ok":
            _found.add(kind(check.name))


def checks(settings: Settings, *workers: str) -> dict[str, Check]:
    """All that `doctor` finds, by name."""
    told = {check.name: check for check in checkup(settings, workers)}
    note(*told.values())
    return told


def failed(told: dict[str, Check]) -> set[str]:
    return {kind(name) for name, check in told.items() if not check.ok}
