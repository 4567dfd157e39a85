"""`backtest --report`: the figures of a backtest as a file (contract: commands), for programs and for a page.

`figures.py` puts them together from `calibration.py` (is the model right?) and `triggers.py` (was what was sent
right?); a page for people needs nothing but these figures.
"""

import json
from pathlib import Path
from typing import Any

FIGURES = "report.json"


def write_report(folder: Path, figures: dict[str, Any]) -> None:
    """Write the figures into a folder, which is made; an older report is replaced at once. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{FIGURES}.part"
    try:
        part.write_text(json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
        part.replace(folder / FIGURES)
    finally:
        part.unlink(missing_ok=True)
