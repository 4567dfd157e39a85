"""Whatever is coalesced, what is shown in the end is what each batch by itself would have led to."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from agents.core import Settled
from agents.decisions import Decision, RuleRef, Trigger
from streams.views.backlog import Backlog, Change

KEYS = [b"ann", b"bob", b"c:{x}"]
_ids = count()


def trigger(key: bytes, *, held_back: bool = False) -> Trigger:
    name = f"t{next(_ids)}"
    found = Trigger(
        trigger_id=name,
        type="cart.abandoned",
        customer_id=key.decode(),
        rule=RuleRef("cart.abandoned", "1"),
        due_at="2024-01-01T00:00:00.000Z",
        fired_at="2024-01-01T00:00:00.000Z",
        expires_at="2024-01-02T00:00:00.000Z",
        reason="",
        evidence={},
    )
    if held_back:
        found.suppressed_by = "stale"
    return found


@st.composite
def batches(draw: st.DrawFn) -> Settled:
    """What a core comes to: each customer decided about, then maybe dropped, then maybe back and decided about."""
    decisions: list[Decision] = []
    changes: dict[bytes, bytes | None] = {}
    dropped: dict[bytes, int] = {}
    for key in draw(st.lists(st.sampled_from(KEYS), unique=True)):
        decisions += [trigger(key, held_back=draw(st.booleans())) for _ in range(draw(st.integers(0, 2)))]
        changes[key] = b"state %d" % next(_ids)
        if draw(st.booleans()):
            dropped[key] = len(decisions)
            changes[key] = None
            if draw(st.booleans()):
                decisions += [trigger(key) for _ in range(draw(st.integers(0, 2)))]
                changes[key] = b"state %d" % next(_ids)
            elif draw(st.booleans()):
                del changes[key]  # it was new: no tombstone
    return Settled(changes, decisions, [], {}, dropped)


class Shown:
    """What a store holds."""

    def __init__(self) -> None:
        self.views: dict[bytes, bytes] = {}
        self.sent: dict[bytes, list[str]] = {}

    def write(self, changes: Backlog) -> None:
        for key, wiped, packed, sent, _ in changes:
            if wiped:
                self.views.pop(key, None)
                self.sent.pop(key, None)
            if packed is not None:
                self.views[key] = packed
            if sent:
                self.sent.setdefault(key, []).extend(decision.trigger_id for decision in sent)


@given(st.lists(batches(), max_size=8), st.data())
def test_in_whatever_parts_the_outcome_is_the_same(settled: list[Settled], data: st.DataObject) -> None:
    one_by_one, coalesced = Shown(), Shown()
    waiting = Backlog()
    for batch in settled:
        one_by_one.write(Backlog.of(batch))
        how = data.draw(st.sampled_from(["add", "follow", "write first", "put back"]))
        if how == "write first":
            coalesced.write(waiting)
            waiting = Backlog()
        if how == "put back":  # a round took it, and failed before anything was written
            taken, waiting = waiting, Backlog()
            waiting.add(batch)
            taken.follow(waiting)
            waiting = taken
        elif how == "follow":
            waiting.follow(Backlog.of(batch))
        else:
            waiting.add(batch)
    coalesced.write(waiting)
    assert (coalesced.views, coalesced.sent) == (one_by_one.views, one_by_one.sent)


@given(st.lists(batches(), min_size=1, max_size=5))
def test_each_customer_waits_once(settled: list[Settled]) -> None:
    waiting = Backlog()
    for batch in settled:
        waiting.add(batch)
    keys = [change.key for change in waiting]
    assert len(keys) == len(set(keys)) == len(waiting)


def test_what_was_held_back_was_not_sent() -> None:
    went, held = trigger(b"ann"), trigger(b"ann", held_back=True)
    assert [*Backlog.of(Settled({b"ann": b"s"}, [went, held], [], {}, {}))] == [
        Change(b"ann", wiped=False, packed=b"s", sent=(went,), healed=False)
    ]


def test_shedding_keeps_who_is_gone() -> None:
    waiting = Backlog.of(Settled({b"ann": b"s", b"bob": None}, [trigger(b"ann")], [], {}, {b"bob": 0}))
    waiting.heal([(b"cid", b"s")])
    assert waiting.shed() == 2
    assert [*waiting] == [Change(b"bob", wiped=True, packed=None, sent=(), healed=False)]
