"""A TOML file of which every key's line is known, so that an error can name it; `tomllib` tells none."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from agents.rulebook.kinds import shown

MAX_BYTES = 1 << 20
"""A settings file larger than this is taken for something else."""

_PIECE = re.compile(
    r'"""(?:[^\\]|\\[\s\S])*?"{3,5}'
    r"|'''[\s\S]*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[^\S\n]+"
    r"|[\n\[\]{}=,.]"
    r"|[^\s\[\]{}=,.#\"']+"
)
_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")
_BARE = re.compile(r"[A-Za-z0-9_-]+")

Key = tuple[str, ...]


class TomlError(ValueError):
    """`FILE:LINE: KEY: what is wrong and what is allowed`, on one line; whoever wrote the file mends it."""


class TomlFile:
    """`data` as `tomllib` gives it, and the line of every key in it."""

    def __init__(self, path: str | Path) -> None:
        """Read a file; TomlError when there is none, or it is not TOML in UTF-8."""
        self.path = Path(path)
        self.name = "".join(c if c.isprintable() else "?" for c in str(path))
        text = self._text()
        try:
            self.data = tomllib.loads(text)
        except RecursionError:
            raise TomlError(f"{self.name}:1: not valid TOML: nested too deeply") from None
        except ValueError as error:
            raise self._syntax(text, str(error)) from None
        self._lines = dict(_lines(text))

    def line(self, key: Key) -> int:
        """The line where `key` is set, else that of the nearest table around it; 1 for the whole file."""
        return next((self._lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self._lines), 1)

    def error(self, key: Key, what: str) -> TomlError:
        """The error to raise for `key`."""
        return TomlError(f"{self.name}:{self.line(key)}: {dotted(key)}: {what}")

    def unknown(self, key: Key, kind: str, valid: Iterable[str]) -> TomlError:
        """The error to raise for a key that means nothing; names the nearest valid one, or all of them."""
        names = list(valid)
        near = difflib.get_close_matches(dotted(key[-1:]), names, n=1)
        advice = f"did you mean {near[0]}?" if near else "known are " + ", ".join(names)
        return self.error(key, f"unknown {kind}; {advice}")

    def _text(self) -> str:
        try:
            with self.path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "not a file name"
            raise TomlError(f"{self.name}: cannot be read: {why}; give the path of a TOML file") from None
        if len(raw) > MAX_BYTES:
            raise TomlError(f"{self.name}: larger than 1 MiB; give the path of a TOML file")
        try:
            return raw.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise TomlError(f"{self.name}:{line}: not UTF-8; save the file in UTF-8") from None

    def _syntax(self, text: str, message: str) -> TomlError:
        found = _AT_LINE.search(message)
        line = int(found[1]) if found and found[1] else text.rstrip("\n").count("\n") + 1
        what = shown(_AT_LINE.sub("", message))[1:-1]
        source = text.split("\n")[line - 1] if text else ""
        key = shown(source.split("=")[0].strip().strip("[]").strip())[1:-1]
        if message.startswith(("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate")):
            return TomlError(f"{self.name}:{line}: {key}: given twice; keep one of them")
        where = f"{key}: " if key else ""
        return TomlError(f"{self.name}:{line}: {where}not valid TOML: {what}")


def dotted(key: Key) -> str:
    """A key as a message shows it: parts joined with dots, short and on one line."""
    return ".".join(shown(part)[1:-1] for part in key)


def _lines(text: str) -> Iterator[tuple[Key, int]]:
    """Every key of valid TOML with its line; the first place wins, so a dotted key also places its tables."""
    seen: set[Key] = set()
    for key, line in _Scanner(text):
        for n in range(1, len(key) + 1):
            if key[:n] not in seen:
                seen.add(key[:n])
                yield key[:n], line


class _Scanner:
    """Walks over the pieces of a text that `tomllib` has accepted."""

    def __init__(self, text: str) -> None:
        self._pieces: list[tuple[str, int]] = []
        line = 1
        for found in _PIECE.finditer(text):
            piece = found[0]
            if piece == "\n" or not (piece.isspace() or piece[0] == "#"):
                self._pieces.append((piece, line))
            line += piece.count("\n")
        self._at = 0

    def __iter__(self) -> Iterator[tuple[Key, int]]:
        table: Key = ()
        while self._at < len(self._pieces):
            piece, line = self._pieces[self._at]
            if piece == "\n":
                self._at += 1
            elif piece == "[":
                table = self._header()
                yield table, line
            else:
                yield from self._pair(table)

    def _peek(self) -> str:
        return self._pieces[self._at][0] if self._at < len(self._pieces) else "\n"

    def _header(self) -> Key:
        while self._peek() == "[":
            self._at += 1
        key = self._key("]")
        while self._peek() == "]":
            self._at += 1
        return key

    def _key(self, end: str) -> Key:
        parts = []
        while self._at < len(self._pieces) and (piece := self._peek()) != end:
            self._at += 1
            if piece != ".":
                parts.append(piece if _BARE.fullmatch(piece) else tomllib.loads(f"k={piece}")["k"])
        return tuple(parts)

    def _pair(self, table: Key) -> Iterator[tuple[Key, int]]:
        line = self._pieces[self._at][1]
        key = table + self._key("=")
        self._at += 1
        yield key, line
        yield from self._value(key)

    def _value(self, key: Key) -> Iterator[tuple[Key, int]]:
        """Steps over a value; what opens inside it, closes inside it."""
        if self._peek() == "{":
            self._at += 1
            while (piece := self._peek()) != "}":
                if piece in ",\n":
                    self._at += 1
                else:
                    yield from self._pair(key)
            self._at += 1
        depth = 0
        while self._at < len(self._pieces) and (depth or self._peek() not in "\n,}"):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(self._peek(), 0)
            self._at += 1
