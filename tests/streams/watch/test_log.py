"""Lines of the log: their two forms, what they do not show, and that they do not flood."""

import hashlib
import json
import logging
from collections.abc import Iterator

import pytest
from aiokafka.protocol.admin import SaslAuthenticateRequest
from hypothesis import given
from hypothesis import strategies as st

from streams.watch.journal import set_up_logging
from streams.watch.logfilters import LINES, QUIET_SECONDS, NoFlood
from streams.watch.logformat import JsonFormatter, TextFormatter, about, harmless, last_words, pseudonym


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """What setting up the log changes is put back."""
    root = logging.getLogger()
    before = root.level, root.handlers.copy()
    names = ("streams", "agents", "tables", "kafka", "aiokafka", "faust", "mode", "asyncio")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root.level, root.handlers = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    found = logging.LogRecord("streams.delivery.partition", logging.WARNING, "", 0, message, arguments, None)
    found.created, found.msecs = 1_700_000_000.25, 250.0
    found.__dict__.update(extra)
    return found


def test_a_line_as_json() -> None:
    told = json.loads(JsonFormatter().format(record("%d failed: %r", 3, "x\n", **about(3, {"carts": 17}))))
    assert told == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "logger": "streams.delivery.partition",
        "message": "3 failed: 'x\\n'",
        "partition": 3,
        "batch": {"carts": 17},
    }


def test_a_line_as_text() -> None:
    line = TextFormatter().format(record("failed", left_out=4, **about(3, {"carts": 17, "purchases": 5})))
    assert line.endswith(
        " WARNING streams.delivery.partition: failed [batch from carts 17, purchases 5] [4 more like it were left out]"
    )


def test_an_error_is_told_with_its_traceback() -> None:
    error = ValueError("one\x1b[31m\ntwo")
    found = record("crashed")
    found.exc_info = (type(error), error, None)
    assert json.loads(JsonFormatter().format(found))["error"].endswith("ValueError: one\x1b[31m\ntwo")
    assert "\n" not in JsonFormatter().format(found)
    text = TextFormatter().format(found)
    assert text.endswith("ValueError: one\\x1b[31m\ntwo")


@given(st.text())
def test_no_text_breaks_out_of_its_line_or_rules_the_terminal(text: str) -> None:
    assert harmless(text).isprintable()
    for form in (TextFormatter(), JsonFormatter()):
        assert form.format(record("customer %s", text)).isprintable()
        assert form.format(record(text.replace("%", ""))).isprintable()


def test_what_can_be_read_is_left_as_it_is() -> None:
    assert harmless("Grüße, 東京 🛒") == "Grüße, 東京 🛒"
    assert harmless("a\tb\u202eb\x9b") == "a\\tb\\u202eb\\x9b"


def test_requests_that_log_in_are_not_shown() -> None:
    request = SaslAuthenticateRequest(b"\0alice\0wonderland").prepare({36: (0, 1)})
    assert "wonderland" in str(request)  # as aiokafka logs it
    for form in (TextFormatter(), JsonFormatter()):
        line = form.format(record("Request to %s:%d %d: %s", "host", 9092, 7, request))
        assert "Request to host:9092 7: (not shown)" in line


def test_a_pseudonym_is_what_a_shell_says() -> None:
    assert pseudonym("ann") == pseudonym(b"ann") == hashlib.sha256(b"ann").hexdigest()[:12]
    assert pseudonym("\ud800")


def test_our_own_lines_do_not_flood() -> None:
    now = [0.0]
    flood = NoFlood(lambda: now[0])
    passed = [flood.filter(record("failed: %s", n, **about(1))) for n in range(100)]
    assert sum(passed) == LINES
    assert flood.filter(record("failed: %s", 1, **about(2)))  # of another partition
    assert flood.filter(record("another"))
    now[0] = QUIET_SECONDS
    again = record("failed: %s", 1, **about(1))
    assert flood.filter(again)
    assert again.__dict__["left_out"] == 100 - LINES
    after = record("failed: %s", 1, **about(1))
    assert flood.filter(after)
    assert "left_out" not in after.__dict__


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_last_words_have_the_form_of_the_log(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info", form)
    logging.getLogger("streams.worker").info("stopping")
    last_words("it cannot\n go on\x07", 75)
    first, last = capsys.readouterr().err.splitlines()
    if form == "json":
        assert json.loads(first)["message"] == "stopping"
        told = json.loads(last)
        assert (told["level"], told["status"], told["message"]) == ("critical", 75, "it cannot go on\x07")
    else:
        assert first.endswith(" INFO streams.worker: stopping")
        assert last == "offbeat: it cannot go on\\x07"
