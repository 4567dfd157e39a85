"""The generator of big logs writes a table that is read whole, about as large as was asked for."""

from pathlib import Path

from click.testing import CliRunner

from streams.logs import read_log
from tests.bench.biglog import command


def test_it_writes_about_as_many_orders_as_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    done = CliRunner().invoke(command, [str(path), "--orders", "3000"])
    assert done.exit_code == 0, done.output
    log = read_log(path)
    assert 2000 < log.total < 4500
    assert log.rejected.count == 0
    assert done.output.startswith(f"{log.total:,} orders of ")
    times = [int(row.split(",")[1]) for row in path.read_text().splitlines()[1:]]
    assert times == sorted(times)
