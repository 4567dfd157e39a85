"""report.html: the figures of a backtest as one page for people, from report.json alone.

One file that needs no network and no script: the style sheet and the plots (SVG) are in it. Whatever comes from the log
is escaped, by Jinja in the templates and by `svg.py` in plots; a policy in the page's head forbids all else.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from streams import __version__
from streams.report.html import words
from streams.report.html.back import back, returning
from streams.report.html.brief import brief
from streams.report.html.right import right
from streams.report.html.sent import sent
from streams.report.html.stories import stories
from streams.report.html.timing import timing
from streams.report.html.value import value

_TEMPLATES = Path(__file__).parent / "templates"


def page(figures: dict[str, Any]) -> str:
    """The whole page; the same figures give the same page."""
    parts = {"sent": sent(figures), "right": right(figures), "timing": timing(figures)}
    return (
        _environment()
        .get_template("page.html")
        .render(
            figures=figures,
            version=__version__,
            style=Markup((_TEMPLATES / "style.css").read_text("utf-8")),  # noqa: S704 - ours
            brief=brief(**parts),
            not_told=[what.replace("train_until", words.day(figures["train_until"])) for what in figures["not_told"]],
            stories=stories(figures),
            back=back(figures),
            returning=returning(figures),
            value=value(figures),
            **parts,
        )
    )


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {name: getattr(words, name) for name in ("count", "many", "percent", "rate", "days", "day")}
    return found
