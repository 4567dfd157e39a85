"""The rules file: what it may say, what comes out, and that every mistake gets one line that names it."""

import contextlib
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.rulebook.guardrules import Cap, QuietHours
from agents.rulebook.kinds import duration_text, milliseconds, read, settable
from agents.rulebook.rules import NAMES, TYPES, CartAbandoned, Guards, RepurchaseOverdue, Rules, RulesError, load_rules
from agents.rulebook.tomlfile import TomlError, TomlFile

HOUR = 3_600_000
DAY = 24 * HOUR

EXAMPLE = """\
["cart.abandoned"]
enabled = true
after = "4h"
max_age = "72h"
["repurchase.overdue"]
window = 0.8          # quantile of the customer's own gap
horizon = "90d"
probability = 0.8     # of no order within the horizon
["basket.shrunk"]
p = 0.01
ratio = 0.5
min_orders = 3        # earlier orders
[guards]
consent = "opt-out"
quiet_hours = "21:00-08:00"
timezone = "UTC"
cap = { per = "24h", count = 1 }
holdout = 0.05
breaker = true
"""


def rules_of(folder: Path, text: str | bytes) -> Rules:
    file = folder / "rules.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_rules(file)


def error_of(folder: Path, text: str | bytes) -> str:
    """The message of the error, without the folder."""
    with pytest.raises(RulesError) as caught:
        rules_of(folder, text)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    return message.replace(f"{folder}/", "")


def test_the_defaults_are_the_promised_ones() -> None:
    rules = Rules()
    assert tuple(rules.by_name()) == NAMES == tuple(rules.versions)
    assert all(rule.enabled and rule.max_age == 72 * HOUR for rule in rules.by_name().values())
    assert (rules.cart_abandoned.after, rules.checkout_abandoned.after) == (4 * HOUR, HOUR)
    assert (rules.browse_abandoned.after, rules.browse_abandoned.views) == (24 * HOUR, 2)
    assert rules.repurchase_overdue == RepurchaseOverdue(
        expires=30 * DAY, min_orders=2, window=0.8, horizon=90 * DAY, probability=0.8
    )
    assert (rules.basket_shrunk.p, rules.basket_shrunk.ratio, rules.basket_shrunk.min_orders) == (0.01, 0.5, 3)
    assert rules.repurchase_due.expires == 7 * DAY
    assert rules.guards == Guards()


def test_the_promised_example_is_read(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, EXAMPLE)
    assert replace(rules, guards=Guards()) == Rules()
    assert rules.versions == Rules().versions
    assert rules.guards == Guards(
        quiet_hours=QuietHours(21 * 60, 8 * 60),
        cap=Cap(per=24 * HOUR, count=1),
        holdout=0.05,
        given=frozenset({"consent", "quiet_hours", "timezone", "cap", "holdout", "breaker"}),
    )


def test_every_setting_of_every_rule_can_be_set(tmp_path: Path) -> None:
    default = Rules()
    for name, rule in default.by_name().items():
        lines = [f"{key} = {f.metadata['kind'].show(getattr(rule, key))}" for key, f in settable(type(rule)).items()]
        assert {f.name for f in fields(rule)} == set(settable(type(rule)))
        assert rules_of(tmp_path, f'["{name}"]\n' + "\n".join(lines)) == default


