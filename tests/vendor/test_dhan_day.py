"""Dhan's own SDK lives a whole day with our simulator: what it asks is understood, what it gets it understands."""

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest

from ordod.sim.dhan import Client
from ordod.sim.process import SimProcess, running

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "dhan_day.py"
START = "2026-11-25T10:00:00+05:30"
FAILED = "failure"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--at", START, "--standing", "--seed", "5", broker="dhan") as sim:
        yield sim


@pytest.fixture(scope="module")
def day(
    sdk_python: Callable[[str], Path],
    simulator: SimProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What every step of the day gave."""
    client = Client()
    code = pyotp.TOTP(client.totp_secret).at(datetime.fromisoformat(START))
    command = [str(sdk_python("dhan")), str(SCRIPT), simulator.url, client.client_id, client.pin]
    command += [code, client.app_id, client.app_secret, simulator.request_token()]
    command += [str(tmp_path_factory.mktemp("dhan") / "instruments.csv")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def refused(step: Any) -> str:
    """The code of a refusal, as the SDK reads it."""
    assert step["status"] == FAILED
    return str(step["remarks"]["error_code"])


def row_of(day: dict[str, Any], name: str) -> dict[str, Any]:
    rows = {row["orderId"]: row for row in day["orders"]}
    found: dict[str, Any] = rows[day[name]["orderId"]]
    return found


def test_nothing_is_refused_but_what_should_be(day: dict[str, Any]) -> None:
    failed = {
        name
        for name, got in day.items()
        if isinstance(got, dict) and ("raised" in got or got.get("status") == FAILED)
    }

    assert failed == {
        "wrong_secret",
        "consumed_again",
        "two_a_second",
        "no_days",
        "place_slm",
        "no_holdings",
        "convert",  # a 202 with nothing in it is a failure to this SDK
        "bad_product",
        "no_contract",
        "no_order",
        "no_tag",
        "fault_status",
        "fault_garbage",
        "fault_timed_out_400",
        "fault_reject",
        "fault_lost",
        "dead_orders",
        "dead_holdings",
        "dead_quote",
        "dead_profile",
    }


def test_a_token_is_given_once_in_two_minutes_and_a_token_id_is_good_once(
    day: dict[str, Any],
) -> None:
    assert day["token"]["dhanClientId"] == day["profile"]["dhanClientId"] == "1000000001"
    assert day["token"]["expiryTime"] == "2026-11-26T10:00:01.000"
    assert day["profile"]["tokenValidity"] == "26/11/2026 10:00"
    assert day["token_too_early"]["message"] == "Token can be generated once every 2 minutes."
    assert day["consumed"]["accessToken"] != day["token"]["accessToken"]
    assert set(day["renewed"]) == {"token", "createTime", "expiryTime"}


def test_market_data_is_read(day: dict[str, Any]) -> None:
    (infy,) = day["ltp"]["data"]["NSE_EQ"].values()
    assert infy["last_price"] > 0
    (full,) = day["quote"]["data"]["NSE_EQ"].values()
    assert len(full["depth"]["buy"]) == len(full["depth"]["sell"]) == 5
    assert full["last_trade_time"].startswith("25/11/2026 10:00:")
    assert set(day["ohlc"]["data"]) == {"NSE_EQ", "IDX_I"}
    assert len(day["candles"]["timestamp"]) == 4
    assert len(day["days"]["open_interest"]) == len(day["days"]["open"]) == 2
    assert refused(day["no_days"]) == "DH-907"


def test_instruments_are_read_as_a_table(day: dict[str, Any]) -> None:
    crude = next(row for row in day["instruments"] if row["UNDERLYING_SYMBOL"] == "CRUDEOIL")
    assert (crude["LOT_SIZE"], crude["TICK_SIZE"]) == ("100.0", "100.0")


def test_every_type_is_taken_and_stands_as_it_should(day: dict[str, Any]) -> None:
    stands = {
        name: row_of(day, f"place_{name}")["orderStatus"]
        for name in ("market", "limit", "sl", "ioc", "amo", "future", "crude")
    }

    assert stands == {
        "market": "TRADED",
        "limit": "CANCELLED",
        "sl": "PENDING",
        "ioc": "CANCELLED",
        "amo": "PENDING",
        "future": "TRADED",
        "crude": "TRADED",
    }
    assert row_of(day, "place_market")["orderType"] == "LIMIT"  # price protection
    assert row_of(day, "place_amo")["afterMarketOrder"] is True
    assert day["place_market"]["orderStatus"] == "TRANSIT"


def test_a_bare_stop_market_is_refused(day: dict[str, Any]) -> None:
    assert refused(day["place_slm"]) == "DH-906"
    assert day["place_slm"]["remarks"]["error_message"].startswith("Trigger Price should be")


def test_a_change_is_seen_by_id_and_by_tag(day: dict[str, Any]) -> None:
    assert day["one"] == day["by_tag"]
    assert (day["one"][0]["quantity"], day["one"][0]["correlationId"]) == (6, "day2")
    assert day["cancel"]["orderStatus"] == "CANCELLED"


def test_trades_and_positions_are_in_units(day: dict[str, Any]) -> None:
    held = {row["tradingSymbol"].partition("-")[0]: row for row in day["positions"]}

    assert sum(trade["tradedQuantity"] for trade in day["order_trades"]) == 10
    assert (held["CRUDEOIL"]["netQty"], held["NIFTY"]["netQty"]) == (200, -65)
    assert (held["INFY"]["positionType"], held["NIFTY"]["positionType"]) == ("LONG", "SHORT")


def test_forever_orders_are_kept_changed_a_leg_at_a_time_and_ended(day: dict[str, Any]) -> None:
    legs = [row for row in day["forevers"] if row["orderId"] == day["forever_oco"]["orderId"]]
    single = day["forever_single"]["orderId"]

    assert [(leg["legName"], leg["quantity"]) for leg in legs] == [
        ("TARGET_LEG", 2),
        ("STOP_LOSS_LEG", 3),
    ]
    assert {row["orderStatus"] for row in day["forevers"]} == {"CONFIRM"}
    after = {row["orderId"]: row["orderStatus"] for row in day["forevers_after"]}
    assert after[single] == "CANCELLED"


def test_a_conversion_moves_the_quantity_though_the_sdk_takes_the_empty_yes_for_a_no(
    day: dict[str, Any],
) -> None:
    moved = {
        row["productType"]: row["netQty"]
        for row in day["positions_converted"]
        if row["tradingSymbol"] == "INFY"
    }

    assert moved == {"CNC": 6, "INTRADAY": 4}


def test_money_is_told(day: dict[str, Any]) -> None:
    assert day["funds"]["availabelBalance"] < day["funds"]["sodLimit"] == 10_000_000
    assert (day["margin"]["totalMargin"], day["margins"]["total_margin"]) == (14_000, "28000.00")


def test_no_holdings_are_a_refusal_and_the_next_day_has_some(day: dict[str, Any]) -> None:
    assert refused(day["no_holdings"]) == "DH-1111"
    assert [(row["tradingSymbol"], row["totalQty"]) for row in day["holdings"]] == [("INFY", 6)]
    assert {row["afterMarketOrder"] for row in day["next_day_orders"]} == {True}


def test_refusals_have_dhans_codes_and_risk_refuses_in_the_book(day: dict[str, Any]) -> None:
    assert refused(day["bad_product"]) == refused(day["no_contract"]) == "DH-905"
    assert refused(day["no_order"]) == refused(day["no_tag"]) == "DH-906"
    assert day["no_funds"]["orderStatus"] == "TRANSIT"
    assert [row["orderStatus"] for row in day["no_funds_row"]] == ["REJECTED"]
    assert day["no_funds_row"][0]["omsErrorDescription"]
    assert day["two_a_second"]["status"] == FAILED


def test_a_dead_session_has_three_faces(day: dict[str, Any]) -> None:
    assert refused(day["dead_orders"]) == "DH-906"
    assert refused(day["dead_holdings"]) == "DH-901"
    assert refused(day["dead_quote"]) == "None"  # the code is a key that this SDK does not look for
    assert "DH-901" in day["dead_profile"]["message"]


def test_trouble_reaches_the_sdk_as_trouble(day: dict[str, Any], simulator: SimProcess) -> None:
    assert refused(day["fault_timed_out_400"]) == "DH-908"
    assert refused(day["fault_reject"]) == "DH-906"
    assert "orderId" not in day["fault_no_order_id"]
    assert [row["orderStatus"] for row in day["lost_is_there"]] == ["TRADED"]
    assert [deed["tag"] for deed in simulator.placements()].count("lost") == 1
