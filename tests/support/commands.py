"""Commands as tests look at them: refused within the process, or shown on a terminal."""

import contextlib
import os

import pytest

from streams.commands import run


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and the one line on standard error."""
    status = run(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("offbeat: ")
    return status, err.removeprefix("offbeat: ").rstrip("\n")


def read_terminal(leader: int) -> str:
    """All that is written to the other side of this pseudo-terminal until it is closed; closes this side."""
    shown = b""
    with contextlib.suppress(OSError):  # the other side is closed
        while chunk := os.read(leader, 65536):
            shown += chunk
    os.close(leader)
    return shown.decode()
