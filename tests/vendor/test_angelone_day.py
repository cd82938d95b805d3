"""Angel One's own SDK lives a whole day with our simulator: what it asks is understood, what it gets it understands."""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest

from ordod.sim.angelone import App, Client
from ordod.sim.process import SimProcess, running

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "angelone_day.py"
BEGINS, LATER = "2026-11-25T10:00:00+05:30", "2026-11-26T10:00:00+05:30"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--at", BEGINS, "--standing", "--seed", "5", broker="angelone") as sim:
        yield sim


@pytest.fixture(scope="module")
def day(sdk_python: Callable[[str], Path], simulator: SimProcess) -> dict[str, Any]:
    """What every step of the day gave."""
    client, totp = Client(), pyotp.TOTP(Client().totp_secret)
    command = [str(sdk_python("angelone")), str(SCRIPT), simulator.url]
    command += [App().api_key, client.clientcode, client.pin]
    command += [totp.at(datetime.fromisoformat(BEGINS))]
    command += [LATER, totp.at(datetime.fromisoformat(LATER))]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def code(step: Any) -> str:
    """Of a refusal, in either envelope."""
    assert step.get("status", step.get("success")) is False, step
    return str(step.get("errorcode") or step.get("errorCode"))


def test_nothing_is_refused_but_what_should_be(day: dict[str, Any]) -> None:
    refused = {
        name
        for name, got in day.items()
        if got is None
        or (isinstance(got, dict) and (got.get("status") is False or got.get("success") is False))
    }
    raised = {name for name, got in day.items() if isinstance(got, dict) and "raised" in got}

    assert refused == {
        *("wrong_pin", "wrong_code", "code_again", "after_logout", "dead"),
        *(
            "cancel_wrong_variety",
            "bad_product",
            "bad_variety",
            "long_tag",
            "no_symbol",
            "no_order",
        ),
    }
    assert raised == {"empty_answer", "two_a_second"}


def test_the_session_is_made_of_pin_and_code(day: dict[str, Any]) -> None:
    assert (code(day["wrong_pin"]), code(day["wrong_code"])) == ("AB1007", "AB1050")
    assert code(day["code_again"]) == "AB1050"
    assert day["session"]["data"]["clientcode"] == day["profile"]["data"]["clientcode"] == "A100001"
    assert day["session"]["data"]["jwtToken"].startswith("Bearer ey")
    assert day["renewed"]["data"]["jwtToken"] not in day["session"]["data"]["jwtToken"]


def test_a_dead_session_comes_in_the_other_envelope(day: dict[str, Any]) -> None:
    assert day["logout"]["status"] is True
    assert code(day["after_logout"]) == code(day["dead"]) == "AG8001"
    assert "status" not in day["dead"]


def test_market_data_is_read(day: dict[str, Any]) -> None:
    fetched = {row["tradingSymbol"]: row for row in day["quote"]["data"]["fetched"]}

    assert day["search"]["data"][0]["symboltoken"] == "1004"
    assert set(fetched) == {"INFY-EQ", "Nifty 50"}
    assert len(fetched["INFY-EQ"]["depth"]["buy"]) == 5
    assert [row["symbolToken"] for row in day["quote"]["data"]["unfetched"]] == ["7"]
    assert day["ohlc"]["data"]["fetched"][0]["high"] >= day["ltp"]["data"]["ltp"]
    assert [candle[0] for candle in day["candles"]["data"]] == [
        f"2026-11-24T09:{minute}:00+05:30" for minute in (15, 20, 25, 30)
    ]
    assert day["no_candles"]["data"] is None


def test_every_type_is_taken_and_stands_as_it_should(day: dict[str, Any]) -> None:
    rows = {row["orderid"]: row for row in day["orders"]["data"]}
    placed = {
        name: order_id
        for name, order_id in day.items()
        if name.startswith("place_") and name != "place_full"
    }

    assert day["no_orders"]["data"] is None
    assert {name: rows[order_id]["status"] for name, order_id in placed.items()} == {
        "place_market": "complete",
        "place_limit": "cancelled",
        "place_sl": "trigger pending",
        "place_slm": "trigger pending",
        "place_ioc": "cancelled",
    }
    assert rows[placed["place_market"]]["ordertype"] == "LIMIT"  # inside the broker's band
    assert rows[placed["place_sl"]]["variety"] == "STOPLOSS"
    assert rows[day["place_full"]["data"]["orderid"]]["ordertag"] == "day3"


def test_a_change_is_acknowledged_and_told_by_the_row(day: dict[str, Any]) -> None:
    assert day["modify"]["data"] == day["cancel"]["data"]
    assert day["row"]["quantity"] == "6"
    assert day["details"]["data"] == day["row"]
    assert code(day["cancel_wrong_variety"]) == "AB1008"


def test_trades_and_positions_are_told(day: dict[str, Any]) -> None:
    before = {row["producttype"]: row["netqty"] for row in day["positions"]["data"]}
    after = {row["producttype"]: row["netqty"] for row in day["positions_converted"]["data"]}

    assert sum(int(trade["fillsize"]) for trade in day["trades"]["data"]) == 20
    assert before["DELIVERY"] == "20"
    assert (after["DELIVERY"], after["INTRADAY"]) == ("16", "4")
    assert day["margin"]["data"]["totalMarginRequired"] == 28_000


def test_triggers_are_kept_changed_and_cancelled(day: dict[str, Any]) -> None:
    assert day["gtt_create"] == day["gtt_modify"] == day["gtt_cancel"]["data"]["id"]
    assert day["gtt"]["data"]["price"] == day["gtt"]["data"]["triggerprice"] - 1
    assert [row["id"] for row in day["gtts"]["data"]] == [day["gtt_create"]]
    assert day["gtts_new"]["data"] is None


def test_refusals_come_with_their_code_or_in_the_book(day: dict[str, Any]) -> None:
    assert code(day["bad_product"]) == "AB1012"
    assert code(day["bad_variety"]) == "AB1020"
    assert code(day["long_tag"]) == "AB4008"
    assert code(day["no_symbol"]) == "AB1018"
    assert code(day["no_order"]) == "AB1013"
    assert day["no_funds"]["status"] is True
    assert day["rejected_row"]["orderid"] == day["no_funds"]["data"]["orderid"]
    assert day["rejected_row"]["status"] == "rejected"
    assert "needed" in day["rejected_row"]["text"]


def test_trouble_reaches_the_sdk_as_trouble(day: dict[str, Any], simulator: SimProcess) -> None:
    assert day["empty_answer"]["raised"] == "DataException"
    assert day["empty_is_there"].count("lost") == 1
    assert [deed["tag"] for deed in simulator.placements()].count("lost") == 1
    assert "exceeding access rate" in day["two_a_second"]["message"]


def test_the_next_day_has_holdings_and_an_empty_book(day: dict[str, Any]) -> None:
    assert day["next_day_orders"]["data"] is None
    rows = [(row["tradingsymbol"], row["quantity"]) for row in day["holdings"]["data"]]
    assert rows == [("INFY-EQ", 26)]
    assert day["all_holdings"]["data"]["totalholding"]["totalholdingvalue"] > 0
