"""The windows that are held against what came: those of 50, 80 and 90 % of a customer's gaps."""

LEVELS = (0.5, 0.8, 0.9)
NAMES = tuple(f"{level:g}" for level in LEVELS)
"""As reports and metrics call them."""
