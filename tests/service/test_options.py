"""`market.option_chain`, `market.greeks` and `instrument.expiries` as people call them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from ordod.adapter import Dialogue, Instrument, Quote, Session
from ordod.domain import black76
from ordod.errors import Kind
from ordod.paper import PAPER
from tests.core.world import VIRTUAL, running_world
from tests.service.calling import client

NIFTY = "NSE_INDEX:NIFTY"


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


def legs(chain: Any) -> Iterator[tuple[float, bool, Any]]:
    for row in chain["strikes"]:
        yield row["strike"], True, row["call"]
        yield row["strike"], False, row["put"]


async def test_a_chain_stands_around_the_money_and_says_what_was_put_into_the_model() -> None:
    async with running_world() as world:
        call = client(world)
        ends = [
            one["expiry"] for one in (await call("instrument.expiries", symbol=NIFTY))["expiries"]
        ]

        chain = await call("market.option_chain", symbol=NIFTY, expiry=ends[-1], strikes=4)

    basis, strikes = chain["basis"], [row["strike"] for row in chain["strikes"]]
    assert len(strikes) == 9
    assert strikes == sorted(strikes)
    assert chain["money"] == strikes[4]
    assert abs(chain["money"] - basis["forward"]["price"]) <= 50
    assert chain["missing"] == []
    assert chain["lot_size"] == 65
    assert basis["model"] == "black-76"
    assert basis["day_count"] == "actual/365"
    assert basis["rate_percent"] == 0
    assert basis["expires_at"] == f"{ends[-1]}T15:30:00+05:30"
    assert basis["forward"]["source"] == "future"
    left = datetime.fromisoformat(basis["expires_at"]) - datetime.fromisoformat(basis["at"])
    assert basis["days"] == pytest.approx(left.total_seconds() / 86_400, abs=1e-4)
    for strike, is_call, leg in legs(chain):
        greeks = leg["greeks"]
        again = black76.price(
            is_call,
            basis["forward"]["price"],
            strike,
            basis["days"] / 365,
            0.0,
            greeks["iv_percent"] / 100,
        )
        assert again == pytest.approx(float(greeks["price"]), abs=0.02)
        assert leg["bid_price"] < leg["ask_price"]
        assert leg["oi"] > 0
        assert (0 < greeks["delta"] < 1) if is_call else (-1 < greeks["delta"] < 0)


async def test_without_a_future_of_the_expiry_calls_and_puts_tell_the_forward() -> None:
    async with running_world() as world:
        call = client(world)
        month = await call("market.option_chain", symbol="NFO:FINNIFTY", strikes=1)

        parity = month["basis"]["forward"]
        spot = (await call("market.ltp", symbols=["NSE_INDEX:FINNIFTY"]))["quotes"]

    assert parity["source"] == "parity"
    assert len(parity["symbols"]) == 2
    assert parity["price"] == pytest.approx(
        float(spot["NSE_INDEX:FINNIFTY"]["last_price"]), rel=0.01
    )


async def test_greeks_of_options_are_those_of_their_chain() -> None:
    async with running_world() as world:
        call = client(world)
        chain = await call("market.option_chain", symbol="NSE:INFY", strikes=1, rate_percent="6.5")
        symbols = [leg["symbol"] for _, _, leg in legs(chain)]

        found = await call("market.greeks", symbols=symbols, rate_percent="6.5")
        given = await call("market.greeks", symbols=symbols[:1], forward="1500")

    assert found["missing"] == []
    for strike, is_call, leg in legs(chain):
        one = found["options"][leg["symbol"]]
        assert (one["strike"], one["kind"]) == (strike, "CE" if is_call else "PE")
        assert one["basis"]["rate_percent"] == 6.5
        assert one["greeks"]["delta"] == pytest.approx(leg["greeks"]["delta"], abs=0.05)
    basis = given["options"][symbols[0]]["basis"]
    assert (basis["forward"]["price"], basis["forward"]["source"]) == (1500, "given")


async def test_an_expiry_or_an_underlying_that_is_not_there_is_told_with_those_that_are() -> None:
    async with running_world() as world:
        call = client(world)

        expiry = await call.refused("market.option_chain", symbol=NIFTY, expiry="2031-01-01")
        nothing = await call.refused("instrument.expiries", symbol="NSE:YESBANK")
        futures_only = await call.refused("market.option_chain", symbol="MCX:GOLDM")
        no_option = await call.refused("market.greeks", symbols=["NSE:INFY"])
        no_exchange = await call.refused("market.option_chain", symbol="NIFTY")

    assert expiry.kind is nothing.kind is futures_only.kind is Kind.UNKNOWN_INSTRUMENT
    assert "that end on 2031-01-01; there are 2026-" in str(expiry)
    assert no_option.kind is no_exchange.kind is Kind.INVALID_PARAMS


class Silent(type(PAPER)):  # type: ignore[misc]  # the paper broker, silent about puts
    def quotes(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[dict[str, Quote]]:
        told: dict[str, Quote] = yield from super().quotes(session, instruments)
        return {symbol: quote for symbol, quote in told.items() if not symbol.endswith("PE")}


async def test_what_a_broker_is_silent_about_is_missing_and_not_made_up() -> None:
    async with running_world(adapter=Silent()) as world:
        call = client(world)

        chain = await call("market.option_chain", symbol="NSE_INDEX:FINNIFTY", strikes=1)

    assert chain["basis"]["forward"] is None
    assert len(chain["missing"]) == 3
    for row in chain["strikes"]:
        assert row["put"] is None
        assert row["call"]["last_price"] > 0
        assert row["call"]["greeks"] is None


async def test_expiries_have_their_kinds() -> None:
    async with running_world() as world:
        call = client(world)

        nifty = await call("instrument.expiries", symbol=NIFTY)
        gold = await call("instrument.expiries", symbol="MCX:GOLDM")

    assert (nifty["exchange"], nifty["name"]) == ("NFO", "NIFTY")
    assert {"CE", "PE", "FUT"} == set(nifty["expiries"][-1]["kinds"])
    assert any(set(one["kinds"]) == {"CE", "PE"} for one in nifty["expiries"])
    assert [one["kinds"] for one in gold["expiries"]] == [["FUT"], ["FUT"]]
