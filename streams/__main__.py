"""`python -m streams COMMAND`, also installed as `offbeat`."""

import sys
from importlib.util import find_spec
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent


def strangers() -> str | None:
    """What is wrong when `tables` or `agents` is somebody else's package (PyTables, openai-agents); None: all ours."""
    for name in ("tables", "agents"):
        spec = find_spec(name)
        origin = spec.origin if spec else None
        if origin is None or Path(origin).resolve().parent.parent != HOUSE:
            found = f"is another package ({Path(origin).parent})" if origin else "is missing or another package"
            return (
                f"offbeat: the package {name!r} {found}, not Offbeat's: install Offbeat into an environment of its own "
                "(python3 -m venv .venv), and do not run it from a directory that holds one of that name"
            )
    return None


def main() -> None:
    """Run the command line of this process and exit."""
    wrong = strangers()
    if wrong is not None:
        sys.stderr.write(wrong + "\n")
        sys.exit(2)
    try:
        from streams.commands import run  # noqa: PLC0415 - it imports what was looked at above

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:  # while importing
        sys.exit(130)


if __name__ == "__main__":
    main()