def test_changed_numbers_arrive(tmp_path: Path) -> None:
    text = 'cart.abandoned = { after = "30m", enabled = false }\n[basket.shrunk]\np = 0.05\nmax_age = "5d"\n'
    rules = rules_of(tmp_path, text)
    assert rules.cart_abandoned == CartAbandoned(after=HOUR // 2, enabled=False)
    assert (rules.basket_shrunk.p, rules.basket_shrunk.max_age) == (0.05, 5 * DAY)


@pytest.mark.parametrize("text", ["", "\ufeff[guards]\r\nbreaker = true\r\n", "# nothing"])
def test_an_empty_file_a_byte_order_mark_and_windows_lines_are_fine(tmp_path: Path, text: str) -> None:
    assert replace(rules_of(tmp_path, text), guards=Guards()) == Rules()


@pytest.mark.parametrize(
    ("text", "start", "part"),
    [
        ('["cart.abandonned"]', "rules.toml:1: cart.abandonned: ", "unknown rule; did you mean cart.abandoned?"),
        ("[cart.abandonned]", "rules.toml:1: cart.abandonned: ", "did you mean cart.abandoned?"),
        ("\n[zzz]", "rules.toml:2: zzz: ", "known are repurchase.due"),
        ("[cart]\n", "rules.toml:1: cart: ", "unknown rule"),
        ('["cart.abandoned"]\n\nafterr = "4h"', "rules.toml:3: cart.abandoned.afterr: ", "did you mean after?"),
        ('"cart.abandoned" = 4', "rules.toml:1: cart.abandoned: ", 'write ["cart.abandoned"]'),
        ('["cart.abandoned"]\nafter = 4', "rules.toml:2: cart.abandoned.after: ", "4 is not allowed; give a duration"),
        ('["cart.abandoned"]\nafter = "4 h"', "rules.toml:2: cart.abandoned.after: ", '"4 h" is not allowed'),
        ('["cart.abandoned"]\nafter = "-4h"', "rules.toml:2: ", 'from "1m" to "90d"'),
        ('["cart.abandoned"]\nafter = "٤h"', "rules.toml:2: ", "is not allowed"),
        ('["cart.abandoned"]\nafter = "91d"', "rules.toml:2: ", '"91d" is not allowed'),
        ('["cart.abandoned"]\nenabled = 1', "rules.toml:2: ", "true or false"),
        ('["browse.abandoned"]\nviews = true', "rules.toml:2: browse.abandoned.views: ", "true is not allowed"),
        ('["browse.abandoned"]\nviews = 2.0', "rules.toml:2: ", "a whole number from 1 to 50"),
        ('["browse.abandoned"]\nviews = 51', "rules.toml:2: ", "51 is not allowed"),
        ('["basket.shrunk"]\np = 0', "rules.toml:2: basket.shrunk.p: ", "a number above 0 and below 1"),
        ('["basket.shrunk"]\np = 1', "rules.toml:2: basket.shrunk.p: ", "1 is not allowed"),
        ('["basket.shrunk"]\np = nan', "rules.toml:2: basket.shrunk.p: ", "nan is not allowed"),
        ('["basket.shrunk"]\np = "0.1"', "rules.toml:2: basket.shrunk.p: ", '"0.1" is not allowed'),
        ('["basket.grown"]\ncusum = -inf', "rules.toml:2: basket.grown.cusum: ", "-inf is not allowed"),
        ('["repurchase.overdue"]\nmin_orders = 1', "rules.toml:2: ", "from 2 to 1000"),
        ('["repurchase.due"]\nwithin = "6y"', "rules.toml:2: ", 'from "1d" to "1825d"'),
        ('["cart.abandoned"]\nafter = "4h"\nafter = "5h"', "rules.toml:3: after: ", "given twice"),
        ('["cart.abandoned"]\n[guards]\n["cart.abandoned"]', "rules.toml:3: ", "given twice"),
        ('["cart.abandoned"]\n[cart.abandoned]', "rules.toml:2: cart.abandoned: ", "given twice"),
        ('["cart.abandoned"]\nafter = 4h', "rules.toml:2: after: ", "not valid TOML"),
        ('["cart.abandoned"]\nafter = """x', "rules.toml:2: ", "not valid TOML"),
        ('["cart.abandoned"\nafter = "4h"', "rules.toml:1: ", "not valid TOML"),
        (b'["cart.abandoned"]\n\xff\xfe = 3', "rules.toml:2: ", "UTF-8"),
        ("a = " + "[" * 10_000, "rules.toml:1: ", "nested too deeply"),
        ('["browse.abandoned"]\nviews = ' + "9" * 5_000, "rules.toml:", "not valid TOML"),
        ('["browse.abandoned"]\nviews = 0x' + "f" * 5_000, "rules.toml:2: ", "a value of type int is not allowed"),
        ("#" * (1 << 20) + "\n\n", "rules.toml: ", "larger than 1 MiB"),
        ('"a\\nb\\u001b" = 1', "rules.toml:1: a?b?: ", "unknown rule"),
        ('[guards]\nconsent = "no"', "rules.toml:2: guards.consent: ", '"opt-out" or "opt-in"'),
        ('[guards]\nquiet_hours = "21-8"', "rules.toml:2: guards.quiet_hours: ", '"21:00-08:00"'),
        ('[guards]\nquiet_hours = "24:00-08:00"', "rules.toml:2: ", "not allowed"),
        ('[guards]\nquiet_hours = "08:00-08:00"', "rules.toml:2: ", "whose ends differ"),
        ("[guards]\nquiet_hours = true", "rules.toml:2: ", "true is not allowed"),
        ('[guards]\ntimezone = "Mars/Olympus"', "rules.toml:2: guards.timezone: ", "Europe/Berlin"),
        ('[guards]\ntimezone = "Europe"', "rules.toml:2: guards.timezone: ", "Europe/Berlin"),
        ('[guards]\ntimezone = "../../etc/passwd"', "rules.toml:2: guards.timezone: ", "Europe/Berlin"),
        ('[guards]\ncap = { per = "24h" }', "rules.toml:2: guards.cap: ", "count = 1"),
        ('[guards]\ncap = { per = "24h", count = 0 }', "rules.toml:2: guards.cap: ", "count from 1 to 1000"),
        ("[guards]\nholdout = 1.0", "rules.toml:2: guards.holdout: ", "below 1"),
        ("[guards]\nholdout = true", "rules.toml:2: guards.holdout: ", "below 1"),
        ("[guards]\nbreaker = 'yes'", "rules.toml:2: guards.breaker: ", "true or false"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, text: str | bytes, start: str, part: str) -> None:
    message = error_of(tmp_path, text)
    assert message.startswith(start)
    assert part in message
    assert len(message) < 400


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path, tmp_path / "nul\0", tmp_path / "line\nbreak"):
        with pytest.raises(RulesError, match=r"cannot be read: .*; give the path of a TOML file") as caught:
            load_rules(path)
        assert str(caught.value).isprintable()


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_rubbish_is_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, rubbish: bytes) -> None:
    assert_refused_or_read(tmp_path_factory, rubbish)


@given(
    st.integers(0, len(EXAMPLE)),
    st.integers(0, 6),
    st.text(st.sampled_from("\"'[]{}=.,#\n\\ abc0é\r\t"), max_size=6),
)
@settings(max_examples=300)
def test_a_broken_file_is_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, insert: str
) -> None:
    assert_refused_or_read(tmp_path_factory, (EXAMPLE[:at] + insert + EXAMPLE[at + cut :]).encode())


