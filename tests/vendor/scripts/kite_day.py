"""A whole day with Zerodha's own SDK. Runs in the SDK's environment: `kite_day.py URL API_KEY API_SECRET REQUEST_TOKEN`.

Writes one JSON object: what each step gave, or what it raised, with class, code and message.
"""

import json
import sys
import urllib.request
from collections.abc import Callable
from datetime import datetime
from typing import Any

from kiteconnect import KiteConnect  # type: ignore[import-not-found, unused-ignore]

URL, API_KEY, API_SECRET, REQUEST_TOKEN = sys.argv[1:]
FUTURE = {"exchange": "NFO", "tradingsymbol": "NIFTY26DECFUT", "product": "NRML"}
CRUDE = {"exchange": "MCX", "tradingsymbol": "CRUDEOIL26DECFUT", "product": "NRML"}
SHARE = {"exchange": "NSE", "tradingsymbol": "INFY"}
report: dict[str, Any] = {}


def second(seconds: float = 1) -> None:
    """Let the broker's clock go on, so that its limits are kept."""
    control("clock", {"step_s": seconds})


def control(what: str, asked: Any) -> None:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(asked).encode())
    urllib.request.urlopen(request, timeout=10).close()


def step(name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Do one thing and keep what came of it."""
    second()
    try:
        result = call(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - its class is the result
        code = getattr(error, "code", None)
        report[name] = {"raised": type(error).__name__, "code": code, "message": str(error)}
        return None
    report[name] = result
    return result


def main() -> None:
    kite = KiteConnect(API_KEY, root=URL)
    step("session", kite.generate_session, REQUEST_TOKEN, API_SECRET)
    step("session_again", kite.generate_session, REQUEST_TOKEN, API_SECRET)
    step("profile", kite.profile)
    step("margins", kite.margins)
    step("margins_equity", kite.margins, "equity")
    step("instruments", lambda: [row["tradingsymbol"] for row in kite.instruments()])
    step("instruments_mcx", kite.instruments, "MCX")
    market(kite)
    orders(kite)
    portfolio(kite)
    triggers(kite)
    refusals(kite)
    step("logout", kite.invalidate_access_token)
    step("after_logout", kite.profile)
    json.dump(report, sys.stdout, default=str)


def market(kite: Any) -> None:
    quote = step("quote", kite.quote, "NSE:INFY", "NSE:NOPE", "NSE:NIFTY 50")
    step("ohlc", kite.ohlc, "NSE:INFY")
    step("ltp", kite.ltp, ["NSE:INFY", "MCX:CRUDEOIL26DECFUT"])
    token = quote["NSE:INFY"]["instrument_token"]
    span = (datetime(2026, 11, 24, 9, 15), datetime(2026, 11, 24, 9, 30))  # noqa: DTZ001 - as the SDK wants it
    step("candles", kite.historical_data, token, *span, "5minute")
    step("candles_oi", kite.historical_data, token, *span, "5minute", oi=True)
    step("trigger_range", kite.trigger_range, "BUY", "NSE:INFY")


def orders(kite: Any) -> None:
    low = float(int(kite_price(kite) * 0.95))
    buy = {**SHARE, "transaction_type": "BUY"}
    step(
        "place_market",
        kite.place_order,
        "regular",
        **buy,
        quantity=10,
        product="CNC",
        order_type="MARKET",
        market_protection=kite.MARKET_PROTECTION_AUTO,
        tag="day1",
    )
    limit = step(
        "place_limit",
        kite.place_order,
        "regular",
        **buy,
        quantity=5,
        product="CNC",
        order_type="LIMIT",
        price=low,
        validity="DAY",
        tag="day2",
    )
    step(
        "modify", kite.modify_order, "regular", limit, quantity=6, price=low - 1, order_type="LIMIT"
    )
    step("trail", kite.order_history, limit)
    step("cancel", kite.cancel_order, "regular", limit)
    step(
        "place_sl",
        kite.place_order,
        "regular",
        **{**buy, "transaction_type": "SELL"},
        quantity=5,
        product="MIS",
        order_type="SL",
        price=low - 2,
        trigger_price=low,
    )
    step(
        "place_slm",
        kite.place_order,
        "regular",
        **{**buy, "transaction_type": "SELL"},
        quantity=5,
        product="MIS",
        order_type="SL-M",
        trigger_price=low,
        market_protection=5,
    )
    step(
        "place_ioc",
        kite.place_order,
        "regular",
        **buy,
        quantity=5,
        product="MIS",
        order_type="LIMIT",
        price=low,
        validity="IOC",
    )
    step(
        "place_ttl",
        kite.place_order,
        "regular",
        **buy,
        quantity=5,
        product="MIS",
        order_type="LIMIT",
        price=low,
        validity="TTL",
        validity_ttl=2,
    )
    step(
        "place_iceberg",
        kite.place_order,
        "iceberg",
        **buy,
        quantity=30,
        product="MIS",
        order_type="LIMIT",
        price=low,
        iceberg_legs=3,
        iceberg_quantity=10,
    )
    step(
        "place_amo",
        kite.place_order,
        "amo",
        **buy,
        quantity=5,
        product="CNC",
        order_type="LIMIT",
        price=low,
    )
    entry = step(
        "place_co",
        kite.place_order,
        "co",
        **buy,
        quantity=5,
        product="MIS",
        order_type="MARKET",
        trigger_price=low,
        market_protection=-1,
    )
    second()
    legs = [row for row in kite.orders() if row["parent_order_id"] == entry]
    report["co_legs"] = [row["status"] for row in legs]
    step("exit_co", kite.exit_order, "co", legs[0]["order_id"], parent_order_id=entry)
    step(
        "place_mcx",
        kite.place_order,
        "regular",
        **CRUDE,
        transaction_type="BUY",
        quantity=2,
        order_type="MARKET",
        market_protection=-1,
    )
    step(
        "place_nfo",
        kite.place_order,
        "regular",
        **FUTURE,
        transaction_type="SELL",
        quantity=65,
        order_type="MARKET",
        market_protection=-1,
    )
    step(
        "autoslice",
        kite.place_autoslice_order,
        "regular",
        **FUTURE,
        transaction_type="BUY",
        quantity=65 * 40,
        order_type="LIMIT",
        price=24000,
    )
    step("orders", kite.orders)
    step("trades", kite.trades)
    step("order_trades", kite.order_trades, report["place_mcx"])


def kite_price(kite: Any) -> float:
    second()
    return float(kite.ltp("NSE:INFY")["NSE:INFY"]["last_price"])


def portfolio(kite: Any) -> None:
    step("positions", kite.positions)
    step(
        "convert",
        kite.convert_position,
        **SHARE,
        transaction_type="BUY",
        position_type="day",
        quantity=4,
        old_product="CNC",
        new_product="MIS",
    )
    step("positions_converted", kite.positions)
    asked = {
        **SHARE,
        "transaction_type": "BUY",
        "variety": "regular",
        "product": "CNC",
        "order_type": "LIMIT",
        "quantity": 10,
        "price": 1400,
        "trigger_price": 0,
    }
    step("order_margins", kite.order_margins, [asked])
    step("basket", kite.basket_order_margins, [asked, asked])
    step(
        "basket_compact",
        kite.basket_order_margins,
        [asked],
        consider_positions=False,
        mode="compact",
    )
    note = {**asked, "order_id": "1", "average_price": 1400}
    step("contract_note", kite.get_virtual_contract_note, [note])
    control("clock", {"at": "2026-11-26T05:50:00+05:30"})
    control("new_day", {})
    control("auctions", {"INFY": "22"})
    step("holdings", kite.holdings)
    step("auctions", kite.get_auction_instruments)
    step(
        "place_auction",
        kite.place_order,
        "auction",
        **SHARE,
        transaction_type="SELL",
        quantity=2,
        product="CNC",
        order_type="LIMIT",
        price=float(int(kite_price(kite) * 1.05)),
        auction_number="22",
    )
    step("next_day_orders", kite.orders)


def triggers(kite: Any) -> None:
    last = kite_price(kite)
    low, high = float(int(last * 0.9)), float(int(last * 1.1))

    def leg(price: float) -> dict[str, Any]:
        return {
            "transaction_type": "SELL",
            "quantity": 2,
            "order_type": "LIMIT",
            "product": "CNC",
            "price": price,
        }

    made = step(
        "gtt_place",
        kite.place_gtt,
        kite.GTT_TYPE_OCO,
        "INFY",
        "NSE",
        [low, high],
        last,
        [leg(low), leg(high)],
    )
    gtt_id = made["trigger_id"]
    step(
        "gtt_modify",
        kite.modify_gtt,
        gtt_id,
        kite.GTT_TYPE_OCO,
        "INFY",
        "NSE",
        [low - 1, high + 1],
        last,
        [leg(low), leg(high)],
    )
    step("gtt", kite.get_gtt, gtt_id)
    step("gtts", kite.get_gtts)
    step("gtt_delete", kite.delete_gtt, gtt_id)
    step("gtt_single", kite.place_gtt, kite.GTT_TYPE_SINGLE, "INFY", "NSE", [low], last, [leg(low)])


def refusals(kite: Any) -> None:
    bad = {**SHARE, "transaction_type": "BUY", "product": "CNC", "order_type": "MARKET"}
    step("no_protection", kite.place_order, "regular", **bad, quantity=1)
    step("no_funds", kite.place_order, "regular", **bad, quantity=90_000, market_protection=-1)
    step("no_order", kite.cancel_order, "regular", "42")
    step("no_trail", kite.order_history, "42")
    for kind, more in (
        ("status", {"status": 503}),
        ("garbage", {}),
        ("timed_out_400", {}),
        ("reject", {"reason": "order"}),
    ):
        control("faults", {"kind": kind, "method": "POST", "prefix": "/orders", **more})
        step(f"fault_{kind}", kite.place_order, "regular", **bad, quantity=1, market_protection=-1)
    control("faults", {"kind": "lose_after", "method": "POST", "prefix": "/orders"})
    step(
        "fault_lost",
        kite.place_order,
        "regular",
        **bad,
        quantity=1,
        market_protection=-1,
        tag="lost",
    )
    step("lost_is_there", lambda: [row["tag"] for row in kite.orders()])
    report["two_a_second"] = two_quotes_in_a_second(kite)


def two_quotes_in_a_second(kite: Any) -> Any:
    second()
    kite.ltp("NSE:INFY")
    try:
        return kite.ltp("NSE:INFY")
    except Exception as error:  # noqa: BLE001 - its class is the result
        return {"raised": type(error).__name__, "code": getattr(error, "code", None)}


main()
