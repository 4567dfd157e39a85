"""What a sender has done so far, and a port where Prometheus asks for it. Of the standard library alone."""

import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from errors import UsageError

OUTCOMES = ("sent", "sent_before", "cancelled", "expired", "held_out", "skipped", "other_type", "dead_letter")
FAILURES = ("later", "away", "unsure")
MOST_TYPES = 64
"""Beyond so many a type is `other`: what is read may hold anything."""
_TYPE = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40}){1,3}")


class Figures:
    """Counts of one sender, and how it stands. Counted by its loop, read by the port's threads."""

    def __init__(self, sender: str = "sender", partitions: int = 0) -> None:
        self.partitions = partitions
        """That there are, of all topics."""
        self.partitions_read = 0
        """Those that this one reads."""
        self.waiting = 0
        """Messages in memory."""
        self.away = False
        """Nothing can be sent at the moment."""
        self._sender = re.sub(r"[^A-Za-z0-9._-]", "_", sender)
        self._done: Counter[tuple[str, str]] = Counter()
        self._failed: Counter[str] = Counter(dict.fromkeys(FAILURES, 0))
        self._types: set[str] = set()
        self._lock = threading.Lock()

    def done(self, kind: str, outcome: str) -> None:
        """A message of this type has come to its end: one of OUTCOMES."""
        with self._lock:
            if kind not in self._types:
                if not _TYPE.fullmatch(kind) or len(self._types) >= MOST_TYPES:
                    kind = "other"
                self._types.add(kind)
                for known in OUTCOMES:  # what appears with its first message would not be seen to have grown
                    self._done[kind, known] += 0
            self._done[kind, outcome] += 1

    def failed(self, why: str) -> None:
        """An attempt that is made again: one of FAILURES."""
        with self._lock:
            self._failed[why] += 1

    def text(self) -> str:
        """All of it, as Prometheus reads it (text format, version 0.0.4)."""
        with self._lock:
            done = {f'type="{kind}",outcome="{outcome}"': count for (kind, outcome), count in self._done.items()}
            failed = {f'why="{why}"': count for why, count in self._failed.items()}
        lines = [
            *self._samples("messages_total", "counter", done),
            *self._samples("failures_total", "counter", failed),
            *self._samples("partitions", "gauge", {"": self.partitions}),
            *self._samples("partitions_read", "gauge", {"": self.partitions_read}),
            *self._samples("waiting", "gauge", {"": self.waiting}),
            *self._samples("away", "gauge", {"": int(self.away)}),
        ]
        return "\n".join([*lines, ""])

    def _samples(self, name: str, kind: str, counts: Mapping[str, int]) -> Iterator[str]:
        yield f"# TYPE offbeat_sender_{name} {kind}"
        for labels, count in counts.items():
            yield f'offbeat_sender_{name}{{sender="{self._sender}"{"," * bool(labels)}{labels}}} {count}'


@contextmanager
def shown(figures: Figures, address: str | None) -> Iterator[None]:
    """At http://host:port/metrics while the context lasts; without an address nowhere. UsageError."""
    if address is None:
        yield
        return
    found = re.fullmatch(r"\[?([^\]]+?)\]?:([0-9]{1,5})", address)
    if found is None:
        raise UsageError("--metrics: give host:port, such as 127.0.0.1:9465")

    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0

        def do_GET(self) -> None:
            good = self.path == "/metrics"
            body = figures.text().encode() if good else b"try /metrics\n"
            self.send_response(200 if good else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4" if good else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Questions are not worth a line each."""

    try:
        server = ThreadingHTTPServer((found[1], int(found[2])), Handler)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or "no such port"
        raise UsageError(f"--metrics: {address} cannot be listened at: {why}; give another port") from None
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
