"""The simulated Upstox by hand: orders, triggers, portfolio, prices."""

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from ordod.paper.hours import MARKET_HOURS
from tests.sim.upstox_client import INFY, TEN, Hand

SAMPLES = Path(__file__).parents[1] / "adapters" / "upstox" / "samples"


def keys(sample: str) -> set[str]:
    """The fields of a row as the sample has them."""
    return set(json.loads((SAMPLES / sample).read_text())["data"][0])


@pytest.fixture
def hand() -> Hand:
    return Hand()


def test_rows_have_the_fields_of_the_samples(hand: Hand) -> None:
    order_id = hand.place()
    trigger = hand.last() // 10 * 9
    rule = {"strategy": "ENTRY", "trigger_type": "BELOW", "trigger_price": trigger}
    gtt = {"type": "SINGLE", "quantity": 1, "product": "D", "rules": [rule]}
    hand.ask(
        "POST",
        "/v3/order/gtt/place",
        gtt | {"instrument_token": INFY, "transaction_type": "BUY"},
    )

    assert set(hand.row(order_id)) == keys("orders.json")
    assert set(hand.ask("GET", f"/v2/order/history?order_id={order_id}")[0]) == keys("history.json")
    assert set(hand.ask("GET", "/v2/order/trades/get-trades-for-day")[0]) == keys("trades.json")
    assert set(hand.ask("GET", "/v2/portfolio/short-term-positions")[0]) == keys("positions.json")
    assert set(hand.ask("GET", "/v3/order/gtt")[0]) == keys("gtts.json")


def test_an_answer_to_an_order_tells_its_latency(hand: Hand) -> None:
    answer = hand.send("POST", "/v3/order/place", hand.order())

    assert set(orjson.loads(answer.body)) == {"status", "data", "metadata"}


def test_order_ids_are_the_day_and_a_count(hand: Hand) -> None:
    assert [hand.place(), hand.place()] == ["261125000000001", "261125000000002"]


@pytest.mark.parametrize(
    ("spoilt", "code"),
    [
        ({"quantity": 0}, "UDAPI1052"),
        ({"quantity": 1.5}, "UDAPI100036"),
        ({"order_type": None}, "UDAPI1004"),
        ({"order_type": "STOP"}, "UDAPI1056"),
        ({"validity": None}, "UDAPI1007"),
        ({"validity": "GTC"}, "UDAPI1055"),
        ({"instrument_token": None}, "UDAPI1026"),
        ({"instrument_token": "NSE_EQ|X"}, "UDAPI100011"),
        ({"instrument_token": "NSE_INDEX|Nifty 50"}, "UDAPI100011"),
        ({"market_protection": None}, "UDAPI1158"),
        ({"market_protection": 26}, "UDAPI100036"),
        ({"tag": "x" * 41}, "UDAPI1119"),
        ({"product": "CNC"}, "UDAPI100036"),
        ({"product": "MTF"}, "UDAPI100036"),
        ({"price": 10}, "UDAPI100036"),
        ({"price": None}, "UDAPI1043"),
        ({"is_amo": None}, "UDAPI100036"),
        ({"transaction_type": "B"}, "UDAPI100036"),
        ({"slice": True}, "UDAPI100036"),
        ({"symbol": "INFY"}, "UDAPI100036"),
        ({"order_type": "LIMIT", "price": 1400.03}, "UDAPI100036"),
    ],
)
def test_a_bad_body_is_refused_by_its_code_and_makes_no_order(
    hand: Hand, spoilt: dict[str, Any], code: str
) -> None:
    assert hand.refused("POST", "/v3/order/place", hand.order(**spoilt)) == (400, code)
    assert hand.ask("GET", "/v2/order/retrieve-all") == []
    (deed,) = hand.sim.orders.deeds
    assert deed.error


