"""Population parameters: what is known of a customer before the first order, and the file that carries it.

The file is JSON: {"version", "timing": {"mu0", "tau2", "a", "b", "weights"}, "basket": {"m0", "k0", "a0", "b0"}}.
What `fit` adds to it has a default that leaves the model as it is without: files of before are read.
"""

import hashlib
import math
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from tables.clock import Pace
from tables.live import Live
from tables.productprior import ProductPrior, ProductRhythm
from tables.ranges import ParametersError as ParametersError  # noqa: PLC0414 - as before, whoever loads a file finds it here
from tables.ranges import location as _location
from tables.ranges import positive as _positive
from tables.standing import Standing

SIGMAS = (0.2, 0.4, 0.7, 1.0, 1.4)
"""How irregular a customer can be: standard deviations of the log gap, one per class, from the most regular on."""

KNOTS = (1.0, 3.0, 8.0, 25.0)
"""After how many gaps the shift of the rhythm is given; linear in ln(1 + gaps) between them, 0 before the first gap."""

MAX_BYTES = 1 << 20
"""A parameters file larger than this is taken for something else."""

Version = Annotated[str, Meta(min_length=1, max_length=64)]


class TimingPrior(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The population's rhythm: log-normal gaps, in classes of regularity, with a drop-out chance after each order.

    Gaps are in weeks. Raises ParametersError for a value that is not finite, not positive or out of range.
    """

    mu0: float
    """Mean over customers of their mean log gap."""
    tau2: float
    """Its variance between customers."""
    a: float
    b: float
    """Beta(a, b) is the prior of a customer's chance to have gone for good after an order."""
    weights: tuple[float, float, float, float, float]
    """Share of customers in each class of SIGMAS; the sum is 1."""
    omega: float = 0.0
    """How much the newest gaps count for all: 0, every gap counts alike; 1, each counts 0.7 of the one after it."""
    shift: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """What is added to the log gap after each of KNOTS' numbers of gaps: customers slow down or speed up."""
    sigmas: tuple[float, float, float, float, float] = SIGMAS
    """Standard deviation of the log gap in each class, from the most regular on."""
    bend: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """From the model's chance u that a gap is over to the one that windows go by: logit(u) with a constant added, and
    its halves ln u and -ln(1 - u) multiplied by e to these powers. Zeros: the model's own."""
    bend_first: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The same of the gap after a customer's first order."""
    level: float = 0.0
    """Orders seen for each one that the model expects in a week, on the average; 0: the clock is not followed."""
    unsure: float = 0.0
    """Standard deviation that triggers add to the log gap, for paces of the clock that are not known yet."""
    skip: float = 0.0
    """Of regular customers: gaps of two usual ones for each usual one, and of three for each of two.

    With it every gap counts alike, so omega is 0. See agents.models.skips."""

    def __post_init__(self) -> None:
        _location("mu0", self.mu0, 20)
        _positive("tau2", self.tau2, most=100)
        _positive("a", self.a)
        _positive("b", self.b)
        self._check_classes()
        if not 0 <= self.omega <= 1:
            raise ParametersError(f"omega is {self.omega:g}; it must lie between 0 and 1")
        if not 0 <= self.skip <= 0.5:
            raise ParametersError(f"skip is {self.skip:g}; it must lie between 0 and 0.5")
        if self.skip and self.omega:
            raise ParametersError(f"skip is {self.skip:g} and omega {self.omega:g}; one of them must be 0")
        for value in self.shift:
            _location("shift", value, 5)
        if not 0 <= self.level <= 20:
            raise ParametersError(f"level is {self.level:g}; it must lie between 0 and 20")
        if not 0 <= self.unsure <= 3:
            raise ParametersError(f"unsure is {self.unsure:g}; it must lie between 0 and 3")
        for value in (*self.bend, *self.bend_first):
            _location("bend", value, 3)

    def _check_classes(self) -> None:
        if not all(0 <= weight <= 1 for weight in self.weights):
            raise ParametersError("weights must lie between 0 and 1")
        if not abs(math.fsum(self.weights) - 1) <= 1e-6:
            raise ParametersError(f"weights add up to {math.fsum(self.weights):.9g}; they must add up to 1")
        if not all(0.01 <= low < high <= 5 for low, high in pairwise((*self.sigmas, 5.0))):
            raise ParametersError("sigmas must lie between 0.01 and 5, each larger than the one before it")


class BasketPrior(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The population's baskets: the log of an order's amount is normal, with a normal-inverse-gamma prior.

    mean | variance ~ Normal(m0, variance / k0), variance ~ InverseGamma(a0, b0); natural logs of the amount.
    Raises ParametersError as TimingPrior does.
    """

    m0: float
    k0: float
    a0: float
    b0: float
    strict_down: float = 1.0
    strict_up: float = 1.0
    """What the limits of the trend rules are multiplied by, downwards and upwards, so that false alarms of this shop's
    customers are as rare as they are to be."""
    rarer: float = 1.0
    """The same for the p of single orders: at most 1."""

    def __post_init__(self) -> None:
        for strict in (self.strict_down, self.strict_up):
            if not 0.1 <= strict <= 10:
                raise ParametersError(f"strict is {strict:g}; it must lie between 0.1 and 10")
        if not 0 < self.rarer <= 1:
            raise ParametersError(f"rarer is {self.rarer:g}; it must lie above 0 and be at most 1")
        _location("m0", self.m0, 50)
        _positive("k0", self.k0)
        _positive("a0", self.a0)
        _positive("b0", self.b0)


# Level and scatter are the likeliest ones of customers with three orders or more in a log of groceries (BTYDplus;
# `python -m tests.bench.fit_products LOG`), where an order stands for a product: no free log names products for long
# enough. There the level varies less (k 0.65), but milk is not filters: it is left to the customer's own intervals.
# Twice the quantity lasts 1.6 times as long: some of it is used up faster, or not the last of it when more is bought.
BUILTIN_PRODUCTS = ProductPrior(ProductRhythm(mu=3.38, k=0.05, a=1.48, b=0.517), slope=0.7, slope_k=2.0)


class Parameters(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything the models know of a population, under a version that is part of each trigger's evidence."""

    version: Version
    timing: TimingPrior
    basket: BasketPrior
    clock: tuple[Pace, ...] = ()
    """How fast the population's clock runs: (day, days of the clock per day) from that day on; see tables.clock."""
    products: ProductPrior = BUILTIN_PRODUCTS
    standing: Standing | None = None
    """None: not known, and no rule that asks for it says anything."""
    live: Live | None = None
    """None: no worker has learned anything yet."""

    def __post_init__(self) -> None:
        for (before, _), (day, _) in pairwise(self.clock):
            if not before < day:
                raise ParametersError(f"clock: {day} comes after {before}; its days must be in order, each once")
        for day, rate in self.clock:
            if not 0.05 <= rate <= 20:
                raise ParametersError(f"clock: {rate:g} on {day}; a pace must lie between 0.05 and 20")

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits that differ when a number differs; the version's name plays no part."""
        products = () if self.products == BUILTIN_PRODUCTS else (self.products,)
        standing = () if self.standing is None else (self.standing,)
        numbers = msgspec.json.encode(
            (self.timing, self.basket, *self.clock, *products, *standing), order="deterministic"
        )
        return hashlib.blake2b(numbers, digest_size=6).hexdigest()

    @property
    def rhythm(self) -> str:
        """8 hexadecimal digits that differ when other windows come of the same gaps, in days of the clock.

        A clock that goes on leaves it as it is, and so does what only says how the clock is followed.
        """
        windows = msgspec.structs.replace(self.timing, level=0.0, unsure=0.0)
        return hashlib.blake2b(msgspec.json.encode(windows, order="deterministic"), digest_size=4).hexdigest()


# Maximum likelihood on the whole CDNOW log, as `python -m tests.bench.fit_builtin` prints it; weights to five places,
# so that they add up to 1. A tenth of the weights is spread evenly over the classes: that log has no clockwork
# customers, and with its own weights somebody who orders every 30 days would need ten orders, instead of five, to be
# seen as such.
BUILTIN = Parameters(
    version="builtin-1",
    timing=TimingPrior(mu0=2.528, tau2=1.048, a=0.3074, b=0.4137, weights=(0.02003, 0.02002, 0.0467, 0.09669, 0.81656)),
    basket=BasketPrior(m0=3.22, k0=1.603, a0=8.91, b0=2.569),
)


def dump_parameters(parameters: Parameters) -> bytes:
    """The file's content: JSON with a line break at the end; `load_parameters` gives the same numbers back."""
    return msgspec.json.format(msgspec.json.encode(parameters), indent=2) + b"\n"


def load_parameters(path: str | Path) -> Parameters:
    """Read a parameters file. Raises ParametersError, `FILE: what is wrong`, also when it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "not a file name"
        raise ParametersError(f"{path}: cannot be read: {why}") from error
    if len(raw) > MAX_BYTES:
        raise ParametersError(f"{path}: larger than 1 MiB; give the path of a parameters file")
    try:
        return msgspec.json.decode(raw, type=Parameters)
    except RecursionError:
        raise ParametersError(f"{path}: nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a ValidationError is a DecodeError
        raise ParametersError(f"{path}: {error}") from error


def parameters_named(path: str | Path | None) -> Parameters:
    """The parameters of a setting: a file's, or the built-in ones (None, or `builtin`). Raises ParametersError."""
    return BUILTIN if path is None or str(path) == "builtin" else load_parameters(path)
