"""What an order does to a customer's baskets. Apart from `tables.basket`, so that it can be compiled."""

from tables.basket import Basket


def join(basket: Basket, total: float, y: float) -> None:
    """One more (Welford 1962), whose log counts as `y`."""
    n, mean = basket.n + 1, basket.mean_ln
    d = y - mean
    mean += d / n
    basket.n = n
    basket.revenue += total
    basket.mean_ln = mean
    basket.ss += d * (y - mean)


def leave(basket: Basket, total: float, y: float) -> None:
    """One less, whose log counted as `y`: `join` backwards."""
    n = basket.n = basket.n - 1
    if not n:
        basket.revenue = basket.mean_ln = basket.ss = 0.0
        return
    basket.revenue = max(0.0, basket.revenue - total)
    d = y - basket.mean_ln
    mean = basket.mean_ln = basket.mean_ln - d / n
    basket.ss = max(0.0, basket.ss - d * (y - mean)) if n > 1 else 0.0
