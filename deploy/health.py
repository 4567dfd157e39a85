"""The image's health check: exit 0 while the worker calls itself healthy, else 1 and why, in one line.

It asks `/health` at OFFBEAT_METRICS: a worker that starts, waits for its brokers or reads states back is healthy.
"""

import http.client
import json
import os
import sys

SECONDS = 4.0
LOOPBACK = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - what a worker listens at, and where it answers


def trouble(address: str) -> str | None:
    """What is wrong with the worker whose metrics port is at host:port; None when nothing is."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(f"{LOOPBACK.get(host, host)}:{port}", timeout=SECONDS)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer at {address}: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if answer.status == http.client.OK else f"unhealthy: {json.dumps(json.loads(text))}"


def main() -> int:
    """Without a metrics port there is nothing to ask, and nothing is wrong."""
    address = os.environ.get("OFFBEAT_METRICS", "127.0.0.1:9464")
    found = trouble(address) if address else None
    if found is not None:
        print(found)
    return 0 if found is None else 1


if __name__ == "__main__":
    sys.exit(main())
