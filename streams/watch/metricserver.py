"""The metrics port: `/metrics` for Prometheus; `/live`, `/ready` and `/health` for orchestrators and people."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from streams.settingkinds import split_address
from streams.settings import SettingsError
from streams.watch.status import Status

Respond = Callable[[str, list[tuple[str, str]]], Any]


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each request: whoever connects and asks nothing keeps nobody else from an answer."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 10.0
    """Seconds that a client may take to ask."""

    def handle(self) -> None:
        with suppress(TimeoutError, ConnectionError):  # else their tracebacks go to standard error
            super().handle()

    def log_message(self, *_args: Any, **_more: Any) -> None:
        """Requests are not worth a line each."""


@contextmanager
def serve_metrics(address: str, registry: CollectorRegistry, status: Status) -> Iterator[int]:
    """Answer at host:port, in a thread, while the context lasts; gives the port.

    Raises SettingsError when it is taken.
    """
    host, port = split_address(address)
    try:
        server = make_server(host, port, _application(registry, status), _Server, _Handler)
    except OSError as exc:
        raise SettingsError(
            f"metrics: {address} cannot be listened at: {exc.strerror}; set OFFBEAT_METRICS to a free port, or empty"
        ) from None
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _application(registry: CollectorRegistry, status: Status) -> Callable[[dict[str, Any], Respond], Iterable[bytes]]:
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        match environ.get("PATH_INFO"):
            case "/metrics" | "/":
                found: Iterable[bytes] = metrics(environ, respond)
                return found
            case "/live":
                return _json(respond, {"live": status.turning}, good=status.turning)
            case "/ready":
                return _json(respond, {"ready": status.ready}, good=status.ready)
            case "/health":
                report = status.report()
                return _json(respond, report, good=report["healthy"])
            case _:
                respond("404 Not Found", [("Content-Type", "text/plain")])
                return [b"try /metrics, /live, /ready or /health\n"]

    return answer


def _json(respond: Respond, body: dict[str, Any], *, good: bool) -> Iterable[bytes]:
    respond("200 OK" if good else "503 Service Unavailable", [("Content-Type", "application/json")])
    return [json.dumps(body).encode() + b"\n"]
