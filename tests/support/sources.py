"""Modules of the project, read as Python reads them."""

import ast
import gc
from pathlib import Path


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a module; meanwhile nothing is collected.

    CPython before 3.11.8 fails to parse while what it collects makes a traceback, for which it parses too (gh-106905).
    Futures that tests of brokers have left behind do so.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text("utf-8"))
    finally:
        if collecting:
            gc.enable()
