"""The simulated portfolio, margins, triggers and market data, against the samples' keys."""

import csv
import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from ordod.sim.zerodha import App, ZerodhaSim

SAMPLES = Path(__file__).parents[1] / "adapters" / "zerodha" / "samples"


def sample(name: str) -> Any:
    return orjson.loads((SAMPLES / name).read_bytes())["data"]


def shape(value: Any) -> Any:
    """Keys all the way down; of a list its first member."""
    match value:
        case dict():
            return {key: shape(inner) for key, inner in value.items()}
        case [first, *_]:
            return [shape(first)]
        case _:
            return None


def next_day(kite: Any) -> None:
    kite.now += timedelta(days=1)
    kite.login()
    kite.sim.new_day(kite.now)


def test_margins_have_the_samples_shape_and_fall_with_what_is_bought(kite: Any) -> None:
    before = kite.ask("GET", "/user/margins")
    kite.place(quantity=100)

    after = kite.ask("GET", "/user/margins/equity")

    assert shape(before) == shape(sample("margins.json"))
    assert shape(after) == shape(sample("margins_equity.json"))
    spent = before["equity"]["net"] - after["net"]
    assert spent == pytest.approx(100 * kite.ask("GET", "/trades")[0]["average_price"])


def test_position_rows_have_the_samples_keys_and_their_sums_agree(kite: Any) -> None:
    kite.place(quantity=10, product="MIS")
    kite.place(quantity=4, product="MIS", transaction_type="SELL")

    positions = kite.ask("GET", "/portfolio/positions")

    assert shape(positions) == shape(sample("positions.json"))
    (net,) = positions["net"]
    assert (net["quantity"], net["buy_quantity"], net["sell_quantity"]) == (6, 10, 4)
    assert net["value"] == pytest.approx(net["sell_value"] - net["buy_value"])
    assert net["pnl"] == pytest.approx(net["value"] + 6 * net["last_price"])


def test_a_carried_position_counts_in_net_and_not_in_day(kite: Any) -> None:
    future = {"exchange": "NFO", "tradingsymbol": "NIFTY26DECFUT", "product": "NRML"}
    kite.place(**future, quantity=130)
    next_day(kite)
    kite.place(**future, quantity=65, transaction_type="SELL")

    positions = kite.ask("GET", "/portfolio/positions")

    (net,), (day,) = positions["net"], positions["day"]
    assert (net["quantity"], net["overnight_quantity"]) == (65, 130)
    assert (net["buy_quantity"], net["day_buy_quantity"], net["day_sell_quantity"]) == (130, 0, 65)
    assert (day["quantity"], day["overnight_quantity"]) == (-65, 0)


def test_a_position_is_converted(kite: Any) -> None:
    kite.place(product="MIS")

    done = kite.ask(
        "PUT",
        "/portfolio/positions",
        {
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "transaction_type": "BUY",
            "position_type": "day",
            "quantity": 10,
            "old_product": "MIS",
            "new_product": "CNC",
        },
    )

    assert done is True
    quantities = {
        p["product"]: p["quantity"] for p in kite.ask("GET", "/portfolio/positions")["net"]
    }
    assert quantities["CNC"] == 10


def test_holdings_have_the_samples_keys_and_a_sale_uses_them(kite: Any) -> None:
    kite.place(quantity=10)
    next_day(kite)
    (before,) = kite.ask("GET", "/portfolio/holdings")
    kite.place(quantity=4, transaction_type="SELL")

    (after,) = kite.ask("GET", "/portfolio/holdings")

    assert shape(before) == shape(sample("holdings.json")[0])
    assert (before["quantity"], before["opening_quantity"]) == (10, 10)
    assert (after["quantity"], after["used_quantity"]) == (6, 4)
    assert kite.ask("GET", "/portfolio/positions")["net"][0]["quantity"] == -4


def test_auctions_are_holdings_with_a_number(kite: Any) -> None:
    kite.place()
    next_day(kite)
    kite.sim.portfolio.auctions["INFY"] = "22"

    (row,) = kite.ask("GET", "/portfolio/holdings/auctions")

    assert set(row) == set(sample("auctions_list.json")[0])


