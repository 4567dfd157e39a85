"""Which events of a customer have been applied."""

from typing import Final

from tables.customer import Visitor

MAX_SEEN: Final = 32
"""How many event ids are remembered: the second coming of one of them changes nothing."""
SEEN_BYTES: Final = 8 * MAX_SEEN


def seen_before(customer: Visitor, digest: bytes) -> bool:
    """Whether an event id of this 8-byte hash was applied; if not, it is remembered."""
    seen = customer.seen
    if seen.partition(digest)[1]:  # mostly not, and `find` takes half as long again to say so
        at = seen.find(digest)
        while at >= 0:
            if not at % 8:
                return True
            at = seen.find(digest, at + 1)
    remember(customer, digest)
    return False


def remember(customer: Visitor, digests: bytes) -> None:
    """So many events more were applied, none of which was before."""
    seen = customer.seen
    over = len(seen) + len(digests) - SEEN_BYTES
    customer.seen = seen + digests if over <= 0 else seen[over:] + digests
