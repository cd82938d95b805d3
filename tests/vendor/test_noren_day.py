"""Kambala's own SDKs live a day with our simulator: what they ask is understood, what they get they understand.

Shoonya's way with the SDK that does OAuth, Flattrade's with the older one that puts the token in the body.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.noren import Client
from ordod.sim.process import running

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "noren_day.py"
START = "2026-11-25T10:00:00+05:30"
REFUSED = {
    "market",
    "no_symbol",
    "cancel_again",
    "holdings",
}  # no holdings on the first day: "no data"


@pytest.fixture(scope="module", params=["shoonya", "flattrade"])
def day(request: pytest.FixtureRequest, sdk_python: Callable[[str], Path]) -> dict[str, Any]:
    """What every step of the day gave."""
    client = Client()
    with running("--at", START, "--standing", "--seed", "5", broker=request.param) as sim:
        command = [str(sdk_python(request.param)), str(SCRIPT), sim.url, client.uid, client.app_id]
        command += [client.app_secret, sim.request_token(), sim.access_token()]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return report


def rows(day: dict[str, Any], book: str) -> dict[str, dict[str, Any]]:
    return {row["norenordno"]: row for row in day[book]}


def test_nothing_is_refused_but_what_should_be(day: dict[str, Any]) -> None:
    refused = {name for name, got in day.items() if got is None or "raised" in got}

    assert refused - {"wrong_secret", "token_again"} == REFUSED


def test_a_code_and_its_secret_are_good_once(day: dict[str, Any]) -> None:
    if "token" not in day:
        pytest.skip("this SDK has no such login")
    token, user, *_ = day["token"]

    assert (len(token), user) == (64, Client().uid)
    assert day["wrong_secret"] is day["token_again"] is None


def test_orders_stand_in_the_book_as_they_went(day: dict[str, Any]) -> None:
    book, then = rows(day, "orders"), rows(day, "orders_then")
    order = {name: day[name]["norenordno"] for name in ("filled", "waiting", "stop", "no_funds")}

    assert {name: book[key]["status"] for name, key in order.items()} == {
        "filled": "COMPLETE",
        "waiting": "OPEN",
        "stop": "TRIGGER_PENDING",
        "no_funds": "REJECTED",
    }
    assert (book[order["waiting"]]["qty"], book[order["waiting"]]["remarks"]) == ("12", "waiting")
    assert then[order["waiting"]]["status"] == "CANCELED"
    assert sum(int(row["flqty"]) for row in day["trades"]) == 10
    assert [row["netqty"] for row in day["positions"]] == ["10"]


def test_prices_are_read(day: dict[str, Any]) -> None:
    assert len([name for name in day["quote"] if name.startswith("bp")]) == 5
    assert len(day["minutes"]) >= 4
    times = [int(row["ssboe"]) for row in day["minutes"]]
    assert times == sorted(times, reverse=True)
    assert {"into", "inth", "intl", "intc", "ssboe", "intv"} <= json.loads(day["days"][0]).keys()
