"""Programs of other people that tests check files with."""

import shutil
import sys
from pathlib import Path


def program(name: str) -> str:
    """Where it is: beside the Python of the tests, as `make setup` installs it, else on the PATH. LookupError."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise LookupError(f"no {name}: make setup")
    return found
