"""Black's model of 1976: what a European option on a forward is worth, what moves it, and the volatility a price implies.

    call = e^-rT (F N(d1) - K N(d2)),  put = e^-rT (K N(-d2) - F N(-d1)),  d1 = ln(F/K)/s + s/2,  d2 = d1 - s,  s = sigma sqrt(T)

Options of NSE, BSE and MCX are European, and what they are settled against has a future, or a forward that calls and puts
agree on; so the spot, its dividends and its cost of carry are not needed. Numbers here are floats: they are measures, never
prices that anybody is asked to pay.
"""

from math import erfc, exp, isfinite, log, pi, sqrt

from msgspec import Struct

__all__ = ["DAYS_YEAR", "Greeks", "greeks", "implied_volatility", "parity_forward", "price"]

DAYS_YEAR = 365.0  # theta is of one of them
PERCENT = 0.01  # vega and rho are of one point of it
SPREAD_MAX = 64.0  # sigma sqrt(T) beyond which every option is worth its bound
STEPS_MAX = 128  # bisection alone ends earlier
PRECISION = 1e-13  # of sigma sqrt(T), relative


class Greeks(Struct, frozen=True, kw_only=True):
    """How the price answers.

    Args:
        delta: rupees for a rupee of the forward. gamma: delta for a rupee of the forward.
        theta: rupees for a calendar day that passes. vega: rupees for a point (0.01) of volatility.
        rho: rupees for a point (0.01) of the rate, the forward unchanged.
    """

    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


def price(
    is_call: bool, forward: float, strike: float, years: float, rate: float, volatility: float
) -> float:
    """Rupees. Without time or volatility: what it is worth if exercised, discounted."""
    spread = volatility * sqrt(max(years, 0.0))
    return exp(-rate * max(years, 0.0)) * _undiscounted(is_call, forward, strike, spread)


def greeks(
    is_call: bool, forward: float, strike: float, years: float, rate: float, volatility: float
) -> Greeks:
    """Needs time and volatility above 0."""
    assert years > 0
    assert volatility > 0
    discount, root = exp(-rate * years), sqrt(years)
    d1, _d2 = _d1_d2(forward, strike, volatility * root)
    density = exp(-d1 * d1 / 2) / sqrt(2 * pi)
    value = price(is_call, forward, strike, years, rate, volatility)
    decay = discount * forward * density * volatility / (2 * root)
    return Greeks(
        delta=discount * (_normal(d1) if is_call else -_normal(-d1)),
        gamma=discount * density / (forward * volatility * root),
        theta=(rate * value - decay) / DAYS_YEAR,
        vega=discount * forward * density * root * PERCENT,
        rho=-years * value * PERCENT,
    )


def implied_volatility(
    is_call: bool, forward: float, strike: float, years: float, rate: float, price: float
) -> float | None:
    """The volatility at which the option is worth this price; None where none is: below its worth if exercised, or above its bound."""
    if years <= 0 or forward <= 0 or strike <= 0 or not isfinite(price):
        return None
    # Of the two options of a strike the one out of the money, by parity: only its price is all time value.
    inner = forward - strike if is_call else strike - forward
    wanted = price * exp(rate * years) - max(inner, 0.0)
    is_call = is_call if inner <= 0 else not is_call
    if not 0 < wanted < min(forward, strike):
        return None
    spread = _spread(is_call, forward, strike, wanted)
    return spread / sqrt(years) if spread is not None else None


def parity_forward(strike: float, call: float, put: float, years: float, rate: float) -> float:
    """The forward on which a call and a put of one strike agree."""
    return strike + exp(rate * years) * (call - put)


def _spread(is_call: bool, forward: float, strike: float, wanted: float) -> float | None:
    """sigma sqrt(T) of an option out of the money: Newton on the logarithm of the price, kept within a bracket.

    The logarithm is concave in the spread and nearly straight where the price itself is flat.
    """
    low, high, spread = 0.0, SPREAD_MAX, max(sqrt(2 * abs(log(forward / strike))), 0.1)
    if _undiscounted(is_call, forward, strike, high) < wanted:
        return None
    for _ in range(STEPS_MAX):
        worth = _undiscounted(is_call, forward, strike, spread)
        low, high = (spread, high) if worth < wanted else (low, spread)
        d1, _d2 = _d1_d2(forward, strike, spread)
        slope = forward * exp(-d1 * d1 / 2) / sqrt(2 * pi)
        after = (low + high) / 2
        if worth > 0 and slope > 0:
            step = spread - log(worth / wanted) * worth / slope
            if low < step < high:
                after = step
        if abs(after - spread) <= PRECISION * spread:
            return after
        spread = after
    return spread


def _undiscounted(is_call: bool, forward: float, strike: float, spread: float) -> float:
    if spread <= 0:
        return max(forward - strike if is_call else strike - forward, 0.0)
    d1, d2 = _d1_d2(forward, strike, spread)
    if is_call:
        return max(forward * _normal(d1) - strike * _normal(d2), 0.0)
    return max(strike * _normal(-d2) - forward * _normal(-d1), 0.0)


def _d1_d2(forward: float, strike: float, spread: float) -> tuple[float, float]:
    d1 = log(forward / strike) / spread + spread / 2
    return d1, d1 - spread


def _normal(x: float) -> float:
    return erfc(-x / sqrt(2)) / 2
