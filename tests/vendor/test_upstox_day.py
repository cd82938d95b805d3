"""Upstox's own SDK lives a whole day with our simulator: what it asks is understood, what it gets it understands."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.process import SimProcess, running
from ordod.sim.upstox import App

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "upstox_day.py"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    standing = ("--at", "2026-11-25T10:00:00+05:30", "--standing", "--seed", "5")
    with running(*standing, broker="upstox") as sim:
        yield sim


@pytest.fixture(scope="module")
def day(sdk_python: Callable[[str], Path], simulator: SimProcess) -> dict[str, Any]:
    """What every step of the day gave."""
    app = App()
    command = [str(sdk_python("upstox")), str(SCRIPT), simulator.url]
    command += [app.client_id, app.client_secret, app.redirect_uri, simulator.request_token()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def raised(step: Any) -> tuple[int, str]:
    """Status and code of an error."""
    body = json.loads(step["body"])
    return step["status"], body["errors"][0]["error_code"]


def placed(day: dict[str, Any], name: str) -> dict[str, Any]:
    """The book's row of what this step placed."""
    (order_id,) = day[name]["data"]["order_ids"]
    found: dict[str, Any] = next(
        row for row in day["orders"]["data"] if row["order_id"] == order_id
    )
    return found


def test_nothing_is_refused_but_what_should_be(day: dict[str, Any]) -> None:
    refused = {name for name, got in day.items() if isinstance(got, dict) and "raised" in got}

    assert refused == {
        "token_again",
        "after_logout",
        "place_after_logout",
        "candles_too_long",
        "gtt_cancel_again",
        "no_protection",
        "no_key",
        "no_quantity",
        "long_tag",
        "no_order",
        "no_trail",
        "fault_status",
        "fault_timed_out_400",
        "fault_reject",
        "fault_lose_after",
    }


def test_a_session_is_made_once_of_a_code(day: dict[str, Any]) -> None:
    assert day["token"]["user_id"] == day["profile"]["data"]["user_id"] == "ZZ0001"
    assert raised(day["token_again"]) == (401, "UDAPI100057")
    assert day["push"]["data"]["notifier_url"]


def test_a_logout_ends_it(day: dict[str, Any]) -> None:
    assert day["logout"]["data"] is True
    assert raised(day["after_logout"]) == raised(day["place_after_logout"]) == (401, "UDAPI100050")


def test_market_data_is_read(day: dict[str, Any]) -> None:
    quote = day["quotes"]["data"]["NSE_EQ:INFY"]

    assert set(day["quotes"]["data"]) == {"NSE_EQ:INFY", "NSE_INDEX:NIFTY"}
    assert len(quote["depth"]["buy"]) == 5
    assert quote["ohlc"]["high"] >= quote["last_price"]
    assert day["ltp"]["data"]["NSE_INDEX:NIFTY"]["cp"] > 0
    assert day["ohlc"]["data"]["NSE_EQ:INFY"]["prev_ohlc"] is None
    history, today = (day[name]["data"]["candles"] for name in ("candles", "candles_today"))
    assert history[0][0].startswith("2026-11-24T15:2")
    assert history[-1][0] == "2026-11-23T09:15:00+05:30"
    assert {candle[0][:10] for candle in today} == {"2026-11-25"}
    assert raised(day["candles_too_long"]) == (400, "UDAPI1148")


def test_every_type_is_taken_and_stands_as_it_should(day: dict[str, Any]) -> None:
    names = [name for name in day if name.startswith("place_") and name != "place_after_logout"]

    assert {name: placed(day, name)["status"] for name in names} == {
        "place_market": "complete",
        "place_limit": "cancelled",
        "place_ioc": "cancelled",
        "place_sl": "trigger pending",
        "place_slm": "trigger pending",
        "place_amo": "after market order req received",
        "place_mis": "complete",
        "place_mcx": "complete",
        "place_option": "complete",
    }
    assert placed(day, "place_market")["tag"] == "day1"
    assert placed(day, "place_mcx")["quantity"] == 2
    assert placed(day, "place_mis")["product"] == "I"


