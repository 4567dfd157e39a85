"""Where settings come from: defaults < offbeat.toml < OFFBEAT_* in the environment < options of the command."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agents.rulebook.kinds import Kind, read, settable
from agents.rulebook.tomlfile import TomlError, TomlFile
from streams.access.security import Security, SettingsError
from streams.settingkinds import Secret, from_text
from streams.settings import Settings, Topics, Views

FILE = "offbeat.toml"
_SECTIONS: Mapping[str, type[Any]] = {"security": Security, "topics": Topics, "views": Views}
_KUBERNETES = re.compile(r"OFFBEAT_(.*_)?(SERVICE_(HOST|PORT)(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)")
"""Kubernetes tells every pod of a service called offbeat about it in such variables; they are not settings."""

Key = tuple[str, ...]


def _kinds() -> dict[Key, Kind]:
    """Every setting: ("brokers",), ..., ("security", "user"), ..., ("topics", "carts"), ..."""
    found: dict[Key, Kind] = {(name,): f.metadata["kind"] for name, f in settable(Settings).items()}
    for section, cls in _SECTIONS.items():
        found |= {(section, name): f.metadata["kind"] for name, f in settable(cls).items()}
    return found


KINDS = _kinds()


def variable(key: Key) -> str:
    """The environment variable of a setting: OFFBEAT_BROKERS, OFFBEAT_SECURITY_USER, OFFBEAT_TOPIC_CARTS."""
    return "_".join(("OFFBEAT", *key)).replace("OFFBEAT_topics", "OFFBEAT_TOPIC").upper()


_VARIABLES = {variable(key): key for key in KINDS}


def load_settings(
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """The settings in force; SettingsError, one line, when one of them is wrong.

    `options` are what the command line gave, by setting name (None: not given), and `config`, the file.
    `environ` is os.environ and `directory` the working directory, when not given.
    """
    options = options or {}
    environ = os.environ if environ is None else environ
    values: dict[Key, object] = {}
    places: dict[Key, str] = {}
    layers = [
        _from_file(options.get("config") or environ.get("OFFBEAT_CONFIG"), directory or Path()),
        _from_environment(environ),
        _from_options(options),
    ]
    for layer in layers:
        for key, place, value in layer:
            values[key], places[key] = _read(key, place, value), place
    settings = _build(values)
    for key, what in settings.conflicts():
        raise SettingsError(f"{places.get(key) or variable(key)}: {what}")
    return settings


def _read(key: Key, place: str, value: object) -> object:
    kind = KINDS[key]
    try:
        return read(kind, value)
    except ValueError as error:
        what = f"the value is not allowed; give {kind.allowed}" if isinstance(kind, Secret) else str(error)
        raise SettingsError(f"{place}: {what}") from None


def _build(values: Mapping[Key, object]) -> Settings:
    top: dict[str, Any] = {key[0]: value for key, value in values.items() if len(key) == 1}
    parts: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    for key, value in values.items():
        if len(key) == 2:
            parts[key[0]][key[1]] = value
    sections = {name: cls(**parts[name]) for name, cls in _SECTIONS.items()}
    return Settings(**top, **sections)


def _from_file(config: object, directory: Path) -> Iterator[tuple[Key, str, object]]:
    """Settings of the file: it must be there only when somebody has named it."""
    path = directory / str(config or FILE)
    if not config and not path.exists():
        return
    try:
        file = TomlFile(path if config else FILE if directory == Path() else path)
        for key, value in _flat(file):
            yield key, f"{file.name}:{file.line(key)}: {'.'.join(key)}", value
    except TomlError as error:
        raise SettingsError(str(error)) from None


def _flat(file: TomlFile) -> Iterator[tuple[Key, object]]:
    for name, value in file.data.items():
        if name in _SECTIONS:
            if not isinstance(value, dict):
                raise file.error((name,), f"must be a table; write [{name}] above its keys")
            names = [key[1] for key in KINDS if key[0] == name]
            for inner, content in value.items():
                if inner not in names:
                    raise file.unknown((name, inner), "setting", names)
                yield (name, inner), content
        elif (name,) in KINDS:
            yield (name,), value
        else:
            raise file.unknown((name,), "setting", [key[0] for key in KINDS if len(key) == 1] + list(_SECTIONS))


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[Key, str, object]]:
    for name in sorted(environ):
        if not name.startswith("OFFBEAT_") or name == "OFFBEAT_CONFIG":
            continue
        if name in _VARIABLES:
            key = _VARIABLES[name]
            yield key, name, from_text(KINDS[key], environ[name])
        elif not _KUBERNETES.fullmatch(name):
            near = difflib.get_close_matches(name, _VARIABLES, n=1, cutoff=0.0)
            safe = "".join(c if c.isprintable() else "?" for c in name)[:80]
            raise SettingsError(f"{safe}: no setting is called so; did you mean {near[0]}? Otherwise unset it")


def _from_options(options: Mapping[str, object]) -> Iterator[tuple[Key, str, object]]:
    for name, value in options.items():
        key = (name,)
        if value is not None and key in KINDS:
            yield key, "--" + name.replace("_", "-"), from_text(KINDS[key], value) if isinstance(value, str) else value