def test_what_cannot_be_paid_is_taken_and_rejected_in_the_book() -> None:
    hand = Hand(cash=100)

    row = hand.row(hand.place())

    assert row["status"] == "rejected"
    assert row["status_message"]


def test_an_order_is_changed_and_cancelled_by_its_id(hand: Hand) -> None:
    body = hand.limit()
    order_id = hand.place(body)
    same = {"order_id": order_id, "order_type": "LIMIT", "validity": "DAY", "trigger_price": 0}

    changed = hand.ask(
        "PUT", "/v3/order/modify", same | {"price": body["price"] - 1, "quantity": 12}
    )
    row = hand.row(order_id)
    hand.ask("DELETE", f"/v3/order/cancel?order_id={order_id}")

    assert changed == {"order_id": order_id}
    assert (row["price"], row["quantity"], row["order_request_id"]) == (body["price"] - 1, 12, "2")
    assert hand.row(order_id)["status"] == "cancelled"
    assert hand.refused("DELETE", f"/v3/order/cancel?order_id={order_id}") == (400, "UDAPI100040")
    late = same | {"price": body["price"]}
    assert hand.refused("PUT", "/v3/order/modify", late) == (400, "UDAPI100041")


def test_without_a_living_token_nothing_is_cancelled(hand: Hand) -> None:
    order_id = hand.place()
    hand.token = "no token"

    assert hand.refused("DELETE", f"/v3/order/cancel?order_id={order_id}") == (401, "UDAPI100050")


def test_a_tag_finds_the_trails_of_all_its_orders(hand: Hand) -> None:
    ids = {hand.place(hand.order(tag="two")), hand.place(hand.order(tag="two"))}
    hand.place(hand.order(tag="one"))

    rows = hand.ask("GET", "/v2/order/history?tag=two")

    assert {row["order_id"] for row in rows} == ids
    assert hand.ask("GET", "/v2/order/history?tag=none") == []
    assert hand.refused("GET", "/v2/order/history") == (400, "UDAPI100036")
    assert hand.refused("GET", "/v2/order/history?order_id=1") == (400, "UDAPI100010")


def test_after_hours_orders_wait_for_the_next_day() -> None:
    hand = Hand(hours=MARKET_HOURS)
    hand.now = TEN.replace(hour=17)
    order_id = hand.place(hand.order(is_amo=False))

    waiting = hand.row(order_id)
    hand.now = (TEN + timedelta(days=1)).replace(hour=10)
    hand.sim.new_day(hand.now)
    hand.token = hand.sim.access_token("ZZ0001", hand.now)

    assert (waiting["status"], waiting["is_amo"]) == ("after market order req received", True)
    assert hand.row(order_id)["status"] == "complete"


def test_an_after_market_order_is_changed_and_cancelled_in_its_own_words(hand: Hand) -> None:
    body = hand.limit(is_amo=True)
    order_id = hand.place(body)
    same = {"order_id": order_id, "order_type": "LIMIT", "validity": "DAY", "trigger_price": 0}
    hand.ask("PUT", "/v3/order/modify", same | {"price": body["price"] - 1})
    changed = hand.row(order_id)["status"]
    hand.ask("DELETE", f"/v3/order/cancel?order_id={order_id}")

    assert changed == "modify after market order req received"
    assert hand.row(order_id)["status"] == "cancelled after market order"


def test_the_eleventh_order_of_a_second_is_too_many(hand: Hand) -> None:
    body = hand.limit()
    hand.now += timedelta(seconds=1)

    status = [hand.send("POST", "/v3/order/place", body, step_s=0.05).status for _ in range(12)]
    hand.now += timedelta(seconds=1)

    assert status == [200] * 10 + [429] * 2
    assert hand.send("POST", "/v3/order/place", body).status == 200


def test_a_minute_takes_five_hundred_reads_of_one_kind(hand: Hand) -> None:
    status = [hand.send("GET", "/v2/order/retrieve-all", step_s=0.05).status for _ in range(501)]

    assert status == [200] * 500 + [429]
    assert hand.send("GET", "/v2/portfolio/long-term-holdings").status == 200


