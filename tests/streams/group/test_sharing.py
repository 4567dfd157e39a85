"""Every number has one owner, nobody has two more than another, and no other way would leave more where they are."""

from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from streams.group.sharing import share

_COUNTS = st.integers(0, 24)
_MEMBERS = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=7, unique=True)


@st.composite
def owned(draw: st.DrawFn) -> tuple[int, dict[str, set[int]]]:
    """Numbers of which each has one owner, or none, however unevenly."""
    count, members = draw(_COUNTS), draw(_MEMBERS)
    owners = draw(st.lists(st.sampled_from([*members, ""]), min_size=count, max_size=count))
    return count, {name: {number for number, owner in enumerate(owners) if owner == name} for name in members}


@st.composite
def claimed(draw: st.DrawFn) -> tuple[int, dict[str, set[int]]]:
    """Whatever members may claim: also what others claim, and what does not exist."""
    count, members = draw(_COUNTS), draw(_MEMBERS)
    return count, {name: draw(st.sets(st.integers(-1, 26))) for name in members}


def staying(claims: dict[str, set[int]], shares: dict[str, list[int]]) -> int:
    return sum(len(numbers & set(shares[name])) for name, numbers in claims.items())


def most_staying(count: int, claims: dict[str, set[int]]) -> int:
    """By trying all ways to say who has one more than the least; each number has one owner at the most."""
    least, more = divmod(count, len(claims))
    return max(
        sum(min(len(numbers), least + (name in chosen)) for name, numbers in claims.items())
        for chosen in combinations(claims, more)
    )


@given(claimed())
def test_each_number_has_one_owner_and_all_have_alike(case: tuple[int, dict[str, set[int]]]) -> None:
    count, claims = case
    shares = share(count, claims)
    assert shares.keys() == claims.keys()
    assert sorted(number for numbers in shares.values() for number in numbers) == [*range(count)]
    assert max(map(len, shares.values())) - min(map(len, shares.values())) <= 1


@given(owned())
def test_no_other_way_would_move_fewer(case: tuple[int, dict[str, set[int]]]) -> None:
    count, claims = case
    assert staying(claims, share(count, claims)) == most_staying(count, claims)


@given(claimed())
def test_shared_again_nothing_moves(case: tuple[int, dict[str, set[int]]]) -> None:
    count, claims = case
    shares = share(count, claims)
    assert share(count, shares) == shares


@given(claimed(), st.randoms(use_true_random=False))
def test_the_order_of_claims_does_not_matter(case: tuple[int, dict[str, set[int]]], random: Random) -> None:
    count, claims = case
    names = list(claims)
    random.shuffle(names)
    assert share(count, {name: sorted(claims[name], reverse=True) for name in names}) == share(count, claims)


def test_what_two_claim_stays_with_who_claims_least() -> None:
    shares = share(5, {"back": {0, 1, 2}, "owner": {0, 1}, "other": {4}})
    assert shares == {"back": [2, 3], "owner": [0, 1], "other": [4]}


def test_nobody_and_nothing() -> None:
    assert share(3, {}) == {}
    assert share(0, {"a": [], "b": [7]}) == {"a": [], "b": []}
    assert share(1, {"a": [], "b": [], "c": [0]}) == {"a": [], "b": [], "c": [0]}
