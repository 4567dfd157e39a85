"""A sender that prints: `python print_sender.py --brokers HOST:PORT [--redis URL | --table FILE]`; to begin with.

It needs kafka-python, redis for `--redis`, and the files beside it. Put your provider in the place of `send`.
"""

import sys

from message import Message, line
from options import Settings
from running import run


def send(message: Message) -> None:
    """Hand it over to the provider, with the trigger_id as its idempotency key, and a time-out shorter than the lease.

    The errors of `loop.py` say what becomes of it when that fails.
    """
    print(line(f"{message.customer_id}: {message.type}: {message.value.get('reason')}"), flush=True)


def main() -> int:
    """Send until told to stop."""
    options = Settings("PRINT", "Print triggers, each once.", delay="0s").parse_args()
    return run(options, lambda _options: send)


if __name__ == "__main__":
    sys.exit(main())