def test_from_midnight_to_half_past_five_nothing_answers_but_the_files() -> None:
    hand = Hand(hours=MARKET_HOURS)
    hand.now = (TEN + timedelta(days=1)).replace(hour=4)
    hand.token = hand.sim.access_token("ZZ0001", hand.now)

    assert hand.refused("GET", "/v2/order/retrieve-all") == (423, "UDAPI100074")
    assert hand.send("GET", "/market-quote/instruments/exchange/complete.json.gz").status == 200


# Triggers


def test_a_trigger_becomes_an_order_that_names_it(hand: Hand) -> None:
    trigger = hand.last() // 1 + 3
    rule = {"strategy": "ENTRY", "trigger_type": "ABOVE", "trigger_price": trigger}
    body = {
        "type": "SINGLE",
        "quantity": 5,
        "product": "D",
        "rules": [rule],
        "instrument_token": INFY,
        "transaction_type": "BUY",
    }
    (gtt_id,) = hand.ask("POST", "/v3/order/gtt/place", body)["gtt_order_ids"]
    for _ in range(900):
        hand.now += timedelta(minutes=1)
        hand.sim.advance(hand.now)
        if hand.sim.paper.gtts("ZZ0001")[0].placed_order_ids:
            break

    (row,) = hand.ask("GET", "/v2/order/retrieve-all")

    assert (row["order_ref_id"], row["price"], row["quantity"]) == (gtt_id, trigger, 5)
    assert row["order_type"] == "LIMIT"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"type": "MULTIPLE"},
        {"rules": []},
        {"rules": [{"strategy": "TARGET", "trigger_type": "BELOW", "trigger_price": 1000}]},
        {"rules": [{"strategy": "ENTRY", "trigger_type": "ABOVE", "trigger_price": 1000}]},
        {"rules": [{"strategy": "ENTRY", "trigger_type": "BELOW", "trigger_price": -1}]},
        {"transaction_type": "HOLD"},
        {"quantity": 0},
    ],
)
def test_a_bad_trigger_is_refused(hand: Hand, spoilt: dict[str, Any]) -> None:
    rule = {"strategy": "ENTRY", "trigger_type": "BELOW", "trigger_price": 1000}
    body = {
        "type": "SINGLE",
        "quantity": 5,
        "product": "D",
        "rules": [rule],
        "instrument_token": INFY,
        "transaction_type": "BUY",
    }

    assert hand.refused("POST", "/v3/order/gtt/place", body | spoilt) == (400, "UDAPI100036")
    assert hand.ask("GET", "/v3/order/gtt") == []


def test_a_trigger_that_ended_a_week_ago_is_forgotten_and_the_book_is_read_all_the_same(
    hand: Hand,
) -> None:
    rule = {"strategy": "ENTRY", "trigger_type": "BELOW", "trigger_price": 1000}
    gtt = {"type": "SINGLE", "quantity": 1, "product": "D", "rules": [rule]}
    (gtt_id,) = hand.ask(
        "POST", "/v3/order/gtt/place", gtt | {"instrument_token": INFY, "transaction_type": "BUY"}
    )["gtt_order_ids"]
    hand.ask("DELETE", "/v3/order/gtt/cancel", {"gtt_order_id": gtt_id})
    hand.now += timedelta(days=8)
    hand.sim.new_day(hand.now)
    hand.token = hand.sim.access_token("ZZ0001", hand.now)

    order_id = hand.place()

    assert hand.ask("GET", "/v3/order/gtt") == []
    assert hand.row(order_id)["order_ref_id"] is None


def test_a_trigger_nobody_placed_is_not_found(hand: Hand) -> None:
    body = {"gtt_order_id": "GTT-C1"}

    assert hand.refused("DELETE", "/v3/order/gtt/cancel", body) == (400, "UDAPI100010")


