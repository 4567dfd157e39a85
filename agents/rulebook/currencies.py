"""What amounts in other currencies are worth, as a rules file says in its table `[currencies]`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.rulebook.kinds import Number

MOST = 200
LONGEST = 8
"""Characters of a currency, as in an event."""
RATE = Number(0.0, 1e9)


@dataclass(frozen=True, slots=True)
class Currencies:
    """Rates by currency; the one of 1 is what the others are turned into. Without rates each stands for itself."""

    rates: Mapping[str, float] = field(default_factory=dict)
    base: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Raises ValueError, with the whole sentence."""
        if not self.rates:
            return
        bases = [name for name, rate in self.rates.items() if rate == 1.0]
        if len(bases) != 1:
            raise ValueError("one currency must have the rate 1.0, and only one: the others are turned into it")
        if len(self.rates) > MOST:
            raise ValueError(f"{len(self.rates)} currencies; at most {MOST} are allowed")
        object.__setattr__(self, "base", bases[0])

    def turned(self, currency: str, amount: float) -> tuple[str, float, float]:
        """The currency in which the amount is compared, the amount in it, and the rate between the two."""
        rate = self.rates.get(currency) if self.rates else None
        return (currency, amount, 1.0) if rate is None else (self.base, amount * rate, rate)


APART = Currencies()
"""No rates."""
