"""What is known of how long products last, before a customer has bought one: a section of the parameters."""

from msgspec import Struct

from tables.ranges import location, positive

MOST_CATEGORIES = 300
"""With a rhythm of their own, so that the parameters stay small."""


class ProductRhythm(Struct, frozen=True, forbid_unknown_fields=True):
    """Intervals between purchases of a product by one customer: their log is normal, with a normal-inverse-gamma prior.

    mean | variance ~ Normal(mu, variance / k), variance ~ InverseGamma(a, b); natural logs of days, for one piece.
    Raises ParametersError for a value that is not finite, not positive or out of range.
    """

    mu: float
    k: float
    a: float
    b: float

    def __post_init__(self) -> None:
        location("products.mu", self.mu, 20)
        positive("products.k", self.k)
        positive("products.a", self.a)
        positive("products.b", self.b)


class ProductPrior(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The rhythm of all products, and of categories that have shown one of their own.

    slope | variance ~ Normal(slope, variance / slope_k): what more of it does to the interval; 1: of twice the
    quantity it is twice as long, 0: nothing. Raises ParametersError as ProductRhythm does.
    """

    overall: ProductRhythm
    slope: float
    slope_k: float
    categories: dict[str, ProductRhythm] = {}

    def __post_init__(self) -> None:
        location("products.slope", self.slope, 5)
        positive("products.slope_k", self.slope_k)

    def of(self, category: str | None) -> ProductRhythm:
        """The category's rhythm, or that of all."""
        return self.overall if category is None else self.categories.get(category, self.overall)
