"""Zerodha's own SDK lives a whole day with our simulator: what it asks is understood, what it gets it understands."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.process import SimProcess, running
from ordod.sim.zerodha import App

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "kite_day.py"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--at", "2026-11-25T10:00:00+05:30", "--standing", "--seed", "5") as sim:
        yield sim


@pytest.fixture(scope="module")
def day(sdk_python: Callable[[str], Path], simulator: SimProcess) -> dict[str, Any]:
    """What every step of the day gave."""
    app = App()
    command = [str(sdk_python("zerodha")), str(SCRIPT), simulator.url]
    command += [app.api_key, app.api_secret, simulator.request_token()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def raised(step: Any) -> tuple[str, int]:
    return step["raised"], step["code"]


def test_nothing_is_refused_but_what_should_be(day: dict[str, Any]) -> None:
    refused = {name for name, got in day.items() if isinstance(got, dict) and "raised" in got}

    assert refused == {
        "session_again",
        "after_logout",
        "no_protection",
        "no_funds",
        "no_order",
        "no_trail",
        "fault_status",
        "fault_garbage",
        "fault_timed_out_400",
        "fault_reject",
        "fault_lost",
        "two_a_second",
    }


def test_the_session_is_made_once_of_a_request_token(day: dict[str, Any]) -> None:
    assert day["session"]["user_id"] == day["profile"]["user_id"] == "ZX0001"
    assert day["session"]["login_time"] == "2026-11-25 10:00:01"
    assert raised(day["session_again"]) == ("TokenException", 403)


def test_logout_ends_it(day: dict[str, Any]) -> None:
    assert day["logout"] is True
    assert raised(day["after_logout"]) == ("TokenException", 403)


def test_market_data_is_read(day: dict[str, Any]) -> None:
    assert set(day["quote"]) == {"NSE:INFY", "NSE:NIFTY 50"}
    assert day["quote"]["NSE:INFY"]["timestamp"].startswith("2026-11-25 10:00:")
    assert set(day["ltp"]) == {"NSE:INFY", "MCX:CRUDEOIL26DECFUT"}
    assert day["ohlc"]["NSE:INFY"]["ohlc"]["high"] >= day["ohlc"]["NSE:INFY"]["last_price"]
    assert [candle["date"] for candle in day["candles"]] == [
        f"2026-11-24 09:{minute}:00+05:30" for minute in (15, 20, 25, 30)
    ]
    assert "oi" in day["candles_oi"][0]
    assert day["trigger_range"]["NSE:INFY"]["lower"] < day["trigger_range"]["NSE:INFY"]["upper"]


def test_instruments_are_read(day: dict[str, Any]) -> None:
    assert {"INFY", "NIFTY 50", "NIFTY26DECFUT", "NIFTY26DEC25000CE"} <= set(day["instruments"])
    assert {row["exchange"] for row in day["instruments_mcx"]} == {"MCX"}
    assert {row["lot_size"] for row in day["instruments_mcx"]} == {1}


def test_every_variety_and_type_is_taken_and_stands_as_it_should(day: dict[str, Any]) -> None:
    rows = {row["order_id"]: row for row in day["orders"]}
    status = {
        name.removeprefix("place_"): rows[order_id]["status"]
        for name, order_id in day.items()
        if name.startswith("place_") and name != "place_auction"
    }

    assert status == {
        "market": "COMPLETE",
        "limit": "CANCELLED",
        "sl": "TRIGGER PENDING",
        "slm": "TRIGGER PENDING",
        "ioc": "CANCELLED",
        "ttl": "OPEN",
        "iceberg": "OPEN",
        "amo": "AMO REQ RECEIVED",
        "co": "COMPLETE",
        "mcx": "COMPLETE",
        "nfo": "COMPLETE",
    }
    assert rows[day["place_market"]]["tag"] == "day1"
    assert rows[day["place_iceberg"]]["meta"]["iceberg"]["legs"] == 3
    assert day["co_legs"] == ["TRIGGER PENDING"]
    assert rows[day["exit_co"]]["status"] == "COMPLETE"


def test_a_modification_is_acknowledged_with_the_id_and_told_in_the_trail(
    day: dict[str, Any],
) -> None:
    assert day["modify"] == day["cancel"] == day["place_limit"]
    words = [row["status"] for row in day["trail"]]
    assert words[-4:] == ["MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED", "OPEN"]
    assert day["trail"][-1]["quantity"] == 6


def test_slices_are_children_of_one_answer(day: dict[str, Any]) -> None:
    ids = {row["order_id"] for row in day["orders"]}

    assert day["autoslice"]["order_id"] not in ids
    assert {child["order_id"] for child in day["autoslice"]["children"]} <= ids


def test_trades_and_positions_count_lots_where_kite_does(day: dict[str, Any]) -> None:
    (trade,) = day["order_trades"]
    net = {row["tradingsymbol"]: row for row in day["positions"]["net"]}

    assert trade["quantity"] == 2
    assert trade in day["trades"]
    assert (net["CRUDEOIL26DECFUT"]["quantity"], net["CRUDEOIL26DECFUT"]["multiplier"]) == (2, 100)
    assert net["NIFTY26DECFUT"]["quantity"] == -65


def test_a_conversion_moves_the_quantity(day: dict[str, Any]) -> None:
    before = {
        row["product"]: row["quantity"]
        for row in day["positions"]["net"]
        if row["tradingsymbol"] == "INFY"
    }
    after = {
        row["product"]: row["quantity"]
        for row in day["positions_converted"]["net"]
        if row["tradingsymbol"] == "INFY"
    }

    assert day["convert"] is True
    assert after["CNC"] == before["CNC"] - 4
    assert after["MIS"] == before["MIS"] + 4


def test_margins_and_charges_are_told(day: dict[str, Any]) -> None:
    assert day["order_margins"][0]["total"] == 14_000
    assert day["basket"]["final"]["total"] == 28_000
    assert day["basket_compact"]["final"]["total"] == 14_000
    assert day["contract_note"][0]["charges"]["total"] > 0
    assert day["margins"]["equity"] == day["margins_equity"]


def test_the_next_day_has_holdings_and_a_fresh_book(day: dict[str, Any]) -> None:
    assert [(row["tradingsymbol"], row["quantity"]) for row in day["holdings"]] == [("INFY", 6)]
    assert day["auctions"][0]["auction_number"] == "22"
    assert {row["variety"] for row in day["next_day_orders"]} == {"amo", "auction"}


def test_triggers_are_kept_changed_and_deleted(day: dict[str, Any]) -> None:
    gtt_id = day["gtt_place"]["trigger_id"]

    assert day["gtt_modify"]["trigger_id"] == day["gtt_delete"]["trigger_id"] == gtt_id
    assert (day["gtt"]["id"], day["gtt"]["type"], day["gtt"]["status"]) == (
        gtt_id,
        "two-leg",
        "active",
    )
    assert [row["id"] for row in day["gtts"]] == [gtt_id]
    assert day["gtt_single"]["trigger_id"] != gtt_id


def test_the_sdk_raises_the_class_of_the_error_type_where_it_has_one(day: dict[str, Any]) -> None:
    assert raised(day["no_protection"]) == ("InputException", 400)
    assert raised(day["no_funds"]) == ("GeneralException", 400)
    assert "Insufficient funds" in day["no_funds"]["message"]  # 5.2.2 has no MarginException
    assert raised(day["no_order"]) == ("OrderException", 400)
    assert raised(day["no_trail"]) == ("GeneralException", 404)
    assert raised(day["two_a_second"]) == ("NetworkException", 429)


def test_trouble_reaches_the_sdk_as_trouble(day: dict[str, Any], simulator: SimProcess) -> None:
    assert raised(day["fault_status"])[0] == "DataException"
    assert raised(day["fault_garbage"])[0] == "DataException"
    assert raised(day["fault_timed_out_400"]) == ("InputException", 400)
    assert raised(day["fault_reject"]) == ("OrderException", 400)
    assert day["fault_lost"]["raised"] == "ConnectionError"
    assert day["lost_is_there"].count("lost") == 1
    assert [deed["tag"] for deed in simulator.placements()].count("lost") == 1
