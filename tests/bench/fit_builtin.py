"""Fit the built-in population parameters to the CDNOW log: `python -m tests.bench.fit_builtin` prints them.

The log (69,659 orders of 23,570 customers, January 1997 to June 1998) is a file inside the wheel of `lifetimes`. Rows
of one customer and day are one order here, amounts are dollars. Nothing holds the fit: it is the likeliest one.
"""

import numpy as np

from agents.fit.basketfit import fit_basket
from agents.fit.basketfit import ln_likelihood as basket_ln_likelihood
from agents.fit.fitting import baskets_of, snapshot_at
from agents.fit.histories import Orders, orders_of
from agents.fit.timingfit import fit_timing
from agents.fit.timinglikelihood import free, ln_likelihood
from streams.demo import cdnow
from tables.parameters import BasketPrior

END = cdnow.END - cdnow.DAY
"""Epoch ms: the day of the last order, at whose end the age of an open gap is counted in whole days."""


def read_cdnow() -> Orders:
    """A customer's orders of a day as one. Raises streams.demo.cdnow.DataError."""
    totals: dict[tuple[int, int], float] = {}
    for number, (_, rows) in enumerate(sorted(cdnow.read_cdnow().items())):
        for row in rows:
            totals[number, row.day] = totals.get((number, row.day), 0.0) + row.dollars
    customer, at = np.array(list(totals), dtype=np.int64).T
    return orders_of(customer, at, np.array(list(totals.values())), np.zeros(len(totals), dtype=np.int64))


def free_of(prior: BasketPrior) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A basket prior as `agents.fit.basketfit.ln_likelihood` takes it."""
    return np.array([prior.m0, *np.log([prior.k0, prior.a0, prior.b0])])


def main() -> None:
    """Print both fits to four digits."""
    orders = read_cdnow()
    seen, baskets = snapshot_at(orders, END), baskets_of(orders)
    timing, basket = fit_timing(seen, hold=0.0), fit_basket(baskets)
    for name in ("mu0", "tau2", "a", "b"):
        print(f"{name} {getattr(timing, name):.4g}")
    print("weights", *(f"{weight:.4g}" for weight in timing.weights))
    for name in ("m0", "k0", "a0", "b0"):
        print(f"{name} {getattr(basket, name):.4g}")
    print(f"ln likelihood: timing {ln_likelihood(free(timing), seen)[0]:.3f}, "
          f"basket {basket_ln_likelihood(free_of(basket), baskets)[0]:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
