"""A link passes everything, or exactly what it is told to."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.proxy import Link, Proxy


class Echo(socketserver.BaseRequestHandler):
    """Sends back what comes, and remembers it."""

    heard: bytearray

    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.heard += data
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def heard() -> bytearray:
    return bytearray()


@pytest.fixture
def link(heard: bytearray) -> Iterator[Link]:
    handler = type("Handler", (Echo,), {"heard": heard})
    with Server(("127.0.0.1", 0), handler) as server, Proxy() as proxy:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield proxy.link(server.server_address[1])
        server.shutdown()


def connect(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=10)


def ask(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return read(client, len(data))


def read(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        if not (data := client.recv(65536)):
            raise ConnectionAbortedError
        found += data
    return found


def attempt(link: Link) -> bytes:
    with connect(link) as client:
        return ask(client, b"x")


def is_silent(client: socket.socket) -> bool:
    client.settimeout(0.3)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(10)
    return False


def test_it_passes_everything(link: Link) -> None:
    data = bytes(range(256)) * 4096
    with connect(link) as one, connect(link) as other:
        sender = threading.Thread(target=one.sendall, args=(data,))
        sender.start()
        assert read(one, len(data)) == data
        sender.join()
        assert ask(other, b"x") == b"x"


def test_the_end_of_a_connection_arrives(link: Link, heard: bytearray) -> None:
    with connect(link) as client:
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        while client.recv(100):
            pass
    deadline = time.monotonic() + 10
    while heard != b"last words" and time.monotonic() < deadline:
        time.sleep(0.01)  # what was said last may still be on its way when our side is closed
    assert heard == b"last words"


def test_cut_resets_connections_and_refuses_new_ones(link: Link) -> None:
    with connect(link) as client:
        assert ask(client, b"x") == b"x"
        link.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionError):
        attempt(link)
    link.heal()
    assert attempt(link) == b"x"


def test_a_black_hole_keeps_what_is_sent(link: Link, heard: bytearray) -> None:
    with connect(link) as client:
        assert ask(client, b"before") == b"before"
        link.blackhole()
        client.sendall(b"meanwhile")
        with connect(link) as other:
            other.sendall(b"nobody")
            assert is_silent(client)
            assert is_silent(other)
            assert heard == b"before"
        link.heal()
        assert read(client, 9) == b"meanwhile"


def test_answers_are_held_while_requests_arrive(link: Link, heard: bytearray) -> None:
    with connect(link) as client:
        assert ask(client, b"before") == b"before"
        link.hold_answers()
        client.sendall(b"meanwhile")
        assert is_silent(client)
        assert heard == b"beforemeanwhile"
        link.heal()
        assert read(client, 9) == b"meanwhile"


def test_a_delay(link: Link) -> None:
    with connect(link) as client:
        assert ask(client, b"x") == b"x"
        link.delay(1.0)
        client.sendall(b"x")
        assert is_silent(client)
        assert read(client, 1) == b"x"
