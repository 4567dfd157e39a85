"""The parameters file, what it refuses, and the built-in parameters against the log that they were fitted to."""

import json
import math
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from agents.fit.basketfit import fit_basket
from agents.fit.basketfit import ln_likelihood as basket_ln_likelihood
from agents.fit.fitting import baskets_of, snapshot_at
from agents.fit.histories import Orders
from agents.fit.timinglikelihood import free, ln_likelihood
from tables.parameters import (
    BUILTIN,
    BasketPrior,
    Parameters,
    ParametersError,
    TimingPrior,
    dump_parameters,
    load_parameters,
)
from tests.bench import fit_builtin


def test_a_dumped_file_loads_as_the_same_numbers(tmp_path: Path) -> None:
    given = Parameters(
        "shop 2024-06",
        TimingPrior(0.1 + 0.2, 1 / 3, 1e-6, 2.5e5, (0.2, 0.0, 0.5, 0.3, 0.0)),
        BasketPrior(-1.5, 0.7, 3.0, 1e-3),
    )
    path = tmp_path / "parameters.json"
    path.write_bytes(dump_parameters(given))
    assert load_parameters(path) == given
    assert load_parameters(str(path)).fingerprint == given.fingerprint


def test_whole_numbers_are_numbers(tmp_path: Path) -> None:
    document = json.loads(dump_parameters(BUILTIN))
    document["timing"]["mu0"] = 2
    path = tmp_path / "parameters.json"
    path.write_text(json.dumps(document))
    assert load_parameters(path).timing.mu0 == 2.0


def test_fingerprint_follows_the_numbers_alone() -> None:
    renamed = msgspec.structs.replace(BUILTIN, version="another name")
    assert renamed.fingerprint == BUILTIN.fingerprint
    basket = msgspec.structs.replace(BUILTIN.basket, b0=math.nextafter(BUILTIN.basket.b0, 9))
    assert msgspec.structs.replace(BUILTIN, basket=basket).fingerprint != BUILTIN.fingerprint
    assert BUILTIN.fingerprint == "bca14eb691f1"  # stable over runs and machines


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.pop("version"), "version"),
        (lambda d: d.update(version=""), "version"),
        (lambda d: d.update(version=3), "version"),
        (lambda d: d.update(owner="me"), "owner"),
        (lambda d: d.pop("timing"), "timing"),
        (lambda d: d["timing"].update(mu1=1.0), "mu1"),
        (lambda d: d["timing"].update(mu0="2.5"), "mu0"),
        (lambda d: d["timing"].update(mu0=21), "mu0"),
        (lambda d: d["timing"].update(tau2=0), "tau2"),
        (lambda d: d["timing"].update(tau2=-1.0), "tau2"),
        (lambda d: d["timing"].update(tau2=101), "tau2"),
        (lambda d: d["timing"].update(a=1e-7), "a is 1e-07"),
        (lambda d: d["timing"].update(b=1e9), "b is 1e+09"),
        (lambda d: d["timing"].update(weights=[0.5, 0.5]), "weights"),
        (lambda d: d["timing"].update(weights=[0.2, 0.2, 0.2, 0.2, 0.21]), "weights add up to 1.01"),
        (lambda d: d["timing"].update(weights=[1.2, -0.2, 0, 0, 0]), "weights must lie between 0 and 1"),
        (lambda d: d["timing"].update(skip=0.6), "skip is 0.6"),
        (lambda d: d["timing"].update(skip=0.1, omega=0.2), "one of them must be 0"),
        (lambda d: d["basket"].update(k0=0), "k0"),
        (lambda d: d["basket"].update(a0=None), "a0"),
        (lambda d: d["basket"].pop("b0"), "b0"),
        (lambda d: d["basket"].update(m0=-51), "m0"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, change: Change, says: str) -> None:
    document = json.loads(dump_parameters(BUILTIN))
    change(document)
    path = tmp_path / "parameters.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ParametersError) as caught:
        load_parameters(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "null", "[1, 2]", "{", '{"version": NaN}', '{"version": "\ud800"}', "\x00\xff"])
def test_what_is_not_parameters_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "parameters.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ParametersError, match=r"^[^\n]*parameters\.json: [^\n]+$"):
        load_parameters(path)


def test_a_number_too_large_for_a_float_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "parameters.json"
    path.write_bytes(dump_parameters(BUILTIN).replace(b'"b0": 2.569', b'"b0": 1e999'))
    with pytest.raises(ParametersError, match=r"b0|out of range"):
        load_parameters(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParametersError, match=r"nowhere\.json: cannot be read: No such file"):
        load_parameters(tmp_path / "nowhere.json")
    with pytest.raises(ParametersError, match="cannot be read"):
        load_parameters(tmp_path)
    with pytest.raises(ParametersError, match="cannot be read: not a file name"):
        load_parameters("a\0b")


