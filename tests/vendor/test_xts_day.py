"""Symphony's own SDKs live a whole day with our simulator: what they ask is understood, what they get they understand."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.process import running
from ordod.sim.xts import Client
from tests.vendor import environments

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "xts_day.js"
START = "2026-11-25T10:00:00+05:30"


@pytest.fixture(scope="module")
def day() -> dict[str, Any]:
    """What every step of the day gave."""
    try:
        node = environments.xts()
    except environments.CannotInstall as reason:
        pytest.skip(str(reason))
    user = Client()
    keys = {"appKey": user.app_key, "secretKey": user.secret_key, "source": "WEBAPI"}
    market = {"appKey": user.market_key, "secretKey": user.market_secret, "source": "WEBAPI"}
    with running("--at", START, "--standing", "--seed", "5", broker="iifl") as sim:
        command = [str(node), str(SCRIPT), sim.url, json.dumps(keys), json.dumps(market)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def test_nothing_is_refused_but_what_should_be(day: dict[str, Any]) -> None:
    """The SDK makes an error of its own of a refusal, with the answer's words in it."""
    failed = {name: str(got) for name, got in day.items() if got.get("type") != "success"}

    assert set(failed) == {"empty", "unknown", "after"}
    assert "e-orders-0005" in failed["empty"]
    assert "e-instrument-0001" in failed["unknown"]
    assert "e-session-0007" in failed["after"]


def test_its_orders_are_in_the_book(day: dict[str, Any]) -> None:
    rows = {row["AppOrderID"]: row for row in day["orders"]["result"]}
    cancelled = rows[day["placed"]["result"]["AppOrderID"]]
    bought = rows[day["bought"]["result"]["AppOrderID"]]

    assert (cancelled["OrderStatus"], cancelled["OrderQuantity"]) == ("Cancelled", 12)
    assert day["history"]["result"][-1]["OrderStatus"] == "Cancelled"
    assert (bought["OrderStatus"], bought["OrderUniqueIdentifier"]) == ("Filled", "od7f3k2m")
    assert sum(row["LastTradedQuantity"] for row in day["trades"]["result"]) == 10
    held = {
        row["ProductType"]: row["Quantity"] for row in day["positions"]["result"]["positionList"]
    }
    assert held == {"CNC": "6", "MIS": "4"}


def test_its_market_is_read(day: dict[str, Any]) -> None:
    assert day["master"]["result"].count("|INFY|") >= 1
    assert "NIFTY 50_" in str(day["indices"]["result"]["indexList"])
    assert len(day["candles"]["result"]["dataReponse"].split(",")) > 70
    assert day["profile"]["result"]["ClientId"] == day["login"]["result"]["userID"]
