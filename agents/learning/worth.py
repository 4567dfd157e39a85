"""From how many orders on it is worth the while to fit a shop anew.

Apart from the fits: a worker asks this, and leaves them, with all that they import, to a process of their own.
"""

FIRST = 100
"""Orders of the shop, at which it is for the first time."""
GROWN = 3.0
"""So many times the orders of the last refit are worth another one at once."""
