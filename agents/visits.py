"""Events of the carts that need not know what else is known of their customer, and so wait in its packed state.

Whatever opens the state finds them applied, in order, as if each had been at once (`tables.visitform`).
"""

from typing import Final

from agents.triggers.cart import Carts
from tables.customerform import ids_for_visit
from tables.events import AnyEvent, CartItemAdded, ProductViewed
from tables.retention import BROWSING
from tables.states import States
from tables.visitform import pack_adding, pack_look

_CartItemAdded: Final = CartItemAdded
_ProductViewed: Final = ProductViewed


def leave_visit(states: States, carts: Carts, key: bytes, digest: bytes, event: AnyEvent, at: int) -> bool:
    """Let an event wait with its customer; False: its customer is to be opened for it.

    `digest`: the hash of the event's id. One that is found in the state may have been applied, or look like it; and so
    may a product have been looked at before.
    """
    packed = states.unopened(key)
    if packed is None:
        return False
    ids = ids_for_visit(packed)
    if ids is None or ids.partition(digest)[1]:
        return False
    # what it brought is forgotten by then
    wake = at + BROWSING
    if isinstance(event, _CartItemAdded):
        visit = pack_adding(event, digest, at)
        due = carts.wake_after(event, at)
        if due < wake:  # noqa: PLR1730 - for most events; min() takes four times as long
            wake = due
    elif isinstance(event, _ProductViewed):
        if carts.first_look_counts or event.backfill or packed.partition(event.product_id.encode())[1]:
            return False
        visit = pack_look(event, digest, at)
    else:
        return False
    states.leave(key, packed, visit, wake)
    return True
