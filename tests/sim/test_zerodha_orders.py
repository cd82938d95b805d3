"""The simulated order desk: what it takes, what it refuses, and how its rows look."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordod.paper.hours import MARKET_HOURS
from ordod.sim.zerodha import ZerodhaSim

SAMPLES = Path(__file__).parents[1] / "adapters" / "zerodha" / "samples"


def keys_of(name: str) -> list[set[str]]:
    """The key sets of a sample's rows."""
    return [set(row) for row in orjson.loads((SAMPLES / name).read_bytes())["data"]]


def test_a_market_order_fills_and_is_shown_as_a_protected_limit_order(kite: Any) -> None:
    order_id = kite.place(tag="abc123")

    row = kite.order(order_id)

    assert row["status"] == "COMPLETE"
    assert (row["order_type"], row["tag"]) == ("LIMIT", "abc123")
    assert row["tags"] == ["abc123", "mktp", "mktp:2.00"]
    assert row["filled_quantity"] == row["quantity"] == 10
    assert 0 < row["average_price"] <= row["price"]


def test_order_rows_have_the_keys_of_the_samples(kite: Any) -> None:
    kite.place(tag="abc123")

    keys = set(kite.ask("GET", "/orders")[0])

    newest = set.union(*keys_of("orders.json")) - {"auction_number", "terminal_id"}
    assert keys == newest


def test_trade_rows_have_the_keys_of_the_samples_and_a_time_without_a_date(kite: Any) -> None:
    order_id = kite.place()

    (row,) = kite.ask("GET", "/trades")

    assert [set(row)] == [keys_of("trades.json")[0]]
    assert row["order_timestamp"] == "10:00:01"
    assert kite.ask("GET", f"/orders/{order_id}/trades") == [row]


def test_order_ids_have_19_digits_and_grow(kite: Any) -> None:
    first, second = kite.place(), kite.place()

    assert len(first) == len(second) == 19
    assert int(first) < int(second)


def test_the_trail_tells_placing_and_modifying_in_the_words_of_the_sample(kite: Any) -> None:
    price = round(kite.last_price("NSE:INFY") * 0.95)
    order_id = kite.place(order_type="LIMIT", price=price, market_protection=None)
    kite.ask("PUT", f"/orders/regular/{order_id}", {"order_type": "LIMIT", "price": price - 1})

    trail = kite.ask("GET", f"/orders/{order_id}")

    sample = orjson.loads((SAMPLES / "order_info.json").read_bytes())["data"]
    wanted = [row["status"] for row in sample]
    assert [row["status"] for row in trail] == wanted[: len(trail)]
    assert trail[-1]["price"] == price - 1
    assert trail[0]["exchange_order_id"] is None
    assert kite.order(order_id)["modified"] is True


@pytest.mark.parametrize(
    "steps", [("modify", "cancel"), ("cancel",), ("modify", "fill"), ("fill",)]
)
def test_the_book_shows_every_step_though_it_was_read_before(
    kite: Any, steps: tuple[str, ...]
) -> None:
    last = kite.last_price("NSE:INFY")
    terms = {"order_type": "LIMIT", "price": round(last * 0.95), "market_protection": None}
    order_id, other = kite.place(**terms), kite.place(**terms)
    seen = [kite.order(order_id)]
    beside = kite.order(other)
    asks = {
        "modify": ("PUT", {"order_type": "LIMIT", "price": round(last * 0.95) - 1}),
        "fill": ("PUT", {"order_type": "LIMIT", "price": round(last * 1.02)}),
        "cancel": ("DELETE", None),
    }

    for step in steps:
        method, form = asks[step]
        kite.ask(method, f"/orders/regular/{order_id}", *([form] if form else []))
        seen.append(kite.order(order_id))
        assert seen[-1] == kite.ask("GET", f"/orders/{order_id}")[-1]

    ends = {"cancel": "CANCELLED", "fill": "COMPLETE"}
    assert [row["status"] for row in (seen[0], seen[-1])] == ["OPEN", ends[steps[-1]]]
    assert all(before != after for before, after in pairwise(seen))
    assert kite.order(other) == beside


