"""Scripts drawn from a seed: two producers of one transactional id and one of another, which do as they please."""

import random

WHO = ("a1", "a2", "b1")
NUMBERS = (0, 1)
STEPS = 60
_OFTEN = {
    "init": 4,
    "add": 14,
    "produce": 22,
    "again": 6,
    "gap": 2,
    "group": 5,
    "offsets": 7,
    "commit": 9,
    "abort": 5,
    "read": 9,
    "committed": 3,
}
"""How often each step is drawn, beside the others."""


def drawn(rng: random.Random) -> list[str]:
    """The steps of a script; the same state of `rng` gives the same."""
    steps = [f"init {who}" for who in WHO]
    for index in range(STEPS):
        kind = rng.choices(list(_OFTEN), list(_OFTEN.values()))[0]
        who, number = rng.choice(WHO), rng.choice(NUMBERS)
        match kind:
            case "init" | "group" | "commit" | "abort":
                steps.append(f"{kind} {who}")
            case "produce":
                steps.append(f"produce {who} {number} {' '.join(f'v{index}.{n}' for n in range(rng.randint(1, 3)))}")
            case "again":
                steps.append(f"again {who} {number} {rng.choice((0, 0, 1, 4, 5))}")
            case "offsets":
                steps.append(f"offsets {who} {number} {index}")
            case "read" | "committed":
                steps.append(f"{kind} {number}")
            case _:
                steps.append(f"{kind} {who} {number}")
    return [*steps, *(f"{kind} {number}" for kind in ("read", "committed") for number in NUMBERS)]
