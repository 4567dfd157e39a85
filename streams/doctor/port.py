"""The metrics port of this machine: free for a worker, or a worker's."""

import socket

from streams.doctor.check import Finding, well, wrong
from streams.doctor.worker import NoWorkerError, Worker
from streams.settingkinds import split_address
from streams.settings import Settings

_ANYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - it is asked, not bound


def metrics_port(settings: Settings) -> tuple[Finding, str]:
    """What is there, and the address at which a worker answers, empty where none does."""
    if not settings.metrics:
        return well("off: no address is set"), ""
    host, port = split_address(settings.metrics)
    why = _taken(host, port)
    if why is None:
        return well(f"{settings.metrics} is free"), ""
    address = f"{_ANYWHERE.get(host, f'[{host}]' if ':' in host else host)}:{port}"
    try:
        Worker(address)
    except NoWorkerError:
        advice = "end what listens there, or set OFFBEAT_METRICS to a free host:port"
        return wrong(f"{settings.metrics} cannot be bound: {why}, and no worker answers there", advice), ""
    return well(f"a worker has {settings.metrics}"), address


def _taken(host: str, port: int) -> str | None:
    try:
        kind, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or "not a host name"
    return None