def test_a_cancelled_order_stays_in_the_book_as_cancelled(kite: Any) -> None:
    price = round(kite.last_price("NSE:INFY") * 0.95)
    order_id = kite.place(order_type="LIMIT", price=price, market_protection=None)

    kite.ask("DELETE", f"/orders/regular/{order_id}")

    row = kite.order(order_id)
    assert (row["status"], row["cancelled_quantity"], row["filled_quantity"]) == (
        "CANCELLED",
        10,
        0,
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"tradingsymbol": None}, "`tradingsymbol`"),
        ({"tradingsymbol": "NOPE"}, "does not exist"),
        ({"exchange": "NYSE"}, "`exchange`"),
        ({"transaction_type": "B"}, "`transaction_type`"),
        ({"order_type": "STOP"}, "`order_type`"),
        ({"quantity": 0}, "`quantity`"),
        ({"quantity": "10.0"}, "`quantity`"),
        ({"product": "NRML"}, "NRML"),
        ({"validity": "GTC"}, "`validity`"),
        ({"validity": "TTL"}, "`validity_ttl`"),
        ({"order_type": "LIMIT"}, "`price`"),
        ({"order_type": "SL-M"}, "`trigger_price`"),
        ({"market_protection": None}, "market protection"),
        ({"market_protection": 0}, "market_protection"),
        ({"tag": "a" * 21}, "`tag`"),
        ({"tag": "with space"}, "`tag`"),
        ({"quantitiy": 1}, "Unknown field"),
        ({"order_type": "LIMIT", "price": "1400.03"}, "tick"),
        ({"iceberg_legs": 2, "iceberg_quantity": 5}, "Iceberg"),
    ],
)
def test_a_bad_form_is_a_400_input_exception_and_makes_no_order(
    kite: Any, form: Any, more: dict[str, object], words: str
) -> None:
    status, error_type, message = kite.refused("POST", "/orders/regular", form(**more))

    assert (status, error_type) == (400, "InputException")
    assert words in message
    assert kite.ask("GET", "/orders") == []


def test_what_cannot_be_paid_is_a_margin_exception(kite: Any, form: Any) -> None:
    status, error_type, message = kite.refused("POST", "/orders/regular", form(quantity=90_000))

    assert (status, error_type) == (400, "MarginException")
    assert message.startswith("Insufficient funds.")


def test_a_closed_market_says_so_and_takes_after_market_orders(kite: Any, form: Any) -> None:
    kite.sim = ZerodhaSim(now=kite.now, hours=MARKET_HOURS)
    kite.now = kite.now.replace(hour=20)
    kite.login()

    refusal = kite.refused("POST", "/orders/regular", form())
    order_id = kite.place("amo")

    assert refusal[:2] == (400, "OrderException")
    assert "Markets are closed" in refusal[2]
    assert kite.order(order_id)["status"] == "AMO REQ RECEIVED"


def test_what_is_not_held_cannot_be_sold_for_delivery(kite: Any, form: Any) -> None:
    refusal = kite.refused("POST", "/orders/regular", form(transaction_type="SELL"))

    assert refusal[:2] == (400, "HoldingException")


def test_mcx_counts_in_lots_and_positions_carry_the_multiplier(kite: Any) -> None:
    order_id = kite.place(
        exchange="MCX", tradingsymbol="CRUDEOIL26DECFUT", quantity=2, product="NRML"
    )

    assert kite.order(order_id)["filled_quantity"] == 2
    (position,) = kite.ask("GET", "/portfolio/positions")["net"]
    assert (position["quantity"], position["multiplier"]) == (2, 100)
    paid = Decimal(str(position["average_price"])) * 200
    assert Decimal(str(position["buy_value"])) == paid


def test_nfo_counts_in_units_and_refuses_a_broken_lot(kite: Any, form: Any) -> None:
    future = {"exchange": "NFO", "tradingsymbol": "NIFTY26DECFUT", "product": "NRML"}

    kite.place(**future, quantity=65)

    status, _, message = kite.refused("POST", "/orders/regular", form(**future, quantity=64))
    assert (status, "lot" in message) == (400, True)


def test_an_option_is_bought_in_whole_lots(kite: Any) -> None:
    order_id = kite.place(
        exchange="NFO", tradingsymbol="NIFTY26DEC25000CE", quantity=130, product="NRML"
    )

    assert kite.order(order_id)["status"] == "COMPLETE"
    assert kite.ask("GET", "/portfolio/positions")["net"][0]["quantity"] == 130


