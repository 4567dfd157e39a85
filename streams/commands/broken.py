"""What brokers do to a command, as the one line that ends it."""

from collections.abc import Iterator
from contextlib import contextmanager

from streams.commands import FAILURE
from streams.commands.output import failure
from streams.settings import Settings


@contextmanager
def one_line(settings: Settings) -> Iterator[None]:
    """Whatever brokers, and what they hold, raise in the block is a line that says what to do."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - it takes its time

    from streams.brokers.refusals import refusal  # noqa: PLC0415 - as above
    from streams.brokers.topics import BrokerError, RefusedError  # noqa: PLC0415 - as above
    from streams.errors import StopError  # noqa: PLC0415 - as above
    from tables.customer import StateError  # noqa: PLC0415 - as above

    try:
        yield
    except RefusedError as error:
        raise failure(str(error), error.status) from None
    except (BrokerError, StopError, StateError) as error:
        raise failure(str(error), FAILURE) from None
    except (KafkaError, OSError, TimeoutError) as error:
        if (found := refusal(error, settings)) is not None:
            raise failure(found[1], found[0]) from None
        raise failure(f"broken off: {error!r}; see offbeat doctor, then run it again", FAILURE) from None
