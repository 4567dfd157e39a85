"""A file to a log."""

import time
from pathlib import Path
from typing import Literal

from streams.flow.decode import AHEAD
from streams.logs.files import Progress, errors_of, kind
from streams.logs.lines import read_lines
from streams.logs.model import Log, LogError
from streams.logs.rewrite import Changes
from streams.logs.table import read_table


def read_log(
    path: str | Path,
    *,
    backfill: bool = False,
    shift_to: int | None = None,
    anchor: Literal["first", "last"] = "last",
    wall: int | None = None,
    on_progress: Progress | None = None,
) -> Log:
    """Check a file of events and make it ready to be read; raises `LogError` when it is not a log.

    JSON lines of contract events (.jsonl, .ndjson, .json) keep their bytes and their order within each topic; they are
    read anew by `Log.lines`, so memory does not grow with them. A flat table (.csv, .parquet) is held in memory, in
    columns. Both also with .gz or .zst.

    `backfill` sets `backfill` on every event: update state, never fire. `shift_to` (epoch ms) moves all times by the
    same amount, so that the first or the last event (`anchor`) happens then. Times more than an hour after `wall`
    (epoch ms; the clock's now unless given) are refused as the worker refuses them. `on_progress` is told the share of
    the file that has been checked, 0 to 1.
    """
    path = Path(path)
    latest = (round(time.time() * 1000) if wall is None else wall) + AHEAD
    progress = on_progress or (lambda _: None)
    changes = Changes(backfill=backfill, shift_to=shift_to, anchor=anchor)
    with errors_of(path):
        form, compression = kind(path)
        if form == "lines":
            log = read_lines(path, compression, changes, latest, progress)
        else:
            log = read_table(path, form, compression, changes, latest, progress)
    progress(1.0)
    if log.rejected.count and not log.total:
        raise LogError(f"{path}: holds no event that can be understood; {log.rejected.reasons[0]}")
    return log
