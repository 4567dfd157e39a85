"""Who gets which partition numbers: evenly, and so that few of them move. Pure; for streams.group.assignor."""

from collections.abc import Iterable, Mapping


def share(count: int, claims: Mapping[str, Iterable[int]]) -> dict[str, list[int]]:
    """Give each number below `count` to one member; `claims` tells what each of them has had.

    No member gets two more than another. Of all such ways it is one in which the fewest numbers leave somebody who has
    them; what several claim (one of them was away and has not heard) stays with who claims least. The same claims give
    the same shares, in whatever order they come.
    """
    if not claims:
        return {}
    kept = _settle(count, claims)
    least, more = divmod(count, len(kept))
    # who has most is let have one more than the least: any other choice would move more
    order = sorted(kept, key=lambda member: (-len(kept[member]), member))
    room = {member: least + (place < more) for place, member in enumerate(order)}
    shares = {member: kept[member][: room[member]] for member in order}
    free = iter(sorted(set(range(count)).difference(*shares.values())))
    for member, numbers in shares.items():
        numbers += [next(free) for _ in range(room[member] - len(numbers))]
        numbers.sort()
    return shares


def _settle(count: int, claims: Mapping[str, Iterable[int]]) -> dict[str, list[int]]:
    """The claims, sorted, without those to numbers that do not exist or that somebody else keeps."""
    claimed = {member: {number for number in numbers if 0 <= number < count} for member, numbers in claims.items()}
    owner: dict[int, str] = {}
    for member in sorted(claimed, key=lambda member: (len(claimed[member]), member)):
        for number in claimed[member]:
            owner.setdefault(number, member)
    return {member: sorted(n for n in numbers if owner[n] == member) for member, numbers in claimed.items()}
