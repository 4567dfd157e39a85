"""The image's health check, asked for by its exit status."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streams.brokers.embedded import free_port
from tests.support.workers import ROOT


def check(address: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, ROOT / "deploy" / "health.py"],
        env={**os.environ, "OFFBEAT_METRICS": address},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@contextmanager
def answering(status: int, text: bytes) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/health"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104 - asked at loopback
def test_healthy_is_silent(host: str) -> None:
    with answering(200, b"{}") as port:
        assert check(f"{host}:{port}") == (0, "")


def test_what_stands_still_is_told_in_one_line() -> None:
    with answering(503, b'{\n "healthy": false,\n "phase": "live"\n}') as port:
        assert check(f"127.0.0.1:{port}") == (1, 'unhealthy: {"healthy": false, "phase": "live"}\n')


def test_what_does_not_answer_is_not_healthy() -> None:
    address = f"127.0.0.1:{free_port()}"
    status, told = check(address)
    assert (status, told.count("\n")) == (1, 1)
    assert told.startswith(f"no answer at {address}: ")


def test_without_a_port_there_is_nothing_to_ask() -> None:
    assert check("") == (0, "")
