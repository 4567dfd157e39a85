"""Pictures of the dashboards, over answers that are made up."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from drawing.__main__ import HERE, main
from drawing.series import POINTS, Curve, Panel, Server, Span
from drawing.svg import svg
from drawing.units import shown

SPAN = Span(1_200_000, 1_200_600)
Asked = dict[str, str]


@contextmanager
def prometheus(answer: Callable[[Asked], list[dict[str, Any]]]) -> Iterator[str]:
    """Something that answers questions as Prometheus does; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {"path": parts.path, **{name: values[0] for name, values in parse_qs(parts.query).items()}}
            body = json.dumps({"data": {"result": answer(asked)}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def rising(asked: Asked) -> list[dict[str, Any]]:
    """One series, with every label that a legend may want."""
    labels = dict.fromkeys(("type", "partition", "topic", "instance"), "<x>")
    if asked["path"].endswith("/query"):
        return [{"metric": labels, "value": [float(asked["time"]), "42"]}]
    start, step = float(asked["start"]), float(asked["step"])
    return [{"metric": labels, "values": [[start + n * step, str(n)] for n in range(POINTS + 1)]}]


def test_every_panel_of_every_dashboard_is_drawn(tmp_path: Path) -> None:
    with prometheus(rising) as url:
        assert main(["--prometheus", url, "--minutes", "10", "--out", str(tmp_path)]) == 0
    for file in (HERE / "dashboards").glob("*.json"):
        board = json.loads(file.read_text())
        picture = (tmp_path / file.name).with_suffix(".svg").read_text()
        titles = [board["title"], *(p["title"] for p in board["panels"])]
        assert [text for text in texts_of(picture) if text in titles] == titles
        assert "no data" not in picture
        assert len(picture) < 150_000


def test_variables_of_grafana_are_set() -> None:
    board = json.loads((HERE / "dashboards" / "triggers.json").read_text())
    asked: list[Asked] = []
    with prometheus(lambda question: asked.append(question) or rising(question)) as url:  # type: ignore[func-returns-value]
        panels = list(Server(url, "shop").panels(board, SPAN))
    assert len(panels) == len(board["panels"])
    assert not [question for question in asked if "$" in question["query"]]
    assert any('{job="shop"}[600s]' in question["query"] for question in asked)
    assert {question["start"] for question in asked if "start" in question} == {"1200000"}


def test_who_does_not_answer_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--prometheus", "http://127.0.0.1:9"]) == 1
    assert re.fullmatch(r"drawing: http://127.0.0.1:9: .+\n", capsys.readouterr().err)


def texts_of(picture: str) -> list[str]:
    return [element.text for element in ElementTree.fromstring(picture).iter() if element.text]  # noqa: S314 - our own


def panel(*curves: Curve, **looks: Any) -> Panel:
    return Panel(looks.pop("kind", "timeseries"), "<Title>", 0, 0, 8, 8, **looks, curves=list(curves))


def lines(picture: str) -> list[str]:
    return re.findall(r'<path d="([^"]+)" fill="none"', picture)


def test_gaps_break_a_line_and_what_is_level_is_drawn_once() -> None:
    points = [(SPAN.since + at * SPAN.step, 1.0) for at in (*range(10), *range(30, 40))]
    (line,) = lines(svg("x", [panel(Curve("a", points))], SPAN))
    assert line.count("M") == 2
    assert line.count("L") == 2


def test_what_is_stacked_lies_on_what_was_before() -> None:
    points = [(SPAN.since + n * SPAN.step, 1.0) for n in range(POINTS)]
    curves = [Curve("a", points), Curve("b", points)]
    flat, _ = lines(svg("x", [panel(*curves)], SPAN))
    below, above = lines(svg("x", [panel(*curves, stacked=True)], SPAN))
    heights = [int(line.split("L")[0].split()[1]) for line in (flat, below, above)]
    assert heights[0] < heights[1]  # of an axis that goes up to 1, not to 2
    assert heights[2] < heights[1]


def test_a_figure_has_the_colour_of_its_threshold() -> None:
    steps = ((float("-inf"), "green"), (60.0, "yellow"), (300.0, "red"))
    for value, colour in ((1.0, "#2e8b57"), (60.0, "#c98a00"), (1e6, "#c4372f")):
        at = [(SPAN.until, value)]
        assert colour in svg("x", [panel(Curve("", at), kind="stat", colours=steps, unit="s")], SPAN)
    assert "no data" in svg("x", [panel(kind="stat")], SPAN)
    assert "no data" in svg("x", [panel()], SPAN)


def test_names_that_find_no_place_are_counted() -> None:
    curves = [Curve(f"basket.shrinking {n}", [(SPAN.since, 1.0)]) for n in range(20)]
    texts = texts_of(svg("x", [panel(*curves)], SPAN))
    named = [text for text in texts if text.startswith("basket")]
    assert f"and {20 - len(named)} more" in texts
    assert 2 < len(named) < 10


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "s", "0"),
        (0.0983, "s", "98.3 ms"),
        (90.0, "s", "1.5 min"),
        (604_800.0, "s", "7 d"),
        (200_000_000.0, "bytes", "191 MiB"),
        (0.232, "percentunit", "23.2%"),
        (24.12, "d", "24.1 d"),
        (64.5, "ops", "64.5 ops/s"),
        (3500.0, "short", "3.5 K"),
        (0.5, "short", "0.5"),
        (3000.0, "none", "3000"),
    ],
)
def test_units(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text
