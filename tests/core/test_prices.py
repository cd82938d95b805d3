"""The last prices anybody asked for."""

from decimal import Decimal

from ordod.core.prices import FRESH_S, KEPT, Prices
from ordod.domain.market import Quote
from tests.simulation.ports import SetClock


def quote(symbol: str, price: int) -> Quote:
    return Quote(symbol=symbol, last_price=Decimal(price))


def test_a_price_is_fresh_for_a_few_seconds() -> None:
    clock = SetClock()
    prices = Prices(clock)
    prices.learn([quote("NSE:INFY", 1450)])

    clock.advance(FRESH_S)
    assert prices.fresh("NSE:INFY") == 1450
    clock.advance(0.1)

    assert prices.fresh("NSE:INFY") is None
    assert prices.fresh("NSE:TCS") is None


def test_a_later_price_takes_the_place_of_an_earlier_one() -> None:
    prices = Prices(SetClock())

    prices.learn([quote("NSE:INFY", 1450), quote("NSE:INFY", 1451)])

    assert prices.fresh("NSE:INFY") == 1451


def test_the_oldest_is_forgotten_when_there_are_too_many() -> None:
    prices = Prices(SetClock())

    prices.learn(quote(f"NSE:S{n}", n) for n in range(KEPT + 1))

    assert prices.fresh("NSE:S0") is None
    assert prices.fresh(f"NSE:S{KEPT}") == KEPT
