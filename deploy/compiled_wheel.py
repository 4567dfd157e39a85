"""Writes a wheel of Offbeat whose hot path is compiled by mypyc: `python deploy/compiled_wheel.py DIR`.

For what is installed and not edited: images, a benchmark. The sources stay beside what is compiled of them, for
tracebacks. Metadata are those of pyproject.toml. Needs mypy and setuptools (the extra `build`), what Offbeat itself
needs, as mypy looks at its types, a C compiler and Python's headers. Nothing is left behind but the wheel.
"""

import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
import warnings
from pathlib import Path

import setuptools  # first: mypyc asks whether it is there
from mypyc.build import mypycify

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "tables", "agents", "streams")
"""What a wheel is made of."""
MODULES = (
    "tables/basketchanges.py",
    "tables/cartchanges.py",
    "tables/clock.py",
    "tables/customerform.py",
    "tables/orderchanges.py",
    "tables/productform.py",
    "tables/retention.py",
    "tables/seen.py",
    "tables/states.py",
    "tables/timers.py",
    "tables/visitform.py",
    "tables/visitor.py",
    "agents/agenda.py",
    "agents/calibration.py",
    "agents/core.py",
    "agents/emitter.py",
    "agents/handlers.py",
    "agents/models/amounts.py",
    "agents/notices.py",
    "agents/sales.py",
    "agents/triggers/absence.py",
    "agents/triggers/basket.py",
    "agents/triggers/cart.py",
    "agents/triggers/replenish.py",
    "agents/triggers/repurchase.py",
    "agents/triggers/returns.py",
    "agents/visits.py",
    "streams/delivery/rows.py",
    "streams/flow/busiest.py",
    "streams/flow/decode.py",
    "streams/flow/flood.py",
    "streams/flow/merge.py",
    "streams/flow/messages.py",
    "streams/flow/pipeline.py",
    "streams/flow/reader.py",
)
"""What is compiled: whatever events pass through."""


def fault() -> str | None:
    """What is missing here, and how to get it."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        return f"no C compiler ({compiler}): apt-get install gcc libc6-dev"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return f"no headers of Python {sysconfig.get_python_version()}: apt-get install python3-dev, on Debian"
    return None


def write(target: Path) -> Path:
    """Write the wheel into a folder: where it is. The working directory is another while that lasts."""
    before, target = Path.cwd(), target.resolve()
    with tempfile.TemporaryDirectory(prefix="offbeat-wheel-") as folder:
        for name in NEEDED:
            source, copy = ROOT / name, Path(folder, name)
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy)
        os.chdir(folder)
        try:
            extensions = mypycify(list(MODULES), opt_level="3", debug_level="0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", setuptools.SetuptoolsDeprecationWarning)  # there is no setup.py
                setuptools.setup(script_args=["--quiet", "bdist_wheel", "--dist-dir", "made"], ext_modules=extensions)
        finally:
            os.chdir(before)
        (made,) = Path(folder, "made").iterdir()
        target.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(made, target / made.name))


def main(arguments: list[str]) -> None:
    """Do it, or end with one line that says why not."""
    reason = fault() if len(arguments) == 1 else "usage: python deploy/compiled_wheel.py DIR"
    if reason is not None:
        print(reason, file=sys.stderr)
        sys.exit(2)
    print(write(Path(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
