"""Values in the units of the dashboards, about as Grafana writes them."""

from collections.abc import Sequence

_SECONDS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))
_BYTES = ((float(1 << 30), "GiB"), (float(1 << 20), "MiB"), (1024.0, "KiB"), (1.0, "B"))
_COUNTS = ((1e9, "Bil"), (1e6, "Mil"), (1e3, "K"), (1.0, ""))


def shown(value: float, unit: str) -> str:
    """`unit` as Grafana calls it."""
    match unit:
        case "s":
            return _scaled(value, _SECONDS)
        case "bytes":
            return _scaled(value, _BYTES)
        case "percentunit":
            return f"{_plain(value * 100)}%"
        case "d":
            return f"{_plain(value)} d"
        case "ops":
            return f"{_scaled(value, _COUNTS)} ops/s"
        case "none":
            return _plain(value)
        case _:
            return _scaled(value, _COUNTS)


def _scaled(value: float, sizes: Sequence[tuple[float, str]]) -> str:
    """In the largest of these sizes that it reaches, else in the smallest; nothing is nothing in any."""
    if not value:
        return "0"
    size, name = next(((size, name) for size, name in sizes if abs(value) >= size), sizes[-1])
    return f"{_plain(value / size)} {name}".rstrip()


def _plain(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.3g}"