def test_an_iceberg_is_one_order_after_the_other(kite: Any) -> None:
    first = kite.place("iceberg", quantity=30, iceberg_legs=3, iceberg_quantity=10)

    for _ in range(3):
        kite.ask("GET", "/orders")

    rows = kite.ask("GET", "/orders")
    assert [row["meta"]["iceberg"]["leg"] for row in rows] == [1, 2, 3]
    assert [row["quantity"] for row in rows] == [10, 10, 10]
    assert rows[0]["order_id"] == first


def test_a_cover_order_gets_its_stop_and_is_left_through_it(kite: Any) -> None:
    stop = round(kite.last_price("NSE:INFY") * 0.97)
    entry = kite.place("co", product="MIS", trigger_price=stop)

    second = next(r for r in kite.ask("GET", "/orders") if r["parent_order_id"] == entry)
    refused = kite.refused("DELETE", f"/orders/co/{second['order_id']}")
    kite.ask("DELETE", f"/orders/co/{second['order_id']}?parent_order_id={entry}")

    assert (second["status"], second["trigger_price"]) == ("TRIGGER PENDING", stop)
    assert "parent_order_id" in refused[2]
    assert kite.order(second["order_id"])["status"] == "COMPLETE"
    assert kite.ask("GET", "/portfolio/positions")["net"][0]["quantity"] == 0


def test_an_after_market_order_waits_for_the_next_day(kite: Any) -> None:
    order_id = kite.place("amo", tag="night")
    cancelled = kite.place("amo")
    kite.ask("DELETE", f"/orders/amo/{cancelled}")

    before = [kite.order(one)["status"] for one in (order_id, cancelled)]
    kite.now += timedelta(days=1)
    kite.login()
    kite.sim.new_day(kite.now)

    assert before == ["AMO REQ RECEIVED", "CANCELLED AMO"]
    (row,) = kite.ask("GET", "/orders")
    assert (row["order_id"], row["status"], row["variety"]) == (order_id, "COMPLETE", "amo")


def test_the_book_is_empty_in_the_morning_but_the_position_is_a_holding(kite: Any) -> None:
    kite.place()

    kite.now += timedelta(days=1)
    kite.login()
    kite.sim.new_day(kite.now)

    assert kite.ask("GET", "/orders") == []
    assert kite.ask("GET", "/trades") == []
    assert kite.ask("GET", "/portfolio/holdings")[0]["quantity"] == 10


def test_slices_of_the_freeze_quantity_hang_on_a_parent_that_is_no_order(kite: Any) -> None:
    answer = kite.ask(
        "POST",
        "/orders/regular",
        {
            "exchange": "NFO",
            "tradingsymbol": "NIFTY26DECFUT",
            "transaction_type": "BUY",
            "order_type": "LIMIT",
            "price": 20_000,
            "quantity": 65 * 40,
            "product": "NRML",
            "autoslice": "true",
        },
    )

    sample = orjson.loads((SAMPLES / "autoslice_response.json").read_bytes())["data"]
    assert set(answer) == set(sample)
    rows = kite.ask("GET", "/orders")
    assert [row["order_id"] for row in rows] == [c["order_id"] for c in answer["children"]]
    assert all(f"autoslice:{answer['order_id']}" in row["tags"] for row in rows)
    assert sum(row["quantity"] for row in rows) == 65 * 40


def test_the_26th_modification_is_refused(kite: Any) -> None:
    price = round(kite.last_price("NSE:INFY") * 0.95)
    order_id = kite.place(order_type="LIMIT", price=price, market_protection=None)
    for number in range(25):
        kite.ask("PUT", f"/orders/regular/{order_id}", {"price": price - number % 2 - 1})

    refusal = kite.refused("PUT", f"/orders/regular/{order_id}", {"price": price})

    assert refusal == (400, "OrderException", "Maximum allowed order modifications exceeded.")


def test_the_eleventh_order_of_a_second_gets_429(kite: Any, form: Any) -> None:
    statuses = []
    for _ in range(11):
        statuses.append(kite.send("POST", "/orders/regular", form(quantity=1)).status)
        kite.now -= timedelta(seconds=1)

    assert statuses == [200] * 10 + [429]


def test_a_quote_a_second_is_all_there_is(kite: Any) -> None:
    kite.ask("GET", "/quote/ltp?i=NSE:INFY")
    kite.now -= timedelta(seconds=1)

    status, error_type, message = kite.refused("GET", "/quote/ltp?i=NSE:INFY")

    assert (status, error_type, message) == (429, "NetworkException", "Too many requests")


