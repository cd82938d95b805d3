"""Black's model against a library, a textbook, and its own laws."""

import json
from math import exp, inf, nan, sqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ordod.domain.black76 import greeks, implied_volatility, parity_forward, price

VOLLIB = json.loads((Path(__file__).parent / "black76_vollib.json").read_text())

forwards = st.floats(1, 100_000)
moneyness = st.floats(0.5, 2)
years = st.floats(1 / 8760, 3)  # from an hour on
rates = st.floats(-0.02, 0.15)
volatilities = st.floats(0.02, 2)
CALL_OR_PUT = st.booleans()


@pytest.mark.parametrize("row", VOLLIB["rows"])
def test_it_agrees_with_py_vollib(row: list[Any]) -> None:
    flag, forward, strike, days, rate, volatility, worth, delta, gamma, theta, vega, rho = row
    is_call, at = flag == "c", (forward, strike, days / 365, rate)

    found = greeks(is_call, *at, volatility)

    assert price(is_call, *at, volatility) == pytest.approx(worth, rel=1e-9, abs=1e-9)
    assert (found.delta, found.gamma, found.theta, found.vega, found.rho) == pytest.approx(
        (delta, gamma, theta, vega, rho), rel=1e-9, abs=1e-12
    )


def test_it_agrees_with_the_textbook() -> None:
    # Hull, Options, Futures, and Other Derivatives: a put on a crude oil future, 20 at 20, four months, 9 %, 25 %: 1.12
    assert round(price(False, 20, 20, 4 / 12, 0.09, 0.25), 2) == 1.12


@given(forwards, moneyness, years, rates, volatilities)
def test_calls_and_puts_of_a_strike_agree_on_the_forward(
    forward: float, ratio: float, time: float, rate: float, volatility: float
) -> None:
    strike = forward * ratio
    call = price(True, forward, strike, time, rate, volatility)
    put = price(False, forward, strike, time, rate, volatility)

    assert parity_forward(strike, call, put, time, rate) == pytest.approx(forward, rel=1e-9)
    of_call = greeks(True, forward, strike, time, rate, volatility)
    of_put = greeks(False, forward, strike, time, rate, volatility)
    assert of_call.delta - of_put.delta == pytest.approx(exp(-rate * time), rel=1e-9)
    assert (of_call.gamma, of_call.vega) == (of_put.gamma, of_put.vega)


@given(CALL_OR_PUT, forwards, moneyness, years, rates, volatilities)
def test_the_volatility_comes_back_from_the_price(
    is_call: bool, forward: float, ratio: float, time: float, rate: float, volatility: float
) -> None:
    strike = forward * ratio
    worth = price(is_call, forward, strike, time, rate, volatility)
    inner = price(is_call, forward, strike, time, rate, 0)
    sensible = greeks(is_call, forward, strike, time, rate, volatility).vega
    assume(worth - inner > 1e-7 * forward)  # else nothing of it is left in the price
    assume(sensible > 1e-7 * forward)

    implied = implied_volatility(is_call, forward, strike, time, rate, worth)

    assert implied == pytest.approx(volatility, rel=1e-5)


@given(CALL_OR_PUT, forwards, moneyness, years, rates, volatilities, st.floats(1.001, 3))
def test_more_volatility_is_never_worth_less(
    is_call: bool,
    forward: float,
    ratio: float,
    time: float,
    rate: float,
    volatility: float,
    more: float,
) -> None:
    at = (is_call, forward, forward * ratio, time, rate)

    little, much = price(*at, volatility), price(*at, volatility * more)

    assert little <= much + 1e-9 * forward
    assert price(*at, 0) <= little + 1e-9 * forward


@given(CALL_OR_PUT, st.floats(10, 50_000), moneyness, st.floats(0.02, 2), rates, st.floats(0.05, 1))
def test_greeks_are_slopes_of_the_price(
    is_call: bool, forward: float, ratio: float, time: float, rate: float, volatility: float
) -> None:
    strike = forward * ratio

    def worth(f: float = forward, t: float = time, r: float = rate, v: float = volatility) -> float:
        return price(is_call, f, strike, t, r, v)

    found = greeks(is_call, forward, strike, time, rate, volatility)
    step = forward * 1e-4
    slope = (worth(f=forward + step) - worth(f=forward - step)) / (2 * step)
    scale = 1e-6 * forward

    assert found.delta == pytest.approx(slope, abs=1e-5)
    assert found.vega == pytest.approx(
        (worth(v=volatility + 1e-5) - worth(v=volatility - 1e-5)) / 2e-5 / 100, abs=scale
    )
    assert found.rho == pytest.approx(
        (worth(r=rate + 1e-5) - worth(r=rate - 1e-5)) / 2e-5 / 100, abs=scale
    )
    assert found.theta == pytest.approx(
        -(worth(t=time + 1e-6) - worth(t=time - 1e-6)) / 2e-6 / 365, abs=scale
    )


@given(CALL_OR_PUT, forwards, moneyness, years, rates, st.floats() | st.sampled_from((nan, inf)))
def test_a_price_that_no_volatility_explains_has_none(
    is_call: bool, forward: float, ratio: float, time: float, rate: float, worth: float
) -> None:
    strike = forward * ratio

    implied = implied_volatility(is_call, forward, strike, time, rate, worth)

    if implied is None:
        return
    assert 0 < implied * sqrt(time) <= 64
    again = price(is_call, forward, strike, time, rate, implied)
    assert again == pytest.approx(worth, rel=1e-6, abs=1e-6 * forward)


@pytest.mark.parametrize(
    ("worth", "time"), [(0, 0.1), (-1, 0.1), (199, 0.1), (200, 0.1), (1200, 0.1), (250, 0)]
)
def test_bounds_have_no_volatility(worth: float, time: float) -> None:
    assert implied_volatility(True, 1200, 1000, time, 0, worth) is None
