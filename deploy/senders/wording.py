"""What is said: a file for each trigger type, TOML with the templates (jinja2) `subject`, `text`, `html` and `sms`.

Templates know `trigger` (the message's value), `customer` (what the addresses say), `shop` (`name`, `url`) and, in
mails, `unsubscribe`. In `html` all of that is escaped. A name that is not there is an error, so nobody reads "Dear ,".
"""

import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, TemplateError

from errors import NeverError, UsageError

PARTS = ("subject", "text", "html", "sms")
FOLDER = Path(__file__).parent / "templates"


class Wording:
    """The templates of a folder, compiled. UsageError, one line, when one of them is wrong."""

    def __init__(self, folder: Path = FOLDER) -> None:
        make = partial(
            Environment,
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        plain, html = make(autoescape=False), make(autoescape=True)
        self._found: dict[str, dict[str, Template]] = {}
        for file in sorted(folder.glob("*.toml")):
            self._found[file.stem] = {}
            for part, text in self._read(file).items():
                try:
                    self._found[file.stem][part] = (html if part == "html" else plain).from_string(text)
                except TemplateError as error:
                    raise UsageError(f"{file.name}: {part}: line {getattr(error, 'lineno', 1)}: {error}") from None
        if not self._found:
            raise UsageError(f"{folder} holds no templates; give the folder of the *.toml files")

    @property
    def types(self) -> frozenset[str]:
        """The trigger types that there is something to say about."""
        return frozenset(self._found)

    def say(self, part: str, type: str, **known: Any) -> str:  # noqa: A002 - the word of the messages
        """One part, rendered. NeverError when the trigger has not what the template wants, or none is there."""
        template = self._found.get(type, {}).get(part)
        if template is None:
            raise NeverError(f"there is no template {part} of {type}")
        try:
            return template.render(known)
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise NeverError(f"template {part} of {type}: {error}") from None

    @staticmethod
    def _read(file: Path) -> Mapping[str, str]:
        try:
            found = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{file.name}: {error}") from None
        for part, text in found.items():
            if part not in PARTS or not isinstance(text, str):
                raise UsageError(f"{file.name}: {part} is not a text called {', '.join(PARTS)}")
        return found
