"""Prices, candles, instruments, money and triggers through the whole daemon: the values the broker has."""

import json
import sqlite3
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from ordod.sim.process import SimProcess
from tests.zerodha_day.harness import ACCOUNT, APP, Ordo, Trouble, eventually, ordo, session_of


@pytest.fixture(scope="module")
def token(sim: SimProcess) -> str:
    return session_of(sim)


@pytest.fixture(scope="module")
def daemon(sim: SimProcess, token: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with ordo(tmp_path_factory.mktemp("o"), sim, access_token=token) as started:
        yield started


@pytest.fixture(scope="module")
def broker(sim: SimProcess, token: str) -> Any:
    """What another program in the same session is told."""

    def ask(path: str) -> Any:
        headers = {"X-Kite-Version": "3", "Authorization": f"token {APP.api_key}:{token}"}
        opener = build_opener(ProxyHandler({}))
        with opener.open(Request(sim.url + path, headers=headers), timeout=5) as answer:
            return json.loads(answer.read())["data"]

    return ask


def test_the_instruments_are_in_a_table_under_their_canonical_names(daemon: Ordo) -> None:
    def get(symbol: str) -> dict[str, Any]:
        told = daemon.call("instrument.get", symbol=symbol, account=ACCOUNT)
        return dict(told["instrument"])

    infy = get("NSE:INFY")
    nifty = get("NSE_INDEX:NIFTY")
    future = daemon.call("instrument.search", text="NIFTY FUT", account=ACCOUNT)["instruments"][0]

    assert (infy["tick_size"], infy["lot_size"]) == (0.1, 1)
    assert nifty["broker_symbol"] == "NIFTY 50"
    assert future["symbol"].startswith("NFO:NIFTY")
    assert future["symbol"].endswith("FUT")
    assert get(f"NFO:{future['broker_symbol']}")["symbol"] == future["symbol"]
    [table] = (daemon.path.parent / "state").rglob("*.sqlite*")
    with sqlite3.connect(table) as db:
        assert db.execute("select count(*) from sqlite_master").fetchone()[0] > 0
    db.close()


def test_an_unknown_instrument_is_refused_with_the_closest(daemon: Ordo) -> None:
    refused = daemon.refused("order.place", **daemon.order(symbol="NSE:INFYY"))

    assert refused.kind == "UNKNOWN_INSTRUMENT"
    assert "NSE:INFY" in refused.data["closest"]


def test_quotes_are_the_brokers_and_what_it_is_silent_about_is_named(
    daemon: Ordo, broker: Any
) -> None:
    symbols = ["NSE:INFY", "NSE:TCS", "NSE_INDEX:NIFTY"]

    told = daemon.call("market.quote", symbols=symbols, account=ACCOUNT)

    there = broker("/quote?i=NSE:INFY&i=NSE:TCS&i=" + quote("NSE:NIFTY 50"))
    assert told["missing"] == []
    for symbol, name in zip(symbols, ("NSE:INFY", "NSE:TCS", "NSE:NIFTY 50"), strict=True):
        assert told["quotes"][symbol]["close_price"] == there[name]["ohlc"]["close"]
        assert told["quotes"][symbol]["open_price"] == there[name]["ohlc"]["open"]
    low, high = (there["NSE:INFY"][f"{end}_circuit_limit"] for end in ("lower", "upper"))
    assert (told["quotes"]["NSE:INFY"]["lower_circuit"], high) == (low, high)


def test_last_prices_and_depth(daemon: Ordo) -> None:
    prices = daemon.call("market.ltp", symbols=["NSE:INFY", "NSE:SBIN"], account=ACCOUNT)
    depth = daemon.call("market.depth", symbols=["NSE:INFY", "NSE_INDEX:NIFTY"], account=ACCOUNT)

    assert set(prices["quotes"]) == {"NSE:INFY", "NSE:SBIN"}
    levels = depth["quotes"]["NSE:INFY"]
    assert len(levels["buy"]) == len(levels["sell"]) == 5
    assert levels["buy"][0]["price"] < levels["sell"][0]["price"]
    assert depth["missing"] == ["NSE_INDEX:NIFTY"]


def test_candles_beyond_one_request_are_joined_without_gap_or_double(
    daemon: Ordo, broker: Any, trouble: Trouble
) -> None:
    """Sixty days are the most of a request for minutes."""
    until = datetime.fromisoformat("2026-11-20T15:30:00+05:30")
    since = until - timedelta(days=65)

    told = daemon.call(
        "market.candles",
        symbol="NSE:INFY",
        interval="1m",
        account=ACCOUNT,
        **{"from": since.isoformat(), "to": until.isoformat()},
    )["candles"]

    assert len(trouble.requests("GET", "/instruments/historical/")) == 2
    at = [datetime.fromisoformat(candle[0]) for candle in told]
    assert at == sorted(set(at))
    parts: dict[str, list[Any]] = {}
    first = since
    token = broker("/quote/ltp?i=NSE:INFY")["NSE:INFY"]["instrument_token"]
    while first < until:  # in pieces of another size, cut elsewhere
        last = min(first + timedelta(days=35), until)
        span = f"from={first:%Y-%m-%d+%H:%M:%S}&to={last:%Y-%m-%d+%H:%M:%S}"
        for candle in broker(f"/instruments/historical/{token}/minute?{span}")["candles"]:
            parts[candle[0]] = candle
        first = last
    assert len(told) == len(parts)
    assert [candle[1:6] for candle in told] == [parts[at][1:6] for at in sorted(parts)]


def test_money_positions_and_holdings_are_the_brokers(daemon: Ordo, broker: Any) -> None:
    order = daemon.place(type="MARKET", symbol="NSE:ITC", quantity=20)
    daemon.comes_to(order["key"], "FILLED")

    [funds] = daemon.call("portfolio.funds", account=ACCOUNT)["accounts"][0]["funds"]
    margins = broker("/user/margins")["equity"]
    assert funds["available"] == pytest.approx(margins["available"]["live_balance"], abs=50)
    assert funds["cash"] == margins["available"]["cash"]
    theirs = {(r["tradingsymbol"], r["product"]): r for r in broker("/portfolio/positions")["net"]}
    position = daemon.positions()["NSE:ITC", "CNC"]
    assert position["quantity"] == theirs["ITC", "CNC"]["quantity"] == 20
    assert position["average_price"] == theirs["ITC", "CNC"]["average_price"]
    held = daemon.call("portfolio.holdings", account=ACCOUNT)["accounts"][0]["holdings"]
    assert len(held) == len(broker("/portfolio/holdings"))


def test_margins_of_one_order_and_of_several(daemon: Ordo, broker: Any) -> None:
    one = daemon.order(symbol="NSE:INFY", quantity=10)
    terms = {name: one[name] for name in ("symbol", "side", "quantity", "type", "product", "price")}

    single = daemon.call("order.margin", account=ACCOUNT, orders=[terms])
    both = daemon.call("order.margin", account=ACCOUNT, orders=[terms, terms])

    assert single["needed"] == 13_000
    assert both["needed"] == 26_000
    assert single["charges"] > 0


def test_a_conversion_moves_the_position(daemon: Ordo, broker: Any) -> None:
    order = daemon.place(type="MARKET", symbol="NSE:NTPC", product="MIS", quantity=10)
    daemon.comes_to(order["key"], "FILLED")
    wanted = {
        "account": ACCOUNT,
        "key": next(daemon.keys),
        "symbol": "NSE:NTPC",
        "side": "BUY",
        "quantity": 6,
        "from_product": "MIS",
        "to_product": "CNC",
    }

    first = daemon.call("portfolio.convert", **wanted)
    again = daemon.call("portfolio.convert", **wanted)
    other = daemon.refused("portfolio.convert", **wanted | {"quantity": 1})
    more = daemon.refused("portfolio.convert", **wanted | {"quantity": 5, "key": next(daemon.keys)})

    assert (first["change"], first["replayed"]) == ("done", False)
    assert (again["change"], again["replayed"]) == ("done", True)
    assert other.kind == "KEY_REUSED"
    assert (more.kind, more.data["field"]) == ("INVALID_PARAMS", "quantity")
    positions = daemon.positions()
    assert positions["NSE:NTPC", "MIS"]["quantity"] == 4
    assert positions["NSE:NTPC", "CNC"]["quantity"] == 6


def leg(trigger: float, price: float, **more: Any) -> dict[str, Any]:
    return {"trigger_price": trigger, "price": price, "side": "BUY", "quantity": 2} | more


def test_a_trigger_from_its_placing_to_its_end(daemon: Ordo, sim: SimProcess, broker: Any) -> None:
    target = {"account": ACCOUNT, "symbol": "NSE:INFY"}

    made = daemon.call("gtt.place", key=next(daemon.keys), legs=[leg(1290, 1295)], **target)
    gtt_id = made["gtt"]["gtt_id"]
    [row] = [r for r in broker("/gtt/triggers") if str(r["id"]) == gtt_id]
    assert (row["type"], row["condition"]["trigger_values"]) == ("single", [1290])
    assert row["orders"][0]["price"] == 1295

    daemon.call(
        "gtt.modify", key=next(daemon.keys), gtt_id=gtt_id, legs=[leg(1280, 1285)], **target
    )
    listed = {g["gtt_id"]: g for g in daemon.call("gtt.list", account=ACCOUNT)["gtts"]}
    assert listed[gtt_id]["status"] == "ACTIVE"
    assert listed[gtt_id]["legs"][0]["trigger_price"] == 1280

    ended = daemon.call("gtt.cancel", account=ACCOUNT, key=next(daemon.keys), gtt_id=gtt_id)
    assert ended["change"] == "done"
    alive = [g for g in daemon.call("gtt.list", account=ACCOUNT)["gtts"] if g["status"] == "ACTIVE"]
    assert gtt_id not in {g["gtt_id"] for g in alive}
    assert [d["what"] for d in sim.deeds() if d["what"].startswith("gtt")] == [
        "gtt_place",
        "gtt_modify",
        "gtt_delete",
    ]


def test_a_stop_and_a_target_are_one_trigger(daemon: Ordo, broker: Any) -> None:
    key = next(daemon.keys)
    wanted = {
        "account": ACCOUNT,
        "key": key,
        "symbol": "NSE:SBIN",
        "legs": [leg(800, 799, side="SELL"), leg(950, 951, side="SELL")],
    }

    made = daemon.call("gtt.place", **wanted)
    again = daemon.call("gtt.place", **wanted)

    assert again["replayed"] is True
    assert again["gtt"]["gtt_id"] == made["gtt"]["gtt_id"]
    [row] = [r for r in broker("/gtt/triggers") if str(r["id"]) == made["gtt"]["gtt_id"]]
    assert (row["type"], row["condition"]["trigger_values"]) == ("two-leg", [800, 950])


def test_a_known_trigger_is_told_although_the_broker_gives_no_price(
    daemon: Ordo, trouble: Trouble
) -> None:
    wanted = {"account": ACCOUNT, "key": next(daemon.keys), "symbol": "NSE:TCS"}
    made = daemon.call("gtt.place", legs=[leg(2800, 2810)], **wanted)
    trouble.befall("status", "GET", "/quote", times=None)

    again = daemon.call("gtt.place", legs=[leg(2800, 2810)], **wanted)
    refused = daemon.refused(
        "gtt.place", legs=[leg(2800, 2811)], **wanted | {"key": next(daemon.keys)}
    )

    assert again == made | {"replayed": True}
    assert (refused.kind, refused.retry) == ("BROKER_UNAVAILABLE", "same_key")
    assert len(trouble.requests("POST", "/gtt")) == 1


def test_an_order_that_a_trigger_released_is_listed_without_a_key(
    daemon: Ordo, sim: SimProcess
) -> None:
    told = daemon.call("market.ltp", symbols=["NSE:ONGC"], account=ACCOUNT)["quotes"]
    last = told["NSE:ONGC"]["last_price"]
    made = daemon.call(
        "gtt.place",
        account=ACCOUNT,
        key=next(daemon.keys),
        symbol="NSE:ONGC",
        legs=[leg(round(last - 0.05, 2), 230), leg(round(last + 0.05, 2), 230)],
    )

    def released() -> list[str]:
        sim.step(10)
        gtts = daemon.call("gtt.list", account=ACCOUNT)["gtts"]
        return list(
            next(g for g in gtts if g["gtt_id"] == made["gtt"]["gtt_id"])["placed_order_ids"]
        )

    [order_id] = eventually(released)
    daemon.place()
    [order] = eventually(lambda: [o for o in daemon.listed() if o["broker_order_id"] == order_id])
    assert order["key"] is None
