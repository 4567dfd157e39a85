"""The rules and the guards: every number that decides, with its default and what it may be.

Durations are whole milliseconds. A rule's name is its trigger type. `load_rules` reads the TOML file that changes them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

from agents.rulebook.currencies import LONGEST, RATE, Currencies
from agents.rulebook.guardrules import Guards
from agents.rulebook.kinds import Number, duration, flag, settable, setting, share, whole
from agents.rulebook.rulesfile import Names, RulesError, read_sections

__all__ = ["NAMES", "Currencies", "Guards", "Rule", "Rules", "RulesError", "load_rules"]

_OF_AMOUNTS = frozenset({"basket.shrunk", "basket.shrinking", "basket.grown"})
_NOT_DECIDING = frozenset({"enabled", "max_age", "expires"})
_YEARS_5 = "1825d"


@dataclass(frozen=True, slots=True)
class Rule:
    """What every rule has: a timer due longer ago than `max_age` is stale, a trigger is of use for `expires`."""

    NAME: ClassVar[str] = ""
    REVISION: ClassVar[int] = 1
    """Of what the rule does with its settings: rises when the same settings decide differently."""

    enabled: bool = flag(True)
    max_age: int = duration("72h", "1m", "365d")
    expires: int = duration("72h", "1m", "365d")


@dataclass(frozen=True, slots=True)
class RepurchaseDue(Rule):
    """The customer's expected next order: the median of the gap, given that it closes within `within`."""

    NAME: ClassVar[str] = "repurchase.due"

    expires: int = duration("7d", "1m", "365d")
    min_orders: int = whole(2, 1, 1000)
    within: int = duration("365d", "1d", _YEARS_5)


@dataclass(frozen=True, slots=True)
class RepurchaseOverdue(Rule):
    """The gap is past its `window` quantile, and P(no order within `horizon`) is at least `probability`."""

    NAME: ClassVar[str] = "repurchase.overdue"

    expires: int = duration("30d", "1m", "365d")
    min_orders: int = whole(2, 2, 1000)
    window: float = share(0.8)
    horizon: int = duration("90d", "1d", _YEARS_5)
    probability: float = share(0.8)


@dataclass(frozen=True, slots=True)
class FirstPurchaseLapsed(Rule):
    """As `repurchase.overdue`, for customers with one order, from the population's rhythm."""

    NAME: ClassVar[str] = "first_purchase.lapsed"

    expires: int = duration("30d", "1m", "365d")
    window: float = share(0.8)
    horizon: int = duration("90d", "1d", _YEARS_5)
    probability: float = share(0.8)


@dataclass(frozen=True, slots=True)
class ProductReplenishDue(Rule):
    """A product bought on `min_purchases` days or more will be needed within `lead`, by the customer's own interval.

    Only where nine in ten intervals end before `spread` times what one in ten ends before; what is due within
    `together` of it is told with it.
    """

    NAME: ClassVar[str] = "product.replenish_due"

    expires: int = duration("14d", "1m", "365d")
    min_purchases: int = whole(3, 3, 1000)
    lead: int = duration("0s", "0s", "90d")
    spread: float = setting(Number(1.0, 1000.0), 7.0)
    together: int = duration("24h", "0s", "30d")


@dataclass(frozen=True, slots=True)
class LoyalAtRisk(Rule):
    """A customer of the top `share` by revenue, of whom P(alive) has fallen to `alive`; `min_orders` or more."""

    NAME: ClassVar[str] = "loyal.at_risk"

    expires: int = duration("30d", "1m", "365d")
    min_orders: int = whole(3, 2, 1000)
    alive: float = share(0.5)
    share: float = share(0.1)


@dataclass(frozen=True, slots=True)
class CartAbandoned(Rule):
    """A cart that is not empty, untouched for `after`."""

    NAME: ClassVar[str] = "cart.abandoned"

    after: int = duration("4h", "1m", "90d")


@dataclass(frozen=True, slots=True)
class CheckoutAbandoned(Rule):
    """A checkout started and untouched for `after`."""

    NAME: ClassVar[str] = "checkout.abandoned"

    after: int = duration("1h", "1m", "90d")


@dataclass(frozen=True, slots=True)
class BrowseAbandoned(Rule):
    """One product viewed at least `views` times, then neither cart nor order for `after`."""

    NAME: ClassVar[str] = "browse.abandoned"

    after: int = duration("24h", "1m", "90d")
    views: int = whole(2, 1, 50)


@dataclass(frozen=True, slots=True)
class BasketShrunk(Rule):
    """One order less likely than `p` and at most `ratio` of the usual one; `min_orders` counts earlier orders."""

    NAME: ClassVar[str] = "basket.shrunk"
    REVISION: ClassVar[int] = 2

    expires: int = duration("14d", "1m", "365d")
    p: float = share(0.01)
    ratio: float = share(0.5)
    min_orders: int = whole(3, 1, 1000)


# The thresholds of trends were found on the CDNOW log, 610 customers with 13 or more orders that cost something.
# Their own amounts were shuffled, so that nothing drifts: after 3, 5 or 8 earlier orders 9 % of such customers are
# told of a trend within 10 more orders (about a year), in each direction, and 2 % within 3. Of baskets halved for good
# 28 % are found within 3 orders, of those cut to 0.3 of their size 67 %; of doubled ones 26 %, of trebled ones 56 %.
# (Thresholds 0.7 times as high find 55 % of the halved ones, but tell three in ten of the stable customers.) In the
# orders' real sequence, drifts included, 14 % and 12 % are told. Amounts lean to the right, hence the higher
# thresholds upward. Three earlier orders: the first ones tell the customer from the population. What other shops need
# is found by `fit`, as factors on these thresholds: agents/fit/trendfit.py, agents/BASKETS.md.
@dataclass(frozen=True, slots=True)
class BasketShrinking(Rule):
    """A trend down: the EWMA of the baskets' z-scores or their CUSUM is beyond its threshold (both are positive)."""

    NAME: ClassVar[str] = "basket.shrinking"
    REVISION: ClassVar[int] = 2

    expires: int = duration("14d", "1m", "365d")
    ewma: float = share(0.91, 3.0)  # a score counts 2.5 at the most
    cusum: float = share(2.8, 1000.0)
    min_orders: int = whole(3, 1, 1000)


