"""Writes the dashboards as JSON, as Grafana loads them."""

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from boards.operations import operations
from boards.shop import shop
from boards.triggers import triggers

FOLDER = Path(__file__).parents[1] / "dashboards"
BOARDS = {"operations.json": operations, "triggers.json": triggers, "shop.json": shop}


def rendered(name: str) -> str:
    """The file of this name, as it should be."""
    return JSONEncoder(sort_keys=True, indent=2).encode(BOARDS[name]().build()) + "\n"


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    for name in BOARDS:
        (FOLDER / name).write_text(rendered(name))


if __name__ == "__main__":
    main()
