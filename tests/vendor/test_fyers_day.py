"""FYERS' own SDK lives a whole day with our simulator: what it asks is understood, what it gets it understands."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.fyers import Client
from ordod.sim.process import SimProcess, running

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "fyers_day.py"
START = "2026-11-25T10:00:00+05:30"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--at", START, "--standing", "--seed", "5", broker="fyers") as sim:
        yield sim


@pytest.fixture(scope="module")
def day(
    sdk_python: Callable[[str], Path],
    simulator: SimProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What every step of the day gave."""
    client = Client()
    command = [str(sdk_python("fyers")), str(SCRIPT), simulator.url, client.app_id]
    command += [client.app_secret, simulator.request_token(), str(tmp_path_factory.mktemp("logs"))]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def row_of(day: dict[str, Any], name: str) -> dict[str, Any]:
    rows = {row["id"]: row for row in day["orders"]["orderBook"]}
    found: dict[str, Any] = rows[day[name]["id"]]
    return found


def test_nothing_is_refused_but_what_should_be(day: dict[str, Any]) -> None:
    failed = {
        name: got.get("code")
        for name, got in day.items()
        if isinstance(got, dict) and ("raised" in got or got["s"] == "error")
    }

    assert failed == {
        "token_again": -413,
        "gtt_upside_down": -50,
        "convert_mtf": -50,
        "bad_tag": -50,
        "bad_symbol": -300,
        "bad_lot": -50,
        "no_funds": -99,
        "no_order": -51,
        "fault_status": 503,  # the SDK's own, where an answer is no JSON
        "fault_garbage": 200,
        "fault_reject": -99,
        "fault_lost": -99,  # its own word for a broken connection
        "dead": -16,
    }


def test_market_data_is_read(day: dict[str, Any]) -> None:
    infy, nifty, none = day["quotes"]["d"]
    assert (infy["s"], nifty["n"], none["v"]["code"]) == ("ok", "NSE:NIFTY50-INDEX", -300)
    (depth,) = day["depth"]["d"].values()
    assert len(depth["bids"]) == len(depth["ask"]) == 5
    assert depth["ltp"] > 0
    assert [row[0] for row in day["minutes"]["candles"]][:2] == [1795578300, 1795578600]
    assert [len(row) for row in day["days"]["candles"]] == [7, 7]
    assert day["no_days"] == {"s": "no_data", "candles": []}


def test_every_type_is_taken_and_stands_as_it_should(day: dict[str, Any]) -> None:
    names = ("market", "limit", "sl", "slm", "ioc", "amo", "future", "crude")
    stands = {name: row_of(day, f"place_{name}")["status"] for name in names}

    assert stands == {
        "market": 2,
        "limit": 1,
        "sl": 6,
        "slm": 6,
        "ioc": 1,
        "amo": 4,
        "future": 2,
        "crude": 2,
    }
    market, amo = row_of(day, "place_market"), row_of(day, "place_amo")
    assert (market["type"], market["orderTag"]) == (1, "1:day1")  # market protection
    assert (amo["offlineOrder"], amo["orderTag"]) == (True, "2:Untagged")
    assert day["place_market"]["code"] == 1101


def test_a_change_is_seen_by_id_and_by_tag(day: dict[str, Any]) -> None:
    (one,), (tagged,) = day["one"]["orderBook"], day["by_tag"]["orderBook"]
    assert (one["id"], one["qty"]) == (tagged["id"], 6)
    assert (day["modify"]["code"], day["cancel"]["code"]) == (1102, 1103)


def test_trades_and_positions_are_in_units_but_lots_on_mcx(day: dict[str, Any]) -> None:
    held = {row["id"]: row["netQty"] for row in day["positions"]["netPositions"]}
    tagged = [row for row in day["trades"]["tradeBook"] if row["orderTag"] == "1:day1"]

    assert sum(trade["tradedQty"] for trade in tagged) == 10
    assert held == {
        "NSE:INFY-EQ-CNC": 10,
        "NSE:NIFTY26DECFUT-MARGIN": -65,
        "MCX:CRUDEOIL26DECFUT-MARGIN": 2,
    }


def test_triggers_are_kept_changed_and_ended(day: dict[str, Any]) -> None:
    rows = {row["id"]: row for row in day["gtts"]["orderBook"]}
    one, two = rows[day["gtt_one"]["id"]], rows[day["gtt_two"]["id"]]

    assert (one["report_type"], one["gtt_oco_ind"]) == ("CANCELLED", 1)
    assert (two["report_type"], two["gtt_oco_ind"], two["qty2"]) == ("PLACED", 2, 3)
    assert two["price_trigger"] > two["price2_trigger"]


def test_a_conversion_moves_the_quantity(day: dict[str, Any]) -> None:
    held = {row["id"]: row["netQty"] for row in day["positions_converted"]["netPositions"]}
    assert (held["NSE:INFY-EQ-CNC"], held["NSE:INFY-EQ-INTRADAY"]) == (6, 4)


def test_money_and_shares_are_told(day: dict[str, Any]) -> None:
    funds = {row["id"]: row["equityAmount"] for row in day["funds"]["fund_limit"]}
    assert funds[10] < funds[9] == 10_000_000
    assert [(row["symbol"], row["quantity"]) for row in day["holdings"]["holdings"]] == [
        ("NSE:INFY-EQ", 6)
    ]
    assert {row["offlineOrder"] for row in day["next_day_orders"]["orderBook"]} == {True}


def test_risk_refuses_with_an_id(day: dict[str, Any]) -> None:
    assert (day["no_funds"]["message"][:4], bool(day["no_funds"]["id"])) == ("RED:", True)


def test_trouble_reaches_the_sdk_as_trouble(day: dict[str, Any], simulator: SimProcess) -> None:
    assert (day["fault_timed_out_400"]["s"], day["fault_timed_out_400"]["code"]) == ("ok", 201)
    assert "id" not in day["fault_no_order_id"]
    assert [row["status"] for row in day["lost_is_there"]["orderBook"]] == [2]
    assert [deed["tag"] for deed in simulator.placements()].count("lost") == 1
    assert day["eleven_a_second"] == ["ok"] * 10 + ["error"]