@dataclass(frozen=True, slots=True)
class BasketGrown(Rule):
    """As `basket.shrinking`, upwards."""

    NAME: ClassVar[str] = "basket.grown"
    REVISION: ClassVar[int] = 2

    expires: int = duration("14d", "1m", "365d")
    ewma: float = share(1.0, 3.0)
    cusum: float = share(3.4, 1000.0)
    min_orders: int = whole(3, 1, 1000)


TYPES: Mapping[str, type[Rule]] = {
    rule.NAME: rule
    for rule in (
        RepurchaseDue,
        RepurchaseOverdue,
        FirstPurchaseLapsed,
        ProductReplenishDue,
        LoyalAtRisk,
        CartAbandoned,
        CheckoutAbandoned,
        BrowseAbandoned,
        BasketShrunk,
        BasketShrinking,
        BasketGrown,
    )
}
NAMES = tuple(TYPES)
"""The rules, by trigger type."""


@dataclass(frozen=True, slots=True)
class Rules:
    """A set of rules. `versions` tells per rule, `fingerprint` for all together, whether two sets decide alike."""

    repurchase_due: RepurchaseDue = field(default_factory=RepurchaseDue)
    repurchase_overdue: RepurchaseOverdue = field(default_factory=RepurchaseOverdue)
    first_purchase_lapsed: FirstPurchaseLapsed = field(default_factory=FirstPurchaseLapsed)
    product_replenish_due: ProductReplenishDue = field(default_factory=ProductReplenishDue)
    loyal_at_risk: LoyalAtRisk = field(default_factory=LoyalAtRisk)
    cart_abandoned: CartAbandoned = field(default_factory=CartAbandoned)
    checkout_abandoned: CheckoutAbandoned = field(default_factory=CheckoutAbandoned)
    browse_abandoned: BrowseAbandoned = field(default_factory=BrowseAbandoned)
    basket_shrunk: BasketShrunk = field(default_factory=BasketShrunk)
    basket_shrinking: BasketShrinking = field(default_factory=BasketShrinking)
    basket_grown: BasketGrown = field(default_factory=BasketGrown)
    guards: Guards = field(default_factory=Guards)
    currencies: Currencies = field(default_factory=Currencies)
    versions: dict[str, str] = field(init=False, compare=False, repr=False)
    """Per rule its REVISION and 8 hex digits of its deciding settings: not of `enabled`, `max_age`, `expires`."""
    fingerprint: int = field(init=False, compare=False, repr=False)
    """32 bits, unsigned, over all settings of all rules: another value means that timers must be armed anew."""

    def __post_init__(self) -> None:
        rules = self.by_name()
        rates = dict(self.currencies.rates)
        versions = {name: _version(name, rule, rates if name in _OF_AMOUNTS else {}) for name, rule in rules.items()}
        whole_set = [[rule.REVISION, name, _values(rule)] for name, rule in rules.items()]
        object.__setattr__(self, "versions", versions)
        object.__setattr__(self, "fingerprint", int.from_bytes(_digest(whole_set), "big"))

    def by_name(self) -> dict[str, Rule]:
        """The rules by trigger type, in the order of `NAMES`."""
        return {name: getattr(self, field_name(name)) for name in NAMES}

    def named_as(self, other: "Rules") -> "Rules":
        """These rules under the versions of others: what both decide for the same cause gets the same trigger id."""
        twin = replace(self)
        object.__setattr__(twin, "versions", other.versions)
        return twin

    def warnings(self) -> list[str]:
        """One line for each guard that a file has set and that this version does not apply."""
        return self.guards.warnings()


def field_name(name: str) -> str:
    """The field of `Rules` that holds the rule of this trigger type."""
    return name.replace(".", "_")


def rules_named(path: str | Path | None) -> Rules:
    """The rules of the file that a setting names; the defaults where it names none. RulesError as `load_rules`."""
    return load_rules(path) if path else Rules()


def load_rules(path: str | Path) -> Rules:
    """The rules of a TOML file, defaults where it is silent; RulesError, one line, when anything in it is wrong."""
    sections = read_sections(path, {**TYPES, "guards": Guards, "currencies": _CURRENCIES})
    guards, currencies = sections.pop("guards", {}), Currencies(sections.pop("currencies", {}))
    rules: dict[str, Any] = {field_name(name): TYPES[name](**values) for name, values in sections.items()}
    return Rules(guards=Guards(**guards, given=frozenset(guards)), currencies=currencies, **rules)


_CURRENCIES = Names("a currency", LONGEST, RATE, Currencies)


def _values(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in settable(type(rule))}


def _version(name: str, rule: Rule, rates: dict[str, float]) -> str:
    deciding: dict[str, Any] = {key: value for key, value in _values(rule).items() if key not in _NOT_DECIDING}
    if rates:
        deciding["currencies"] = rates
    return f"{rule.REVISION}-{_digest([name, deciding]).hex()}"


def _digest(value: object) -> bytes:
    # sorted JSON: a float's shortest form and this hash are the same in every Python and every process
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=4).digest()
