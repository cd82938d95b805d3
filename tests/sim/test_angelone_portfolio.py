"""Simulated Angel One: money, positions, holdings, triggers, prices, the instrument file."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from tests.sim.angelone import INFY, ORDER, SECURE, Smart

GTT = f"{SECURE}/gtt/v1"
RULE = INFY | {"producttype": "DELIVERY", "transactiontype": "BUY"}


@pytest.fixture
def smart() -> Smart:
    return Smart()


def terms(price: int) -> dict[str, Any]:
    return {
        "price": price,
        "qty": 5,
        "triggerprice": price,
        "disclosedqty": 5,
        "timeperiod": 365,
    }


def test_a_position_is_all_text(smart: Smart) -> None:
    smart.place()

    (row,) = smart.ask("GET", f"{ORDER}/getPosition")

    assert {type(value) for value in row.values()} == {str}
    assert (row["netqty"], row["buyqty"], row["producttype"]) == ("10", "10", "DELIVERY")
    assert row["netvalue"] == f"- {row['buyamount']}"


def test_a_short_position_is_negative(smart: Smart) -> None:
    smart.place(transactiontype="SELL", producttype="INTRADAY")

    (row,) = smart.ask("GET", f"{ORDER}/getPosition")

    assert (row["netqty"], row["sellqty"], row["netvalue"]) == ("-10", "10", row["sellamount"])


def test_the_next_day_has_holdings(smart: Smart) -> None:
    smart.place()
    none = smart.ask("GET", f"{SECURE}/portfolio/v1/getAllHolding")
    smart.now += timedelta(hours=13)
    smart.sim.new_day(smart.now)

    (row,) = smart.ask("GET", f"{SECURE}/portfolio/v1/getHolding")
    whole = smart.ask("GET", f"{SECURE}/portfolio/v1/getAllHolding")

    assert none == {"holdings": [], "totalholding": None}
    assert (row["tradingsymbol"], row["quantity"], row["collateralquantity"]) == (
        "INFY-EQ",
        10,
        None,
    )
    assert whole["holdings"] == [row]
    assert whole["totalholding"]["totalholdingvalue"] == pytest.approx(row["ltp"] * 10)


def test_funds_are_text_of_four_decimals_or_null(smart: Smart) -> None:
    funds = smart.ask("GET", f"{SECURE}/user/v1/getRMS")

    assert funds["net"] == "10000000.0000"
    assert funds["utilisedspan"] is None


def test_a_conversion_with_and_without_a_token(smart: Smart) -> None:
    smart.place()
    body = {
        **INFY,
        "oldproducttype": "DELIVERY",
        "newproducttype": "INTRADAY",
        "transactiontype": "BUY",
        "quantity": 3,
        "type": "DAY",
    }

    first = smart.ask("POST", f"{ORDER}/convertPosition", body)
    del body["symboltoken"]
    smart.ask("POST", f"{ORDER}/convertPosition", body)
    rows = smart.ask("GET", f"{ORDER}/getPosition")

    assert first is None
    assert {row["producttype"]: row["netqty"] for row in rows} == {"DELIVERY": "4", "INTRADAY": "6"}
    assert smart.refused("POST", f"{ORDER}/convertPosition", body | {"quantity": 5}) == "AB1017"
    assert [deed.error != "" for deed in smart.sim.orders.deeds if deed.what == "convert"] == [
        False,
        False,
        True,
    ]


def test_a_margin_is_of_all_together(smart: Smart) -> None:
    one = {
        "exchange": "NSE",
        "qty": 10,
        "price": 1400,
        "productType": "DELIVERY",
        "token": "1004",
        "tradeType": "BUY",
    }

    margin = smart.ask("POST", f"{SECURE}/margin/v1/batch", {"positions": [one, one]})

    assert margin["totalMarginRequired"] == 28_000
    many = {"positions": [one] * 51}
    assert smart.refused("POST", f"{SECURE}/margin/v1/batch", many) == "AB1004"


@pytest.mark.parametrize("prefix", ["", "/gtt-service"])
def test_a_trigger_lives_under_both_paths(smart: Smart, prefix: str) -> None:
    low = int(smart.last_price() * 0.9)
    made = smart.ask("POST", f"{prefix}{GTT}/createRule", RULE | terms(low))["id"]
    named = {"id": made, "symboltoken": "1004", "exchange": "NSE"}

    changed = smart.ask("POST", f"{prefix}{GTT}/modifyRule", named | terms(low - 1))
    row = smart.ask("POST", f"{GTT}/ruleDetails", {"id": str(made)})
    gone = smart.ask("POST", f"{prefix}{GTT}/cancelRule", named)

    assert isinstance(made, int)
    assert changed == gone == {"id": made}
    assert (row["status"], row["price"], row["qty"]) == ("NEW", low - 1, 5)
    asked = {"status": ["FORALL"], "page": 1, "count": 10}
    assert [r["status"] for r in smart.ask("POST", f"{GTT}/ruleList", asked)] == ["CANCELLED"]


def test_triggers_come_by_status_and_page(smart: Smart) -> None:
    low = int(smart.last_price() * 0.9)
    ids = [smart.ask("POST", f"{GTT}/createRule", RULE | terms(low - n))["id"] for n in range(3)]

    def listed(status: str, page: int) -> list[int] | None:
        asked = {"status": [status], "page": page, "count": 2}
        rows = smart.ask("POST", f"{GTT}/ruleList", asked)
        return rows and [row["id"] for row in rows]

    assert (listed("NEW", 1), listed("NEW", 2), listed("NEW", 3)) == (ids[:2], ids[2:], None)
    assert listed("CANCELLED", 1) is None


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"exchange": "NFO"}, "AB9003"),
        ({"producttype": "INTRADAY"}, "AB9006"),
        ({"price": 0}, "AB9008"),
        ({"price": 1400.01}, "AB9001"),
        ({"timeperoid": 1}, "AB1004"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused(smart: Smart, more: dict[str, Any], code: str) -> None:
    assert smart.refused("POST", f"{GTT}/createRule", RULE | terms(1300) | more) == code


def test_an_unknown_trigger_and_one_of_another_instrument(smart: Smart) -> None:
    made = smart.ask("POST", f"{GTT}/createRule", RULE | terms(1300))["id"]
    wrong = {"id": made, "symboltoken": "1001", "exchange": "NSE"}

    assert smart.refused("POST", f"{GTT}/cancelRule", wrong) == "AB9004"
    assert smart.refused("POST", f"{GTT}/ruleDetails", {"id": "42"}) == "AB9013"


def test_a_released_order_is_in_the_book(smart: Smart) -> None:
    low = int(smart.last_price()) - 1
    smart.ask("POST", f"{GTT}/createRule", RULE | terms(low) | {"price": low + 20})
    rows = None
    for _ in range(400):
        smart.now += timedelta(minutes=1)
        rows = smart.ask("GET", f"{ORDER}/getOrderBook")
        if rows:
            break

    assert rows is not None
    assert (rows[0]["quantity"], rows[0]["ordertag"], rows[0]["status"]) == ("5", "", "complete")
    asked = {"status": ["SENTTOEXCHANGE"], "page": 1, "count": 10}
    assert len(smart.ask("POST", f"{GTT}/ruleList", asked)) == 1


def test_a_quote_says_what_it_did_not_find(smart: Smart) -> None:
    asked = {"mode": "LTP", "exchangeTokens": {"NSE": ["1004", "99926000", "7"]}}

    quote = smart.ask("POST", f"{SECURE}/market/v1/quote", asked)

    assert [row["symbolToken"] for row in quote["fetched"]] == ["1004", "99926000"]
    assert set(quote["fetched"][0]) == {"exchange", "tradingSymbol", "symbolToken", "ltp"}
    assert [row["errorCode"] for row in quote["unfetched"]] == ["AB4046"]
    many = {"mode": "LTP", "exchangeTokens": {"NSE": ["1004"] * 51}}
    assert smart.refused("POST", f"{SECURE}/market/v1/quote/", many) == "AB1004"


@pytest.mark.parametrize(
    "more",
    [
        {"interval": "1m"},
        {"fromdate": "2026-11-24"},
        {"fromdate": "2026-10-01 09:15"},
        {"todate": "2026-11-20 09:15"},
        {"symboltoken": "7"},
    ],
)
def test_candles_that_cannot_be_are_refused(smart: Smart, more: dict[str, str]) -> None:
    asked = {
        "exchange": "NSE",
        "symboltoken": "1004",
        "interval": "ONE_MINUTE",
        "fromdate": "2026-11-24 09:15",
        "todate": "2026-11-24 09:30",
    }
    path = f"{SECURE}/historical/v1/getCandleData"

    assert len(smart.ask("POST", path, asked)) == 16
    assert smart.refused("POST", path, asked | more) == "AB1004"


def test_the_instrument_file_needs_no_session_and_writes_paise(smart: Smart) -> None:
    smart.headers, smart.jwt = {}, ""
    answer = smart.send("GET", "/OpenAPI_File/files/OpenAPIScripMaster.json")

    rows = {row["symbol"]: row for row in orjson.loads(answer.body)}

    assert {type(value) for row in rows.values() for value in row.values()} == {str}
    assert rows["INFY-EQ"]["tick_size"] == "10.000000"
    assert rows["Nifty 50"]["instrumenttype"] == "AMXIDX"
    option = next(row for row in rows.values() if row["instrumenttype"] == "OPTIDX")
    assert option["symbol"].endswith(f"{int(float(option['strike']) / 100)}{option['symbol'][-2:]}")