ORDER = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "variety": "regular",
    "product": "CNC",
    "order_type": "LIMIT",
    "quantity": 10,
    "price": 1400,
    "trigger_price": 0,
}


def test_order_margins_and_basket_have_the_samples_shape(kite: Any) -> None:
    margins = kite.ask("POST", "/margins/orders", json=[ORDER])
    basket = kite.ask("POST", "/margins/basket?consider_positions=true", json=[ORDER, ORDER])

    assert shape(margins) == shape(sample("order_margins.json"))
    assert margins[0]["total"] == 14_000
    assert shape(basket) == shape(sample("basket_margins.json"))
    assert basket["final"]["total"] == 28_000


def test_the_contract_note_has_the_samples_shape(kite: Any) -> None:
    order = {k: v for k, v in ORDER.items() if k not in ("price", "trigger_price")}

    note = kite.ask(
        "POST", "/charges/orders", json=[order | {"order_id": "1", "average_price": 1400}]
    )

    assert shape(note) == shape(sample("virtual_contract_note.json"))
    assert note[0]["charges"]["total"] > 0


def gtt(triggers: list[float], last: float, side: str = "SELL") -> dict[str, str]:
    condition = {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "trigger_values": triggers,
        "last_price": last,
    }
    orders = [
        {
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "transaction_type": side,
            "quantity": 5,
            "order_type": "LIMIT",
            "product": "CNC",
            "price": trigger,
        }
        for trigger in triggers
    ]
    kind = "single" if len(triggers) == 1 else "two-leg"
    return {"type": kind, "condition": json.dumps(condition), "orders": json.dumps(orders)}


def test_a_trigger_is_placed_changed_and_deleted(kite: Any) -> None:
    last = kite.last_price("NSE:INFY")
    low, high = round(last * 0.9), round(last * 1.1)
    kite.place(quantity=10)

    made = kite.ask("POST", "/gtt/triggers", gtt([low, high], last))["trigger_id"]
    kite.ask("PUT", f"/gtt/triggers/{made}", gtt([low - 1, high + 1], last))
    row = kite.ask("GET", f"/gtt/triggers/{made}")
    kite.ask("DELETE", f"/gtt/triggers/{made}")

    keys = sample("gtt_get_order.json")
    assert set(row) == set(keys)
    assert set(row["condition"]) == set(keys["condition"])
    assert set(row["orders"][0]) == set(keys["orders"][0])
    assert (row["type"], row["status"]) == ("two-leg", "active")
    assert row["condition"]["trigger_values"] == [low - 1, high + 1]
    (listed,) = kite.ask("GET", "/gtt/triggers")
    assert listed["status"] == "deleted"
    assert kite.refused("GET", "/gtt/triggers/99")[0] == 404


def test_a_trigger_that_is_reached_shows_the_order_it_released(kite: Any) -> None:
    last = kite.last_price("NSE:INFY")
    near = [round(last - 1), round(last + 1)]
    made = kite.ask("POST", "/gtt/triggers", gtt(near, last, "BUY"))["trigger_id"]

    kite.now += timedelta(minutes=20)
    row = kite.ask("GET", f"/gtt/triggers/{made}")

    assert row["status"] == "triggered"
    (result,) = [order["result"] for order in row["orders"] if order["result"]]
    wanted = next(o["result"] for o in sample("gtt_get_order.json")["orders"] if o["result"])
    assert set(result) == set(wanted)
    assert kite.order(result["order_result"]["order_id"])["quantity"] == 5


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"type": "double"}, "`type`"),
        ({"orders": "[]"}, "`trigger_values`"),
        ({"condition": "{"}, "`condition`"),
        ({"tag": "x"}, "Unknown field"),
    ],
)
def test_a_bad_trigger_is_refused(kite: Any, spoil: dict[str, str], words: str) -> None:
    refusal = kite.refused("POST", "/gtt/triggers", gtt([1300], 1400) | spoil)

    assert refusal[:2] == (400, "InputException")
    assert words in refusal[2]


