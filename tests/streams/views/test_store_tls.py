"""A real Redis behind TLS, as its own TLS port or a proxy before it shows it."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from streams.settings import Settings
from streams.views.store import ViewStore
from streams.views.trouble import ADVICE, ViewError
from tests.support.certificates import OPENSSL, Authority, Certificate
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificates")


@contextmanager
def tls(certificate: Certificate, target: int) -> Iterator[int]:
    """A port of 127.0.0.1 that speaks TLS and brings all to another one that does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    loop = asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, ours), pump(theirs, writer))

    async def begin() -> asyncio.Server:
        loop.set_exception_handler(lambda _loop, _context: None)  # handshakes that clients break off
        return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)

    async def end(server: asyncio.Server) -> None:
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # transports let go of their sockets

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_redis_with_tls(redis_server: RedisServer, tmp_path: Path) -> None:
    """Its certificate must be of the CA that the URL names, and of the host's name."""
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    with tls(authority.sign("redis", "IP:127.0.0.1"), urlsplit(redis_server.url).port or 0) as port:

        def asked(host: str, ca: Path, login: str = ":s3cret@") -> str:
            store = ViewStore(Settings(redis=f"rediss://{login}{host}:{port}/0?ssl_ca_certs={ca}", prefix="tls."))
            try:
                return store.try_out()
            except ViewError as error:
                return f"{error.reason}: {error}"
            finally:
                store.close()

        assert asked("127.0.0.1", authority.ca, "") == "one server"
        told = asked("127.0.0.1", other.ca)
        assert told.startswith("away: shows a certificate that is not accepted (")
        assert "s3cret" not in told
        told = asked("localhost", authority.ca)
        assert told.startswith("away: shows a certificate that is not accepted (")
    assert "ssl_ca_certs" in ADVICE["away"]
