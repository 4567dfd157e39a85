"""Files by their names: which format, which compression, and errors as one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import pyarrow as pa

from streams.logs.model import LogError

Format = Literal["lines", "csv", "parquet"]
Progress = Callable[[float], None]
"""Told from time to time which share, 0 to 1, of a file has been read."""

_FORMATS: dict[str, Format] = {
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": "lines",
    ".csv": "csv",
    ".parquet": "parquet",
}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def kind(path: Path) -> tuple[Format, str | None]:
    """Format and compression (None: none) by the name's endings, whatever their case. Raises LogError."""
    endings = [ending.lower() for ending in path.suffixes]
    compression = _COMPRESSIONS.get(endings[-1]) if endings else None
    inner = endings[:-1] if compression else endings
    if not inner or inner[-1] not in _FORMATS:
        raise LogError(f"{path}: the name must end in {', '.join(_FORMATS)}, or one of these and .gz or .zst")
    return _FORMATS[inner[-1]], compression


@contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the file inside is a LogError with its name."""
    try:
        yield
    except pa.ArrowException as exc:
        raise LogError(f"{path}: {_first_line(exc)}") from None
    except OSError as exc:
        # with a number it comes from the system (no such file), without from a decompressor
        raise LogError(f"{path}: {(exc.errno and exc.strerror) or 'damaged: ' + _first_line(exc)}") from None


class LogFile:
    """An open file, decompressed as it is read. A context manager; use it inside `errors_of`."""

    def __init__(self, path: Path, compression: str | None) -> None:
        if path.exists() and not path.is_file():
            raise LogError(f"{path}: not a file (a log is read several times, so a pipe will not do)")
        self._size = max(path.stat().st_size, 1)
        self._raw = path.open("rb")
        self.stream: Any = self._raw
        """Has `read(size)`; also good for pyarrow's readers."""
        if compression:
            self.stream = pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), compression)

    @property
    def progress(self) -> float:
        """The share of the file, as it lies on disk, that has been read."""
        return min(self._raw.tell() / self._size, 1.0) if not self._raw.closed else 1.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self._raw.close()


def _first_line(exc: Exception) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0][:300]
