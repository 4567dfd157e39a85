"""States that releases have written are read by every later one: files in tests/tables/golden."""

import json
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from tables import customerform as module
from tables.customer import NEVER, Customer, StateError
from tables.customerform import OLDEST, VERSION, pack, read_head, unpack
from tests.tables.golden import CUSTOMERS, PLAN, STRUCTS, contents, path_of, shape, told

MEND = "raise VERSION in tables/customerform.py and run: python -m tests.tables.golden"


def golden(form: int) -> Any:
    return json.loads(path_of(form).read_text("utf-8"))


def covers(found: Any, expected: Any) -> bool:
    """Whether all that was told then is there now, whatever fields have come since."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            name in found and covers(found[name], expected[name]) for name in expected
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(covers, found, expected))
    return bool(found == expected)


@pytest.mark.parametrize("form", range(OLDEST, VERSION + 1))
def test_every_form_is_read(form: int) -> None:
    file = golden(form)
    states = file["states"]
    assert len(states) >= 3
    if "waiting" in file:
        states.append(file["waiting"])
    for state in states:
        packed = bytes.fromhex(state["packed"])
        assert packed[0] == form
        assert covers(told(unpack(packed)), state["state"]), state["name"]
        assert read_head(packed) == (PLAN, min(state["state"]["wake"], NEVER))


def test_this_form_is_written_as_it_was() -> None:
    for state in golden(VERSION)["states"]:
        packed = bytes.fromhex(state["packed"])
        assert pack(unpack(packed), PLAN) == packed, f"{state['name']}: {MEND}"


def test_the_fields_of_a_form_never_change() -> None:
    """Else a worker of before would drop what a later one has added, after a downgrade or in a rolling upgrade."""
    assert golden(VERSION)["fields"] == shape(), MEND
    assert golden(VERSION) == contents(), MEND


def test_the_comparison_can_fail() -> None:
    state = golden(VERSION)["states"][1]["state"]
    other = json.loads(json.dumps(state))
    other["cart"]["lines"]["tea"]["quantity"] += 1
    assert covers(state, state)
    assert not covers(state, other)
    del other["cart"]
    assert covers(state, other)
    assert not covers(other, state)


def structs(value: object) -> list[msgspec.Struct]:
    """A state and all that it holds."""
    if isinstance(value, msgspec.Struct):
        inner = [structs(getattr(value, field.name)) for field in msgspec.structs.fields(value)]
        return [value, *(found for part in inner for found in part)]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [found for part in parts for found in structs(part)]


def test_the_files_hold_every_field_with_a_value_of_its_own() -> None:
    there = [found for customer in CUSTOMERS.values() for found in structs(customer)]
    assert {type(found) for found in there} == set(STRUCTS)
    for struct in STRUCTS:
        for field in msgspec.structs.fields(struct):
            values = [getattr(found, field.name) for found in there if type(found) is struct]
            default = field.default_factory() if callable(field.default_factory) else field.default
            assert any(value not in (None, default) for value in values), f"{struct.__name__}.{field.name}"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> type[msgspec.Struct]:
    """The next release is in force for this test: one more field, and a form of its own."""
    fields = [
        (field.name, field.type, msgspec.field(default_factory=list) if field.name == "open" else field.default)
        for field in msgspec.structs.fields(Customer)
    ]
    struct = msgspec.defstruct("Later", [*fields, ("visits", int, 0)], array_like=True)
    monkeypatch.setattr(module, "VERSION", VERSION + 1)
    monkeypatch.setattr(module, "_decode", msgspec.msgpack.Decoder(struct).decode)
    return struct


@pytest.mark.interpreted
def test_the_next_release_reads_what_this_one_has_written(later: type[msgspec.Struct]) -> None:
    for state in golden(VERSION)["states"]:
        found = unpack(bytes.fromhex(state["packed"]))
        assert isinstance(found, later)
        assert told(found) == {**state["state"], "visits": 0}
        assert pack(found, PLAN)[0] == VERSION + 1


@pytest.mark.interpreted
def test_this_release_refuses_what_the_next_one_has_written() -> None:
    with patch.object(module, "VERSION", VERSION + 1):
        written = pack(CUSTOMERS["everything"], PLAN)
    for read in (unpack, read_head):
        with pytest.raises(StateError, match="newer version"):
            read(written)
