"""`backtest --report`: the figures of a backtest as a file for programs and as a page for people (contract: commands).

`figures.py` puts the figures together from `calibration.py` (is the model right?), `triggers.py` (was what was sent
right?) and `stories.py`; the page, `html/`, needs nothing but these figures.
"""

import json
from pathlib import Path
from typing import Any

from streams.report.html import page

FIGURES = "report.json"
PAGE = "report.html"


def write_report(folder: Path, figures: dict[str, Any]) -> None:
    """Write figures and page into a folder, which is made; an older report is replaced at once. Raises OSError."""
    contents = {
        FIGURES: json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        PAGE: page(figures),
    }
    folder.mkdir(parents=True, exist_ok=True)
    parts = {folder / name: folder / f"{name}.part" for name in contents}
    try:
        for part, content in zip(parts.values(), contents.values(), strict=True):
            part.write_text(content, "utf-8")
        for target, part in parts.items():
            part.replace(target)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