def test_an_unknown_order_is_not_found(kite: Any) -> None:
    assert kite.refused("GET", "/orders/42")[0] == 404
    assert kite.refused("DELETE", "/orders/regular/42")[:2] == (400, "OrderException")


def test_a_finished_order_is_neither_changed_nor_cancelled(kite: Any) -> None:
    order_id = kite.place()

    modified = kite.refused("PUT", f"/orders/regular/{order_id}", {"quantity": 5})
    cancelled = kite.refused("DELETE", f"/orders/regular/{order_id}")

    assert modified[2] == "Order cannot be modified as it is COMPLETE."
    assert cancelled[2] == "Order cannot be cancelled as it is COMPLETE."


def test_the_variety_of_the_path_must_be_the_orders(kite: Any) -> None:
    order_id = kite.place()

    assert kite.refused("DELETE", f"/orders/amo/{order_id}")[2] == "Invalid `variety`."


def test_an_order_by_hand_is_in_the_book_without_a_tag(kite: Any, form: Any) -> None:
    fields = {name: str(value) for name, value in form().items()}

    order_id = kite.sim.place_by_hand("ZX0001", fields, kite.now)

    assert kite.order(order_id)["tag"] is None
    assert [deed.origin for deed in kite.sim.desk.deeds] == ["hand"]


def test_refused_placements_are_in_the_ground_truth_with_their_reason(kite: Any, form: Any) -> None:
    kite.refused("POST", "/orders/regular", form(quantity=0, tag="t1"))
    kite.place(tag="t2")

    deeds = [(deed.what, deed.tag, deed.error != "") for deed in kite.sim.desk.deeds]

    assert deeds == [("place", "t1", True), ("place", "t2", False)]


def test_changes_are_in_the_ground_truth_with_what_they_asked_for(kite: Any) -> None:
    price = round(kite.last_price("NSE:INFY") * 0.95)
    order_id = kite.place(order_type="LIMIT", price=price, market_protection=None)

    kite.ask("PUT", f"/orders/regular/{order_id}", {"price": price - 1})
    kite.ask("DELETE", f"/orders/regular/{order_id}")

    deeds = [(d.what, d.order_id, d.terms.get("price")) for d in kite.sim.desk.deeds]
    assert deeds[1:] == [("modify", order_id, str(price - 1)), ("cancel", order_id, None)]


def test_an_auction_order_needs_an_auction(kite: Any, form: Any) -> None:
    sold = form(order_type="LIMIT", transaction_type="BUY", price=1400, auction_number="22")

    refusal = kite.refused("POST", "/orders/auction", sold)
    kite.sim.portfolio.auctions["INFY"] = "22"
    order_id = kite.ask("POST", "/orders/auction", sold)["order_id"]

    assert refusal[2] == "Invalid `auction_number`."
    assert kite.order(order_id)["auction_number"] == "22"


WISHES = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL"]),
        st.sampled_from(["MARKET", "LIMIT", "SL", "SL-M"]),
        st.integers(1, 3000),
        st.integers(-30, 30),  # how far from the last price, in paise tens
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(wishes=WISHES)
def test_book_trades_and_positions_always_agree(new_kite: Any, wishes: Any) -> None:
    kite = new_kite()
    last = round(kite.last_price("NSE:INFY"), 1)

    for side, order_type, quantity, distance in wishes:
        price = round(last + distance / 10, 1)
        kite.send(
            "POST",
            "/orders/regular",
            {
                "exchange": "NSE",
                "tradingsymbol": "INFY",
                "transaction_type": side,
                "order_type": order_type,
                "quantity": quantity,
                "product": "MIS",
                "price": price,
                "trigger_price": price,
                "market_protection": 2,
            },
        )
    kite.now += timedelta(minutes=1)

    rows, trades = kite.ask("GET", "/orders"), kite.ask("GET", "/trades")
    positions = kite.ask("GET", "/portfolio/positions")["net"]
    signed = {"BUY": 1, "SELL": -1}
    assert all(
        row["filled_quantity"]
        == sum(trade["quantity"] for trade in trades if trade["order_id"] == row["order_id"])
        <= row["quantity"]
        for row in rows
    )
    traded = sum(signed[trade["transaction_type"]] * trade["quantity"] for trade in trades)
    assert traded == sum(position["quantity"] for position in positions)
    made = [deed.order_id for deed in kite.sim.desk.deeds if not deed.error]
    assert made == [row["order_id"] for row in rows]
