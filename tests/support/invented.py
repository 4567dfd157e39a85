"""An invented log of all three sources, in which lines come late, twice, and again with other contents."""

import json
from pathlib import Path
from random import Random
from typing import Any

T0 = 1_700_000_000_000
MINUTE = 60_000


def invented(path: Path, seed: int, *, events: int = 4000, customers: int = 150, begin: int = T0) -> Path:
    """Write the log, and return its path. A customer does something every day or so, however many there are."""
    rng = Random(seed)
    lines: list[dict[str, Any]] = []

    def add(kind: str, at: int, customer: str, **fields: Any) -> None:
        late = rng.random() < 0.05
        occurred = at - rng.randrange(3 * 60 * MINUTE) if late else at
        event_id = f"e{len(lines)}"
        lines.append({"type": kind, "event_id": event_id, "customer_id": customer, "occurred_at": occurred, **fields})
        if rng.random() < 0.03:
            lines.append(lines[-1] | ({"occurred_at": occurred + 5} if rng.random() < 0.5 else {}))

    at, apart = begin, max(1, 20 * MINUTE * 150 // customers)
    for number in range(events):
        at += rng.randrange(apart)
        who = f"c{rng.randrange(customers)}"
        product, quantity = f"p{rng.randrange(5)}", rng.randrange(1, 4)
        match rng.randrange(10):
            case 0 | 1:
                items = [{"product_id": product, "quantity": quantity, "price": 5}]
                total = round(rng.lognormvariate(3, 0.7), 2)
                add("order.completed", at, who, order_id=f"o{number}", total=total, currency="EUR", items=items)
            case 2:
                add("checkout.started", at, who, total=10)
            case 3 | 4:
                add("product.viewed", at, who, product_id=product)
            case 5:
                add("cart.item_removed", at, who, product_id=product, quantity=quantity)
            case 6:
                kind = rng.choice(("cart.cleared", "customer.updated", "customer.erased"))
                add(kind, at, who)
            case 7:
                add("order.refunded", at, who, order_id=f"o{rng.randrange(number + 1)}")
            case _:
                add("cart.item_added", at, who, product_id=product, quantity=quantity, price=3.5)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
