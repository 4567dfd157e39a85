"""Ending the process at once, because nothing more may be sent; whatever is left behind, a crash would leave too.

With transactions it leaves its group all the same, so that the next owner need not wait for the session to run out:
that one fences what is still on its way. Without them nobody does: there the session keeps the others away.
"""

import asyncio
import contextlib
import logging
import os
import threading
from typing import Any, NamedTuple, NoReturn

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest

from streams.settings import Settings
from streams.watch.logformat import last_words

LEAVE_SECONDS = 1.0
"""The group is not waited for any longer."""


class Membership(NamedTuple):
    """What leaving a group takes: its coordinator, and the id that this worker has there."""

    host: str
    port: int
    member: str


class Ending:
    """Ends the process, from whatever thread. `app`: whose membership ends, once there is one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._first = threading.Lock()
        self.app: Any = None

    def fatal(self, code: int, message: str) -> NoReturn:
        """Say it in one line, leave the group, and exit. What comes second is not said: it would hide the cause."""
        if not self._first.acquire(blocking=False):
            threading.Event().wait()
        last_words(message, code)
        if self._settings.delivery == "exactly_once":
            with contextlib.suppress(Exception):  # whatever comes of it: to exit is what matters
                self._leave_group()
        self.exit(code)

    def exit(self, code: int) -> NoReturn:
        """Exit, and nothing else."""
        logging.shutdown()
        os._exit(code)

    def _leave_group(self) -> None:
        """In a thread and on a connection of its own: it is not known what the others are in the middle of."""
        membership: Membership | None = self.app.consumer.thread.membership if self.app else None
        if membership is not None:
            leaving = threading.Thread(target=lambda: asyncio.run(leave(self._settings, membership)), daemon=True)
            leaving.start()
            leaving.join(LEAVE_SECONDS)


async def leave(settings: Settings, membership: Membership) -> None:
    """Say good-bye; that is not worth an error."""
    options = settings.client_options()
    del options["bootstrap_servers"]
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        connection = await create_conn(membership.host, membership.port, **options)
        await connection.send(LeaveGroupRequest(settings.group_id, membership.member))
        connection.close()
