"""For whoever runs the shop: orders, revenue, returning customers, time between orders. Imports are not in it."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from boards.panels import Curves, Figure, Query, Row, board

_ORDERS, _REVENUE, _EVENTS = "offbeat_orders_total", "offbeat_revenue_total", "offbeat_events_total"
_GAP = "offbeat_order_gap_seconds_total"
_RETURNING = 'offbeat_orders_total{JOB, customer="returning"}'


def _between(span: str) -> str:
    """Mean days between the orders of returning customers."""
    return f"sum(increase({_GAP}{{JOB}}[{span}])) / sum(increase({_RETURNING}[{span}])) / 86400"


_STEPS = "product.viewed|cart.item_added|checkout.started|order.completed"
_GLANCE = Row(
    "At a glance",
    (
        Figure("Orders", "In the time shown.", "short", f"sum(increase({_ORDERS}{{JOB}}[$__range]))"),
        Figure("Revenue", "In the time shown, by currency, before refunds.", "short",
               f"sum by (currency) (increase({_REVENUE}{{JOB}}[$__range]))"),
        Figure("By returning customers", "Share of the orders.", "percentunit",
               f"sum(increase({_RETURNING}[$__range])) / sum(increase({_ORDERS}{{JOB}}[$__range]))"),
        Figure("Between orders", "Days, on average, of the orders that came in the time shown.", "d",
               _between("$__range")),
        Figure("Cancelled or refunded", "To orders.", "percentunit",
               f'sum(increase({_EVENTS}{{JOB, type=~"order.cancelled|order.refunded"}}[$__range])) '
               f"/ sum(increase({_ORDERS}{{JOB}}[$__range]))"),
        Figure("Customers", "Remembered.", "short", "sum(offbeat_customers{JOB})"),
    ),
)  # fmt: skip
_SALES = Row(
    "Sales",
    (
        Curves("Orders", "In an hour, by new and by returning customers.", "short",
               (Query(f"sum by (customer) (increase({_ORDERS}{{JOB}}[1h]))", "{{customer}}"),), stacked=True),
        Curves("Revenue", "In an hour, by currency, before refunds.", "short",
               (Query(f"sum by (currency) (increase({_REVENUE}{{JOB}}[1h]))", "{{currency}}"),)),
        Curves("By returning customers", "Share of a day's orders.", "percentunit",
               (Query(f"sum(increase({_RETURNING}[1d])) / sum(increase({_ORDERS}{{JOB}}[1d]))", "returning"),)),
        Curves("Between orders", "Days, on average, of a day's orders.", "d", (Query(_between("1d"), "days"),)),
        Curves("From looking to buying", "Events in an hour.", "short",
               (Query(f'sum by (type) (increase({_EVENTS}{{JOB, type=~"{_STEPS}"}}[1h]))', "{{type}}"),)),
        Curves("Taken back", "Orders cancelled and refunded, in an hour.", "short",
               (Query(f'sum by (type) (increase({_EVENTS}{{JOB, type=~"order.cancelled|order.refunded"}}[1h]))',
                      "{{type}}"),)),
    ),
)  # fmt: skip


def shop() -> Dashboard:
    return board(
        "offbeat-shop",
        "Offbeat: shop",
        "Orders, revenue, returning customers.",
        (_GLANCE, _SALES),
        since="now-7d",
    )