# Portfolio


def test_a_position_and_its_sums_agree(hand: Hand) -> None:
    hand.place(hand.order(quantity=10))
    hand.place(hand.order(quantity=4, transaction_type="SELL"))

    (row,) = hand.ask("GET", "/v2/portfolio/short-term-positions")

    assert (row["quantity"], row["day_buy_quantity"], row["day_sell_quantity"]) == (6, 10, 4)
    assert row["value"] == pytest.approx(row["sell_value"] - row["buy_value"])
    assert row["pnl"] == pytest.approx(row["value"] + 6 * row["last_price"])


def test_what_was_bought_is_a_holding_with_the_fields_of_the_sample(hand: Hand) -> None:
    hand.place(hand.order(quantity=7))
    hand.now += timedelta(days=1)
    hand.sim.new_day(hand.now)
    hand.token = hand.sim.access_token("ZZ0001", hand.now)

    (row,) = hand.ask("GET", "/v2/portfolio/long-term-holdings")

    assert (row["quantity"], row["instrument_token"]) == (7, INFY)
    assert set(row) == keys("holdings.json")


def test_a_conversion_of_what_is_not_there_is_refused(hand: Hand) -> None:
    body = {
        "instrument_token": INFY,
        "new_product": "D",
        "old_product": "I",
        "transaction_type": "BUY",
        "quantity": 4,
    }

    assert hand.refused("PUT", "/v2/portfolio/convert-position", body)[0] == 400
    assert hand.sim.orders.deeds[-1].error


# Prices


def test_quotes_are_named_otherwise_than_asked(hand: Hand) -> None:
    rows = hand.ask("GET", f"/v2/market-quote/quotes?instrument_key={INFY},NSE_EQ|NOPE")

    assert set(rows) == {"NSE_EQ:INFY"}
    assert rows["NSE_EQ:INFY"]["instrument_token"] == INFY
    unknown = "/v2/market-quote/quotes?instrument_key=NSE_EQ|NOPE"
    assert hand.refused("GET", unknown) == (400, "UDAPI100011")
    assert hand.refused("GET", "/v3/market-quote/ltp") == (400, "UDAPI1026")


def test_history_is_told_newest_first_and_without_today(hand: Hand) -> None:
    base = f"/v3/historical-candle/{INFY}/minutes/15"

    rows = hand.ask("GET", f"{base}/2026-11-25/2026-11-23")["candles"]
    (today,) = {
        row[0][:10]
        for row in hand.ask("GET", f"/v3/historical-candle/intraday/{INFY}/minutes/15")["candles"]
    }

    assert {row[0][:10] for row in rows} == {"2026-11-23", "2026-11-24"}
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
    assert today == "2026-11-25"
    assert hand.refused("GET", f"{base}/2026-11-23/2026-11-25") == (400, "UDAPI1148")
    assert hand.refused("GET", f"{base}/yesterday") == (400, "UDAPI1148")


def test_the_instrument_file_is_gzipped_json_with_paise_and_milliseconds(hand: Hand) -> None:
    answer = hand.send("GET", "/market-quote/instruments/exchange/complete.json.gz")
    rows = {row["trading_symbol"]: row for row in orjson.loads(gzip.decompress(answer.body))}

    infy, crude = rows["INFY"], rows["CRUDEOIL FUT 18 DEC 26"]
    assert (infy["tick_size"], infy["isin"]) == (10.0, "INE005A01010")
    assert (crude["lot_size"], crude["tick_size"]) == (1, 100.0)
    assert crude["expiry"] == 1797618599000


def test_an_unknown_path_is_not_found(hand: Hand) -> None:
    assert hand.refused("GET", "/v3/order/retrieve-all") == (404, "UDAPI100060")
    assert hand.refused("GET", "/v2/nothing") == (404, "UDAPI100060")
