"""Starts a refit as a process of its own and waits for what it says; whatever becomes of it, it becomes of it alone."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

import streams
from streams.refit.child import Answer, Task, decode_answer, framed

SECONDS = 900.0
"""A refit that takes longer is given up. It takes seconds; on a machine with no time to spare, at the lowest
priority, minutes."""
_PROGRAM = ("-P", "-m", "streams.refit.child")
_TOLD = 300
"""Characters of what it said last that are repeated."""


class RefitFailedError(RuntimeError):
    """There is no answer; one line that says why. Try again with the next round."""


async def refit_apart(task: Task, seconds: float = SECONDS, program: tuple[str, ...] = _PROGRAM) -> Answer:
    """Raises RefitFailedError. When it is cancelled nothing is left of the process."""
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the worker, which then ends it
        )
    except OSError as error:
        raise RefitFailedError(f"it could not be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(seconds):
            return await _ask(child, framed(task))
    except TimeoutError:
        raise RefitFailedError(f"it took longer than {seconds:.0f} s and was given up") from None
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _ask(child: asyncio.subprocess.Process, task: bytes) -> Answer:
    # pipes, see above; the input stays open, for the child ends when it closes
    assert child.stdin and child.stdout and child.stderr  # noqa: S101, PT018
    child.stdin.write(task)
    with suppress(ConnectionError):
        await child.stdin.drain()
    told, errors = await asyncio.gather(child.stdout.read(), child.stderr.read())
    status = await child.wait()
    if status != 0:
        raise RefitFailedError(f"it ended with status {status}{_last_line(errors)}")
    try:
        return decode_answer(told)
    except msgspec.DecodeError as error:
        raise RefitFailedError(f"its answer cannot be read: {error}") from error


def _last_line(errors: bytes) -> str:
    lines = errors.decode(errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {said[:_TOLD]}" if said else ""


def _environment() -> dict[str, str]:
    """Ours without the settings, which may hold secrets; where this package is; and one thread for numpy."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("OFFBEAT_")}
    root = str(Path(streams.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (root, ours.get("PYTHONPATH"))))
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**ours, "PYTHONPATH": path, **threads}
