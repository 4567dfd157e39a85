"""A token endpoint (RFC 6749, client credentials) on 127.0.0.1, that gives tokens nobody has signed."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

from tests.support.secured import token


class TokenServer:
    """Gives who knows the secret a token for `user` that is good for `seconds`.

    `answer`: status and body of every answer instead, as long as it is set.
    `asked`: what each request was for; `given`: the tokens.
    """

    def __init__(self, user: str, secret: str, seconds: float = 3600.0) -> None:
        self.seconds = seconds
        self.answer: tuple[int, bytes] | None = None
        self.location = ""
        self.asked: list[dict[str, list[str]]] = []
        self.given: list[str] = []
        self._basic = f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.asked.append(parse_qs(form))
                status, body = outer.answer or outer._answer(user, self.headers["Authorization"])
                self.send_response(status)
                if outer.location:
                    self.send_header("Location", outer.location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing: tests look at `asked`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"

    def _answer(self, user: str, login: str) -> tuple[int, bytes]:
        if login != self._basic:
            return 401, b'{"error": "invalid_client"}'
        self.given.append(token(user, self.seconds))
        told = {"access_token": self.given[-1], "token_type": "Bearer", "expires_in": self.seconds}
        return 200, json.dumps(told).encode()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