def test_quotes_have_the_samples_keys_and_leave_out_the_unknown(kite: Any) -> None:
    full = kite.ask("GET", "/quote?i=NSE:INFY&i=NSE:NOPE")
    ohlc = kite.ask("GET", "/quote/ohlc?i=NSE:INFY")
    ltp = kite.ask("GET", "/quote/ltp?i=NSE:INFY&i=NSE:NIFTY+50")

    assert shape(full) == shape(sample("quote.json"))
    assert len(full["NSE:INFY"]["depth"]["buy"]) == len(full["NSE:INFY"]["depth"]["sell"]) == 5
    assert shape(ohlc) == shape(sample("ohlc.json"))
    assert set(ltp) == {"NSE:INFY", "NSE:NIFTY 50"}


def test_a_plan_without_market_data_has_the_dump_alone(kite: Any) -> None:
    kite.sim = ZerodhaSim(now=kite.now, apps=(App(market_data=False),))
    kite.login()

    assert kite.refused("GET", "/quote/ltp?i=NSE:INFY")[:2] == (403, "PermissionException")
    assert kite.send("GET", "/instruments/NSE").status == 200


def test_candles_are_told_as_the_samples_tell_them(kite: Any) -> None:
    token = kite.ask("GET", "/quote/ltp?i=NSE:INFY")["NSE:INFY"]["instrument_token"]
    span = "from=2026-11-24+09:15:00&to=2026-11-24+09:20:00"

    plain = kite.ask("GET", f"/instruments/historical/{token}/minute?{span}&oi=0")["candles"]
    with_oi = kite.ask("GET", f"/instruments/historical/{token}/minute?{span}&oi=1")["candles"]

    assert [candle[0] for candle in plain][:2] == [
        "2026-11-24T09:15:00+0530",
        "2026-11-24T09:16:00+0530",
    ]
    assert len(plain) == 6
    assert len(plain[0]) == len(sample("historical_minute.json")["candles"][0])
    assert len(with_oi[0]) == len(sample("historical_oi.json")["candles"][0])


def test_too_long_a_span_and_an_unknown_interval_are_refused(kite: Any) -> None:
    token = kite.ask("GET", "/quote/ltp?i=NSE:INFY")["NSE:INFY"]["instrument_token"]
    path = f"/instruments/historical/{token}"

    long = kite.refused("GET", f"{path}/minute?from=2026-01-01&to=2026-06-01")
    odd = kite.refused("GET", f"{path}/2minute?from=2026-11-24&to=2026-11-25")

    assert long[:2] == odd[:2] == (400, "InputException")
    assert odd[2] == "invalid interval"


def test_trigger_ranges_have_the_samples_keys(kite: Any) -> None:
    ranges = kite.ask("GET", "/instruments/trigger_range/buy?i=NSE:INFY")

    assert set(ranges["NSE:INFY"]) == set(sample("trigger_range.json")["NSE:INFY"])


def test_the_instrument_dump_is_a_zipped_csv_with_the_samples_header(kite: Any) -> None:
    headers = [*kite.headers, ("Accept-Encoding", "gzip, deflate")]

    answer = kite.sim.handle("GET", "/instruments", headers, b"", kite.now)

    assert dict(answer.headers)["content-encoding"] == "gzip"
    text = gzip.decompress(answer.body).decode()
    header = (SAMPLES / "instruments_all.csv").read_text().splitlines()[0]
    assert text.splitlines()[0] == header
    rows = {row["tradingsymbol"]: row for row in csv.DictReader(text.splitlines())}
    assert rows["NIFTY26DECFUT"]["lot_size"] == "65"
    assert rows["CRUDEOIL26DECFUT"]["lot_size"] == "1"
    assert rows["NIFTY 50"]["segment"] == "INDICES"
    assert rows["NIFTY26DEC25000CE"]["instrument_type"] == "CE"
    codes = {row["segment"]: int(row["instrument_token"]) & 255 for row in rows.values()}
    assert codes == {"NSE": 1, "BSE": 4, "INDICES": 9, "NFO-FUT": 2, "NFO-OPT": 2, "MCX-FUT": 7}


def test_one_exchange_can_be_asked_for(kite: Any) -> None:
    answer = kite.sim.handle("GET", "/instruments/MCX", kite.headers, b"", kite.now)

    exchanges = {line.rpartition(",")[2] for line in answer.body.decode().splitlines()[1:]}
    assert exchanges == {"MCX"}