def assert_refused_or_read(factory: pytest.TempPathFactory, text: bytes) -> None:
    file = factory.getbasetemp() / "rubbish.toml"
    file.write_bytes(text)
    message = refusal(file)
    assert message is None or (message.isprintable() and message.startswith(f"{file}:"))


def refusal(file: Path) -> str | None:
    try:
        load_rules(file)
    except RulesError as error:
        return str(error)
    return None


FILLERS = ["", "# x = 1 [y]", "a = 1", 'b = """\nx = 1\n[y]\n"""', "c = '''\n'''", 'd = [\n  1, # ]\n  {e = "}"},\n]']
FILLERS += ['f."g.h".i = "a # b"', '"j k" = { l = "\\"", m = { n = [1, 2] } }', "o = 1979-05-27 07:32:00", "p = 1.5"]


@given(st.permutations(FILLERS), st.integers(0, len(FILLERS)), st.sampled_from(["z", '"z"', "'z'"]))
def test_the_line_of_a_key_is_found_among_anything(
    tmp_path_factory: pytest.TempPathFactory, fillers: list[str], at: int, key: str
) -> None:
    before = "\n".join(fillers[:at])
    after = "\n".join(fillers[at:])
    text = f'{before}\n{key} = 1\n{after}\n["t.u"]\nv.w = {{ x = 1,\ty = 2 }}\n'
    file = tmp_path_factory.getbasetemp() / "lines.toml"
    file.write_text(text)
    toml = TomlFile(file)
    lines = text.split("\n")
    assert lines[toml.line(("z",)) - 1] == f"{key} = 1"
    assert lines[toml.line(("t.u",)) - 1] == '["t.u"]'
    assert lines[toml.line(("t.u", "v", "w", "y")) - 1].startswith("v.w")
    assert toml.line(("t.u", "v", "none")) == toml.line(("t.u", "v"))
    assert toml.line(("never",)) == 1
    assert lines[toml.line(("f", "g.h", "i")) - 1].startswith("f.")
    assert lines[toml.line(("j k", "m", "n")) - 1].startswith('"j k"')


