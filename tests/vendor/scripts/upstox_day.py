"""A whole day with Upstox's own SDK. Runs in the SDK's environment: `upstox_day.py URL CLIENT_ID SECRET REDIRECT_URI CODE`.

Writes one JSON object: what each step gave, or what it raised, with class, status and body.
"""

import json
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import upstox_client  # type: ignore[import-not-found, unused-ignore]

URL, CLIENT_ID, SECRET, REDIRECT_URI, CODE = sys.argv[1:]
V2 = "2.0"
report: dict[str, Any] = {}


def control(what: str, asked: Any) -> Any:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(asked).encode())
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def step(name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Do one thing, a second after the last, and keep what came of it."""
    control("clock", {"step_s": 1})
    try:
        result = call(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - its class is the result
        body = getattr(error, "body", None)
        report[name] = {
            "raised": type(error).__name__,
            "status": getattr(error, "status", None),
            "body": body.decode("utf-8", "replace") if isinstance(body, bytes) else body,
        }
        return None
    report[name] = result.to_dict() if hasattr(result, "to_dict") else result
    return result


def client(token: str = "") -> Any:
    configuration = upstox_client.Configuration()
    configuration.host = configuration.order_host = URL
    configuration.access_token = token
    return upstox_client.ApiClient(configuration)


def order(**more: Any) -> Any:
    fields = {
        "quantity": 10,
        "product": "D",
        "validity": "DAY",
        "price": 0,
        "tag": "day",
        "instrument_token": KEYS["INFY"],
        "order_type": "MARKET",
        "transaction_type": "BUY",
        "disclosed_quantity": 0,
        "trigger_price": 0,
        "is_amo": False,
        "market_protection": -1,
    }
    return upstox_client.PlaceOrderV3Request(**(fields | more))


KEYS: dict[str, str] = {}


def main() -> None:
    login = upstox_client.LoginApi(client())
    named = {
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "redirect_uri": REDIRECT_URI,
        "grant_type": "authorization_code",
    }
    session = step("token", login.token, V2, code=CODE, **named)
    step("token_again", login.token, V2, code=CODE, **named)
    pushed = upstox_client.IndieUserTokenRequest(client_secret=SECRET)
    step("push", login.init_token_request_for_indie_user, pushed, CLIENT_ID)
    api = client(session.access_token)
    step("profile", upstox_client.UserApi(api).get_profile, V2)
    step("funds_v2", upstox_client.UserApi(api).get_user_fund_margin, V2)
    step("funds", upstox_client.UserApi(api).get_user_fund_margin_v3)
    master()
    price = market(api)
    orders(api, price)
    portfolio(api, price)
    triggers(api, price)
    refusals(api, price)
    step("logout", upstox_client.LoginApi(api).logout, V2)
    step("after_logout", upstox_client.UserApi(api).get_profile, V2)
    step("place_after_logout", upstox_client.OrderApiV3(api).place_order, order())
    json.dump(report, sys.stdout, default=str)


def master() -> None:
    """The file is fetched as the SDK's examples do: by any HTTP client."""
    import gzip

    path = "/market-quote/instruments/exchange/complete.json.gz"
    with urllib.request.urlopen(URL + path, timeout=10) as response:
        rows = json.loads(gzip.decompress(response.read()))
    found = {
        row["trading_symbol"]: row["instrument_key"] for row in rows if row["segment"] == "NSE_EQ"
    }
    KEYS["INFY"] = found["INFY"]
    KEYS["CRUDE"] = next(
        r["instrument_key"] for r in rows if r["trading_symbol"].startswith("CRUDEOIL FUT")
    )
    KEYS["OPTION"] = next(r["instrument_key"] for r in rows if r["instrument_type"] == "CE")
    report["master"] = sorted({row["segment"] for row in rows})


def market(api: Any) -> float:
    keys = f"{KEYS['INFY']},NSE_INDEX|Nifty 50,NSE_EQ|NOPE"
    quotes, quotes_v3 = upstox_client.MarketQuoteApi(api), upstox_client.MarketQuoteV3Api(api)
    full = step("quotes", quotes.get_full_market_quote, keys, V2)
    step("ltp", quotes_v3.get_ltp, instrument_key=keys)
    step("ohlc", quotes_v3.get_market_quote_ohlc, "1d", instrument_key=keys)
    history = upstox_client.HistoryV3Api(api)
    five = (KEYS["INFY"], "minutes", "5")
    step("candles", history.get_historical_candle_data1, *five, "2026-11-24", "2026-11-23")
    step("candles_today", history.get_intra_day_candle_data, *five)
    step("candles_too_long", history.get_historical_candle_data1, *five, "2026-11-24", "2026-01-01")
    return float(full.data["NSE_EQ:INFY"].last_price)


def orders(api: Any, price: float) -> None:
    v3, v2 = upstox_client.OrderApiV3(api), upstox_client.OrderApi(api)
    low, high = float(int(price * 0.9)), float(int(price * 1.05))
    limit = {"order_type": "LIMIT", "price": low, "market_protection": None}
    step("place_market", v3.place_order, order(tag="day1"))
    placed = step("place_limit", v3.place_order, order(**limit, tag="day2"))
    order_id = placed.data.order_ids[0]
    step("place_ioc", v3.place_order, order(**limit, validity="IOC"))
    stop = {"order_type": "SL", "price": high, "trigger_price": high, "market_protection": None}
    step("place_sl", v3.place_order, order(**stop))
    step("place_slm", v3.place_order, order(order_type="SL-M", trigger_price=high))
    step("place_amo", v3.place_order, order(**limit, is_amo=True))
    step("place_mis", v3.place_order, order(product="I"))
    step("place_mcx", v3.place_order, order(instrument_token=KEYS["CRUDE"], quantity=2))
    step("place_option", v3.place_order, order(instrument_token=KEYS["OPTION"], quantity=65))
    changed = {"order_id": order_id, "validity": "DAY", "trigger_price": 0}
    body = upstox_client.ModifyOrderRequest(
        order_type="LIMIT", price=low - 1, quantity=12, **changed
    )
    step("modify", v3.modify_order, body)
    step("details", v2.get_order_status, order_id=order_id)
    step("cancel", v3.cancel_order, order_id)
    step("trail", v2.get_order_details, V2, order_id=order_id)
    step("by_tag", v2.get_order_details, V2, tag="day2")
    step("orders", v2.get_order_book, V2)
    step("trades", v2.get_trade_history, V2)
    step("trades_of", v2.get_trades_by_order, report["place_market"]["data"]["order_ids"][0], V2)


def portfolio(api: Any, price: float) -> None:
    book = upstox_client.PortfolioApi(api)
    step("positions", book.get_positions, V2)
    step("positions_mtf", book.get_mtf_positions)
    convert = upstox_client.ConvertPositionRequest(
        instrument_token=KEYS["INFY"],
        new_product="D",
        old_product="I",
        transaction_type="BUY",
        quantity=4,
    )
    step("convert", book.convert_positions, convert, V2)
    step("positions_converted", book.get_positions, V2)
    step("holdings", book.get_holdings, V2)
    asked = upstox_client.Instrument(
        instrument_key=KEYS["INFY"], quantity=10, product="D", transaction_type="BUY", price=1400
    )
    body = upstox_client.MarginRequest(instruments=[asked, asked])
    step("margin", upstox_client.ChargeApi(api).post_margin, body)


def triggers(api: Any, price: float) -> None:
    v3 = upstox_client.OrderApiV3(api)

    def rules(trigger: float, side: str) -> Any:
        return [upstox_client.GttRule(strategy="ENTRY", trigger_type=side, trigger_price=trigger)]

    low = float(int(price * 0.9))
    body = upstox_client.GttPlaceOrderRequest(
        type="SINGLE",
        quantity=5,
        product="D",
        rules=rules(low, "BELOW"),
        instrument_token=KEYS["INFY"],
        transaction_type="BUY",
    )
    placed = step("gtt_place", v3.place_gtt_order, body)
    gtt_id = placed.data.gtt_order_ids[0]
    changed = upstox_client.GttModifyOrderRequest(
        type="SINGLE", quantity=6, rules=rules(low - 1, "BELOW"), gtt_order_id=gtt_id
    )
    step("gtt_modify", v3.modify_gtt_order, changed)
    step("gtts", v3.get_gtt_order_details)
    step("gtt", v3.get_gtt_order_details, gtt_order_id=gtt_id)
    cancel = upstox_client.GttCancelOrderRequest(gtt_order_id=gtt_id)
    step("gtt_cancel", v3.cancel_gtt_order, cancel)
    step("gtt_cancel_again", v3.cancel_gtt_order, cancel)


def refusals(api: Any, price: float) -> None:
    v3 = upstox_client.OrderApiV3(api)
    v2 = upstox_client.OrderApi(api)
    step("no_protection", v3.place_order, order(market_protection=None))
    step("no_key", v3.place_order, order(instrument_token="NSE_EQ|NOPE"))
    step("no_quantity", v3.place_order, order(quantity=0))
    step("long_tag", v3.place_order, order(tag="x" * 41))
    funds = step("no_funds", v3.place_order, order(quantity=90_000))
    report["no_funds_row"] = next(
        row.to_dict()
        for row in v2.get_order_book(V2).data
        if row.order_id == funds.data.order_ids[0]
    )
    step("no_order", v3.cancel_order, "260101000000000")
    step("no_trail", v2.get_order_details, V2, order_id="260101000000000")
    place = {"method": "POST", "prefix": "/v3/order/place"}
    for kind, more in (
        ("status", {}),
        ("timed_out_400", {}),
        ("reject", {"reason": "funds"}),
        ("lose_after", {}),
    ):
        control("faults", {"kind": kind, **place, **more})
        step(f"fault_{kind}", v3.place_order, order(tag=kind.replace("_", "")), _request_timeout=5)
    report["lost_is_there"] = [row.tag for row in v2.get_order_book(V2).data]
    limit = {"order_type": "LIMIT", "price": float(int(price * 0.9)), "market_protection": None}
    many = []
    for _ in range(12):
        try:
            v3.place_order(order(**limit))
        except upstox_client.rest.ApiException as error:
            many.append(error.status)
    report["more_than_ten_a_second"] = many


main()
