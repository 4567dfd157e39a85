"""A rules file is read here: TOML, a table per rule named by its trigger type, and one for the guards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.rulebook.kinds import Kind, read, settable
from agents.rulebook.tomlfile import Key, TomlError, TomlFile


class RulesError(ValueError):
    """A rules file is wrong: `FILE:LINE: KEY: what is wrong and what is allowed`, one line; its author mends it."""


@dataclass(frozen=True, slots=True)
class Names:
    """A section whose keys are names that the file's author gives, each with a value of one kind."""

    what: str
    """What a name is, for error messages."""
    longest: int
    """Characters of a name."""
    kind: Kind
    check: Callable[[dict[str, Any]], object]
    """Raises ValueError, with the whole sentence, for names and values that do not go together."""


def read_sections(path: str | Path, types: Mapping[str, type[Any] | Names]) -> dict[str, dict[str, Any]]:
    """The values that a file sets, by section and key, read as the section's type declares them.

    A name with a dot may be written quoted (`["cart.abandoned"]`) or bare (`[cart.abandoned]`), not both.
    Raises RulesError.
    """
    try:
        file = TomlFile(path)
        sections: dict[str, dict[str, Any]] = {}
        for name, key, table in _tables(file, types):
            if name in sections:
                raise file.error(key, "given twice; keep one of them")
            sections[name] = _section(file, key, table, types[name])
    except TomlError as error:
        raise RulesError(str(error)) from None
    return sections


def _tables(file: TomlFile, types: Mapping[str, type[Any] | Names]) -> list[tuple[str, Key, object]]:
    """Name, key and content of every table; bare `[cart.abandoned]` is a table in a table to TOML."""
    groups = {name.split(".")[0] for name in types if "." in name}
    found: list[tuple[str, Key, object]] = []
    for top, content in file.data.items():
        if top in groups and isinstance(content, dict) and content:
            found += [(f"{top}.{name}", (top, name), table) for name, table in content.items()]
        else:
            found.append((top, (top,), content))
    for name, key, _ in found:
        if name not in types:
            raise file.unknown((*key[:-2], name) if len(key) > 1 else key, "rule", types)
    return found


def _section(file: TomlFile, key: Key, table: object, cls: type[Any] | Names) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise file.error(key, f'must be a table; write ["{".".join(key)}"] above its keys')
    if isinstance(cls, Names):
        return _named(file, key, table, cls)
    kinds = {name: setting.metadata["kind"] for name, setting in settable(cls).items()}
    unknown = next((name for name in table if name not in kinds), None)
    if unknown is not None:
        raise file.unknown((*key, unknown), "key", kinds)
    return {name: _value(file, (*key, name), kinds[name], value) for name, value in table.items()}


def _named(file: TomlFile, key: Key, table: dict[str, Any], names: Names) -> dict[str, Any]:
    for name in table:
        if not 1 <= len(name) <= names.longest:
            raise file.error((*key, name), f"{names.what} has 1 to {names.longest} characters")
    values = {name: _value(file, (*key, name), names.kind, value) for name, value in table.items()}
    try:
        names.check(values)
    except ValueError as error:
        raise file.error(key, str(error)) from None
    return values


def _value(file: TomlFile, key: Key, kind: Kind, value: object) -> object:
    try:
        return read(kind, value)
    except ValueError as error:
        raise file.error(key, str(error)) from None