def test_arrays_of_tables_are_known_by_their_first_line(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("\n[[a]]\nb = 1\n[[a]]\nb = 2\n")
    assert TomlFile(file).line(("a", "b")) == 3
    with pytest.raises(TomlError):
        TomlFile(tmp_path / "y.toml")


def test_a_version_tells_what_decides_and_nothing_else() -> None:
    default = Rules()
    same = CartAbandoned(enabled=False, max_age=HOUR, expires=HOUR)
    assert Rules(cart_abandoned=same).versions == default.versions
    changed = Rules(cart_abandoned=CartAbandoned(after=HOUR)).versions
    assert {name for name in NAMES if changed[name] != default.versions[name]} == {"cart.abandoned"}
    assert len(set(default.versions.values())) == len(NAMES)


def test_the_fingerprint_tells_every_change() -> None:
    prints = {Rules().fingerprint}
    variants = [CartAbandoned(enabled=False), CartAbandoned(max_age=HOUR), CartAbandoned(after=HOUR)]
    prints |= {Rules(cart_abandoned=variant).fingerprint for variant in variants}
    assert len(prints) == 4
    assert all(0 <= value < 1 << 32 for value in prints)
    assert Rules(guards=Guards(breaker=False)).fingerprint == Rules().fingerprint


def test_versions_are_the_same_everywhere() -> None:
    """They are in trigger ids: another process, Python or release must give the same."""
    assert Rules().versions["cart.abandoned"] == "1-3e49e35c"
    assert Rules().versions["repurchase.overdue"] == "1-31e4ea10"
    assert Rules().fingerprint == 2127543717
    program = "from agents.rulebook.rules import Rules; r = Rules(); print(r.versions, r.fingerprint)"
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == f"{Rules().versions} {Rules().fingerprint}"


def test_guards_that_are_set_but_not_applied_are_told(tmp_path: Path) -> None:
    assert Rules().warnings() == []
    off = "[guards]\nquiet_hours = false\ncap = false\nholdout = false\nbreaker = false\n"
    assert rules_of(tmp_path, off).warnings() == []
    told = rules_of(tmp_path, EXAMPLE).warnings()
    assert [line.split()[0] for line in told] == [f"guards.{f.name}" for f in fields(Guards) if f.name != "given"]
    assert all("not applied" in line and "\n" not in line for line in told)


@given(st.integers(0, 10**11))
def test_durations_are_shown_as_they_are_read(ms: int) -> None:
    text = duration_text(ms - ms % 1000)
    assert milliseconds(text) == ms - ms % 1000


@given(st.one_of(st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers())))
def test_no_value_gets_through_that_cannot_be_shown_and_read_again(value: object) -> None:
    for cls in (*TYPES.values(), Guards):
        for f in settable(cls).values():
            kind = f.metadata["kind"]
            with contextlib.suppress(ValueError):
                assert kind.show(read(kind, value)).isprintable()