def test_a_change_is_acknowledged_with_the_id_and_told_in_the_trail(day: dict[str, Any]) -> None:
    (order_id,) = day["place_limit"]["data"]["order_ids"]
    words = [row["status"] for row in day["trail"]["data"]]

    assert day["modify"]["data"]["order_id"] == day["cancel"]["data"]["order_id"] == order_id
    assert day["details"]["data"]["quantity"] == 12
    assert words[:3] == ["put order req received", "validation pending", "open pending"]
    assert words[-5:] == [
        "modify validation pending",
        "modify pending",
        "modified",
        "open",
        "cancelled",
    ]
    assert day["by_tag"]["data"] == day["trail"]["data"]


def test_trades_are_told_of_all_and_of_one(day: dict[str, Any]) -> None:
    (order_id,) = day["place_market"]["data"]["order_ids"]

    assert {row["order_id"] for row in day["trades_of"]["data"]} == {order_id}
    assert sum(row["quantity"] for row in day["trades_of"]["data"]) == 10
    assert all(row in day["trades"]["data"] for row in day["trades_of"]["data"])


def test_a_conversion_moves_the_quantity(day: dict[str, Any]) -> None:
    def held(name: str) -> dict[str, int]:
        rows = day[name]["data"]
        return {r["product"]: r["quantity"] for r in rows if r["trading_symbol"] == "INFY-EQ"}

    before, after = held("positions"), held("positions_converted")

    assert day["convert"]["data"]["status"] == "complete"
    assert (after["D"], after["I"]) == (before["D"] + 4, before["I"] - 4)
    crude = next(r for r in day["positions"]["data"] if r["exchange"] == "MCX")
    assert (crude["quantity"], crude["multiplier"]) == (2, 100)


def test_money_and_margin_are_told(day: dict[str, Any]) -> None:
    free = day["funds"]["data"]["available_to_trade"]

    assert day["funds_v2"]["data"]["equity"]["available_margin"] == free["total"] == 10_000_000
    assert day["margin"]["data"]["final_margin"] == 28_000
    assert day["holdings"]["data"] == []


def test_triggers_are_kept_changed_and_cancelled(day: dict[str, Any]) -> None:
    (gtt_id,) = day["gtt_place"]["data"]["gtt_order_ids"]
    (row,) = day["gtt"]["data"]

    assert day["gtt_modify"]["data"]["gtt_order_ids"] == [gtt_id]
    assert day["gtt_cancel"]["data"]["gtt_order_ids"] == [gtt_id]
    assert (row["gtt_order_id"], row["quantity"], row["rules"][0]["status"]) == (
        gtt_id,
        6,
        "SCHEDULED",
    )
    assert day["gtts"]["data"] == [row]
    assert raised(day["gtt_cancel_again"]) == (400, "UDAPI100040")


def test_refusals_carry_upstoxs_codes(day: dict[str, Any]) -> None:
    assert raised(day["no_protection"]) == (400, "UDAPI1158")
    assert raised(day["no_key"]) == (400, "UDAPI100011")
    assert raised(day["no_quantity"]) == (400, "UDAPI1052")
    assert raised(day["long_tag"]) == (400, "UDAPI1119")
    assert raised(day["no_order"]) == raised(day["no_trail"]) == (400, "UDAPI100010")
    assert day["no_funds_row"]["status"] == "rejected"
    assert day["more_than_ten_a_second"]
    assert set(day["more_than_ten_a_second"]) == {429}


def test_trouble_reaches_the_sdk_as_trouble(day: dict[str, Any], simulator: SimProcess) -> None:
    assert day["fault_status"]["status"] == 502
    assert raised(day["fault_timed_out_400"]) == (500, "UDAPI100500")
    assert raised(day["fault_reject"])[0] == 400
    assert day["fault_lose_after"]["raised"] in {"MaxRetryError", "ProtocolError"}
    made = [deed["tag"] for deed in simulator.placements()]
    assert day["lost_is_there"].count("loseafter") == made.count("loseafter") >= 1
