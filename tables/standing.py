"""Where a shop's customers stand among each other: quantiles of what they have spent and of what they are worth."""

from collections.abc import Mapping
from itertools import pairwise
from math import exp, isfinite, log

from msgspec import Struct

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Shares of customers who come to no more."""
MOST = 64
"""Currencies of one shop."""

Quantiles = tuple[float, float, float, float, float, float, float, float, float, float]
"""Money at each of LEVELS."""


class Standing(Struct, frozen=True, forbid_unknown_fields=True):
    """By currency, in major units; without those of too few customers. Raises ValueError for what are no quantiles."""

    revenue: dict[str, Quantiles]
    """Of what a customer has spent until the fit."""
    value: dict[str, Quantiles]
    """Of what a customer is expected to spend in the twelve months after it."""

    def __post_init__(self) -> None:
        for name, by_currency in (("revenue", self.revenue), ("value", self.value)):
            if len(by_currency) > MOST:
                raise ValueError(f"{name} has {len(by_currency)} currencies; {MOST} are the most")
            for currency, quantiles in by_currency.items():
                rising = all(low <= high for low, high in pairwise((0.0, *quantiles)))
                if not (rising and isfinite(quantiles[-1])):
                    raise ValueError(f"{name} of {currency}: the quantiles must be amounts that rise")


def top(quantiles: Mapping[str, Quantiles], share: float) -> dict[str, float]:
    """By currency, what the upper `share` of customers reaches; 0 < share < 1.

    Between two levels ln of the amount is straight in ln of the share; beyond the last ones it is theirs.
    """
    return {currency: _at(found, share) for currency, found in quantiles.items()}


def _at(quantiles: Quantiles, share: float) -> float:
    points = list(zip((1.0 - level for level in LEVELS), quantiles, strict=True))
    for (wide, low), (narrow, high) in pairwise(points):
        if share >= wide - 1e-9:
            return low
        if share > narrow + 1e-9:
            part = (log(wide) - log(share)) / (log(wide) - log(narrow))
            return low + part * (high - low) if low <= 0.0 else exp(log(low) + part * (log(high) - log(low)))
    return quantiles[-1]
