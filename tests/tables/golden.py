"""States as releases have written them: kept in files, so that every later release must read them.

`python -m tests.tables.golden` writes the file of this release's form. Once a form was released its file stays as it
is: a change of the fields needs a new VERSION (tables/customerform.py), and so a new file.
"""

import json
from pathlib import Path
from typing import Any, get_type_hints

from msgspec import Struct
from msgspec.structs import fields

from tables.basket import Basket, Foreign
from tables.cart import Cart, CartLine, Checkout, Viewed
from tables.customer import NEVER, Customer, OpenTrigger, Profile
from tables.customerform import VERSION, pack, unpack, with_visit
from tables.events import CartItemAdded, ProductViewed
from tables.orders import Orders, RecentOrder
from tables.productform import pack_products
from tables.products import Products, Regular
from tables.seen import MAX_SEEN
from tables.visitform import pack_adding, pack_look

FOLDER = Path(__file__).parent / "golden"
STRUCTS: tuple[type[Struct], ...] = (
    Customer,
    OpenTrigger,
    Profile,
    Orders,
    RecentOrder,
    Basket,
    Foreign,
    Cart,
    CartLine,
    Checkout,
    Viewed,
)
PLAN = 0x01020304
WRITTEN_NEVER = (1 << 63) - 1
"""What the files have for NEVER, which used to be this number."""

_ORDER = RecentOrder("o-1", "e-1", 1_700_000_000_000, 49.9, 9.9)
_LINE = CartLine(2.0, 3.5, "drinks", 1_700_000_000_001)
_PRODUCTS = Products(
    once={7: (1_700_000_000, 1.0), 3: (1_700_000_001, 0.5)},
    twice={9: (1_690_000_000, 1.0, 1_700_000_000, 2.0)},
    regulars={
        "grün": Regular("grün", "hot", 4, 1_690_000_000, 2.0, 1_700_000_000, 0.25, 9.5, 1.25, 30.5, 4.5, 1.5, 1 << 31),
        "tea": Regular("tea", None, 3, 0, 1.0, 1_600_000_000, 1.0, 6.5, 0.0, 21.5, 0.0, 0.0, 1_603_000_000, True),
    },
)  # fmt: skip
CUSTOMERS: dict[str, Customer] = {
    "nobody": Customer(wake=NEVER),
    "everything": Customer(
        seen=bytes(range(16)),
        orders=Orders(
            3,
            1_690_000_000_000,
            1_700_000_000_000,
            2,
            1.5,
            2.25,
            [_ORDER],
            1_701_000_000_000,
            1_702_000_000_000,
            1,
            True,
            1_699_000_000_000,
            1.25,
            1.75,
            1_703_000_000_000,
        ),
        basket=Basket("EUR", 3, 3.9, 0.25, 149.7, 1.25, -0.5, 2.5, 1),
        cart=Cart(
            {"tea": _LINE, "grün": CartLine(1.0, None, None, 1)},
            1_700_000_000_001,
            "e-2",
            1_690_000_000_001,
            "cart-1",
            True,
        ),
        checkout=Checkout(1_700_000_000_002, "e-3", 12.5, True),
        viewed={"tea": Viewed(3, 1_700_000_000_003, "e-4", "drinks")},
        open=[
            OpenTrigger("cart.abandoned", "1-12345678", "id-1", 5, 6, 7, 8),
            OpenTrigger("x", "", "", 1, 2, 3, WRITTEN_NEVER),
        ],
        profile=Profile(True, False, True, "Europe/Berlin", "DE", 1_700_000_000_004),
        applied=[-1, 7, 1 << 40],
        wake=1_701_000_000_000,
        products=pack_products(_PRODUCTS),
        foreign=Foreign([Basket("USD", 2, 3.5, 0.125, 66.5, None, None, 0.25, 2)], {"o-1": "USD"}),
    ),
    "unknowns": Customer(
        seen=b"\xff" * 8 * MAX_SEEN,
        orders=Orders(1, 1, 1, 1, 0.0, 0.0, [RecentOrder("", "", 0, 1e-9)]),
        basket=Basket(""),
        cart=Cart({}),
        checkout=Checkout(1, "", None),
        viewed={},
        profile=Profile(None, None, None, None, None, 0),
        wake=1,
    ),
}


def shape() -> dict[str, dict[str, str]]:
    """The fields of every struct of a state, in order, with their types."""
    return {
        struct.__name__: {field.name: str(get_type_hints(struct)[field.name]) for field in fields(struct)}
        for struct in STRUCTS
    }


def told(value: object) -> Any:
    """A state as JSON, with the names of its fields."""
    if isinstance(value, Struct):
        return {field.name: told(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: told(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [told(inner) for inner in value]
    if value == NEVER:
        return WRITTEN_NEVER
    return value.hex() if isinstance(value, bytes) else value


def waiting() -> bytes:
    """A state in which visits wait."""
    who: dict[str, Any] = {"customer_id": "c", "occurred_at": 0}
    visits = (
        pack_adding(
            CartItemAdded(
                event_id="e-5", product_id="mug", quantity=2.0, price=4.5, category="cups", cart_id="c-2", **who
            ),
            b"12345678",
            1_700_000_000_005,
        ),
        pack_adding(
            CartItemAdded(event_id="e-6", product_id="pot", quantity=1.0, backfill=True, **who),
            b"23456789",
            1_700_000_000_006,
        ),
        pack_look(
            ProductViewed(event_id="e-7", product_id="jug", category="jugs", **who), b"34567890", 1_700_000_000_007
        ),
    )
    packed = pack(CUSTOMERS["everything"], PLAN)
    for visit in visits:
        packed = with_visit(packed, visit, 1_700_500_000_000)
    return packed


def contents() -> dict[str, Any]:
    """What this release writes into its file."""
    states = [
        {"name": name, "packed": pack(customer, PLAN).hex(), "state": told(customer)}
        for name, customer in CUSTOMERS.items()
    ]
    packed = waiting()
    return {
        "form": VERSION,
        "fields": shape(),
        "states": states,
        "waiting": {"name": "waiting", "packed": packed.hex(), "state": told(unpack(packed))},
    }


def path_of(form: int) -> Path:
    """The file of a form."""
    return FOLDER / f"states-{form}.json"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    path_of(VERSION).write_text(json.dumps(contents(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