def test_a_file_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tables.parameters.MAX_BYTES", 1000)
    with pytest.raises(ParametersError, match=r"^/dev/zero: larger than 1 MiB; give the path of a parameters file$"):
        load_parameters("/dev/zero")


@pytest.mark.parametrize("opening", ["[", '{"x":', '{"version": "v", "timing": ['])
def test_nesting_beyond_reason_is_refused(tmp_path: Path, opening: str) -> None:
    path = tmp_path / "parameters.json"
    path.write_text(opening * 50_000)
    with pytest.raises(ParametersError, match=r"^[^\n]*parameters\.json: [^\n]+$"):
        load_parameters(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused_in_code_too(value: float) -> None:
    for name in ("mu0", "tau2", "a", "b"):
        with pytest.raises(ParametersError, match=name):
            msgspec_replace(BUILTIN.timing, name, value)
    for name in ("m0", "k0", "a0", "b0"):
        with pytest.raises(ParametersError, match=name):
            msgspec_replace(BUILTIN.basket, name, value)
    with pytest.raises(ParametersError, match="weights"):
        msgspec_replace(BUILTIN.timing, "weights", (value, 0.0, 0.0, 0.0, 1.0))


def msgspec_replace(struct: msgspec.Struct, name: str, value: object) -> object:
    return msgspec.structs.replace(struct, **{name: value})


@pytest.fixture(scope="module")
def orders() -> Orders:
    return fit_builtin.read_cdnow()


def test_the_log_is_the_published_one(orders: Orders) -> None:
    assert np.unique(orders.customer).size == 23_570
    assert len(orders) == 67_591  # 69,659 rows, those of one day merged
    assert orders.total.sum() == pytest.approx(2_500_315.63)


def test_builtin_timing_is_the_optimum(orders: Orders) -> None:
    """But for the even tenth of the weights, no small change of a parameter is better."""
    seen = snapshot_at(orders, fit_builtin.END)
    own = [(weight - 0.02) / 0.9 for weight in BUILTIN.timing.weights]
    prior = msgspec.structs.replace(BUILTIN.timing, weights=(own[0], own[1], own[2], own[3], own[4]))
    here, _ = ln_likelihood(free(prior), seen)
    for name, change in (("mu0", 0.03), ("tau2", 0.03), ("a", 0.01), ("b", 0.02)):
        for sign in (-1, 1):
            moved = msgspec.structs.replace(prior, **{name: getattr(prior, name) + sign * change})
            assert ln_likelihood(free(moved), seen)[0] < here - 0.05
    for place in range(4):
        weights = np.array(prior.weights)
        weights[place] += 0.01
        w = (weights / weights.sum()).tolist()
        moved = msgspec.structs.replace(prior, weights=(w[0], w[1], w[2], w[3], w[4]))
        assert ln_likelihood(free(moved), seen)[0] < here - 0.05


def test_builtin_basket_is_the_optimum(orders: Orders) -> None:
    seen = baskets_of(orders)
    fitted = fit_basket(seen)
    for name in ("m0", "k0", "a0", "b0"):
        assert getattr(fitted, name) == pytest.approx(getattr(BUILTIN.basket, name), rel=1e-3)
    best, _ = basket_ln_likelihood(fit_builtin.free_of(fitted), seen)
    assert best - basket_ln_likelihood(fit_builtin.free_of(BUILTIN.basket), seen)[0] < 0.05
    doubled = msgspec.structs.replace(fitted, k0=2 * fitted.k0)
    assert basket_ln_likelihood(fit_builtin.free_of(doubled), seen)[0] < best - 10


def test_a_rhythm_is_named_by_what_windows_are_made_from() -> None:
    timing = BUILTIN.timing
    same = msgspec.structs.replace(
        BUILTIN,
        version="later",
        timing=msgspec.structs.replace(timing, level=1.1, unsure=0.2),
        clock=((date(2026, 1, 5), 1.2),),
    )
    assert same.rhythm == BUILTIN.rhythm
    assert same.fingerprint != BUILTIN.fingerprint
    for change in ({"mu0": 2.0}, {"skip": 0.1}, {"bend": (0.0, 0.1, 0.0)}):
        other = msgspec.structs.replace(BUILTIN, timing=msgspec.structs.replace(timing, **change))
        assert other.rhythm != BUILTIN.rhythm
