"""A command that is killed at a named place on its way."""

import signal
import subprocess
import sys

from tests.support.workers import Deployment, process_environment

_REACHED = """
import os, signal, sys
from streams.__main__ import main

what, left = sys.argv.pop(1).split(":")
left = int(left)

def reached(place):
    global left
    if place == what:
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
"""


def killed(to: Deployment, places: str, where: str, *arguments: str) -> None:
    """Run `offbeat` with `arguments` until it is killed; fails when it ends otherwise.

    :param places: Python that makes the command call `reached("name")` on its way
    :param where: "name:n", the place at which it is killed the n-th time, counted from 0
    """
    done = subprocess.run(
        [sys.executable, "-c", f"{_REACHED}\n{places}\nmain()", where, *arguments],
        env=process_environment(to.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
