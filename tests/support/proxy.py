"""A network between clients and servers that a test can spoil: links of TCP on 127.0.0.1, each on a port of its own."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from streams.brokers.embedded import free_port

_CHUNK = 65536


class Link:
    """What connects to `port` talks to `target`, as far as the link lets it. Its methods return when they hold."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: int) -> None:
        self.port, self.target = free_port(), target
        self._loop = loop
        self._requests, self._answers = asyncio.Event(), asyncio.Event()
        self._cut = False
        self._delay = 0.0
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    # -- what can be done to it

    def cut(self) -> None:
        """Connections are reset, new ones too. What was on its way is lost."""

        def cut() -> None:
            self._cut = True
            for writer in self._open:
                _reset(writer)

        self._do(cut)

    def blackhole(self) -> None:
        """Connections stay, and nothing comes through, in either direction."""

        def blackhole() -> None:
            self._requests.clear()
            self._answers.clear()

        self._do(blackhole)

    def hold_answers(self) -> None:
        """Requests arrive and take effect; their answers stay on the way."""
        self._do(self._answers.clear)

    def delay(self, seconds: float) -> None:
        """Whatever is read takes that much longer, in each direction."""

        def delay() -> None:
            self._delay = seconds

        self._do(delay)

    def heal(self) -> None:
        """All is well again; what was held up arrives, unless its connection was cut."""

        def heal() -> None:
            self._cut, self._delay = False, 0.0
            self._requests.set()
            self._answers.set()

        self._do(heal)

    def _do(self, what: Callable[[], object]) -> None:
        async def do() -> None:
            what()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(10)

    # -- what it does, in the proxy's thread

    async def listen(self) -> None:
        """Take connections from now on."""
        self._requests.set()
        self._answers.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def close(self) -> None:
        """Take no more connections, and reset those that there are."""
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._cut:
                raise ConnectionResetError
            their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        ends = {writer, their_writer}
        self._open |= ends
        pumps = {
            asyncio.create_task(self._pump(reader, their_writer, self._requests)),
            asyncio.create_task(self._pump(their_reader, writer, self._answers)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            self._open -= ends
            for end in ends:
                end.close()  # what is in its buffer still goes out

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        try:
            while data := await reader.read(_CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await gate.wait()
                writer.write(data)
                await writer.drain()
            await gate.wait()  # the end of a connection is news, too
        except OSError:
            pass


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST, as a firewall or a crashed machine does: what was on its way is lost."""
    linger_not = struct.pack("ii", 1, 0)
    with suppress(OSError):  # it has just ended by itself
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
    writer.transport.abort()


class Proxy:
    """Links, served by a thread. `with Proxy() as proxy:`; at the end of the block all connections are gone."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._links: list[Link] = []

    def link(self, target: int) -> Link:
        """A new link to a port, which need not listen yet. Raises OSError when somebody has just taken its own."""
        link = Link(self._loop, target)
        self._run(link.listen())
        self._links.append(link)
        return link

    def _run(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _close(self) -> None:
        for link in self._links:
            link.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed in the next turn

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
