"""`python -m drawing --prometheus URL`: an SVG of each dashboard, as it shows the last minutes."""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from drawing.series import Server, Span
from drawing.svg import svg

HERE = Path(__file__).parents[1]


def draw(url: str, job: str, span: Span, out: Path) -> None:
    """Write a picture of every dashboard into a folder. Raises OSError, ValueError."""
    server = Server(url, job)
    for file in sorted((HERE / "dashboards").glob("*.json")):
        board = json.loads(file.read_text())
        picture = svg(board["title"], list(server.panels(board, span)), span)
        (out / f"{file.stem}.svg").write_text(picture)


def main(arguments: Iterable[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Draws what the dashboards show, without Grafana.")
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", help="its URL (http://127.0.0.1:9090)")
    parser.add_argument("--job", default="offbeat", help="whose series (offbeat)")
    parser.add_argument("--minutes", type=float, default=30.0, help="up to now (30)")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder of the pictures (beside the dashboards')")
    options = parser.parse_args(None if arguments is None else list(arguments))
    now = time.time()
    try:
        draw(options.prometheus, options.job, Span(now - 60 * options.minutes, now), options.out)
    except (OSError, ValueError) as error:
        print(f"drawing: {options.prometheus}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
