"""Logs in to one broker as Kafka's clients do, and hears the answer that aiokafka 0.14.0 does not.

Of OAUTHBEARER it takes any answer for a yes. The broker says why not in its first answer, expects one byte in return,
and only then refuses (RFC 7628, section 3.2.3).
"""

import asyncio
from typing import Any

from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator

from streams.settingkinds import split_address

SECONDS = 5.0


class _Hearing(OAuthAuthenticator):
    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        if payload:
            return b"\x01", True
        sent: tuple[bytes, bool] | None = await super().step(payload)
        return sent


class _Connection(AIOKafkaConnection):
    def authenticator_oauth(self) -> _Hearing:
        return _Hearing(sasl_oauth_token_provider=self._sasl_oauth_token_provider)


async def log_in(address: str, options: dict[str, Any]) -> None:
    """Connect, log in, and hang up. `options`: of a client. Raises KafkaError, OSError, TimeoutError."""
    told = {key: value for key, value in options.items() if key != "bootstrap_servers"}
    connection = _Connection(*split_address(address), request_timeout_ms=int(SECONDS * 1000), **told)
    try:
        await connection.connect()
    finally:
        if (writer := connection._writer) is not None:  # noqa: SLF001 - closing waits for what the broker says to it
            writer.transport.abort()
        connection.close()
        await asyncio.sleep(0.01)  # transports let go of their sockets in the loop's next turns
