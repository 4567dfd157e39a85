"""What parameters of models may be."""

LEAST, MOST = 1e-6, 1e6
"""Positive parameters outside are a unit mixed up or a fit that failed, and the models would lose digits."""


class ParametersError(ValueError):
    """The parameters cannot be used; whoever wrote the file or the setting must mend it. One line says how."""


def location(name: str, value: float, limit: float) -> None:
    """Raises ParametersError unless the value lies within `limit` of 0."""
    if not -limit <= value <= limit:
        raise ParametersError(f"{name} is {value:g}; it must lie between {-limit:g} and {limit:g}")


def positive(name: str, value: float, most: float = MOST) -> None:
    """Raises ParametersError unless the value lies between LEAST and `most`."""
    if not LEAST <= value <= most:
        raise ParametersError(f"{name} is {value:g}; it must lie between {LEAST:g} and {most:g}")
