"""One order, followed from a bot's key through log and journal to the broker's id, with no more than docs/logs.md shows.

And what a client or a broker writes into the log does not make lines of its own there.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.process import SimProcess
from ordod.sim.process import running as simulated
from tests.acceptance.daemon import Client, Daemon, running
from tests.promises.daemon import until, zerodha

DOCUMENT = Path(__file__).parents[2] / "docs" / "logs.md"
ORDER = {
    "account": "zerodha",
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 1,
    "type": "LIMIT",
    "product": "CNC",
}
HOSTILE = "x\n2026-11-23T09:15:00.123+05:30 {}\r\x1b[2J\x1b]0;owned\x07\u2028\u202e" + "y" * 5_000


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    with simulated("--no-limits") as started:
        yield started


@pytest.fixture(scope="module")
def daemon(sim: SimProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """It begins at level info."""
    folder = tmp_path_factory.mktemp("tracing")
    with running(folder / "ordod", f'log_level = "info"\n{zerodha(sim)}') as started:
        yield started


def tell(daemon: Daemon, client: Client, level: str) -> None:
    """From now on the log is of this level."""
    config = daemon.folder / "ordod.conf"
    config.write_text(re.sub("log_level = .*", f'log_level = "{level}"', config.read_text()))
    client.ask("system.reload")


def price(client: Client) -> float:
    quotes = client.ask("market.ltp", symbols=["NSE:INFY"], account="zerodha")["quotes"]
    return float(quotes["NSE:INFY"]["last_price"] // 1 - 100)


def lines(text: str, **wanted: Any) -> list[dict[str, Any]]:
    """As `jq 'select(.name == value)'`."""
    every = [json.loads(line) for line in text.splitlines()]
    return [each for each in every if wanted.items() <= each.items()]


@pytest.mark.parametrize("level", ["info", "debug"])
def test_an_order_whose_answer_was_lost_is_followed_from_its_key_to_the_broker_s_id(
    sim: SimProcess, daemon: Daemon, client: Client, level: str
) -> None:
    tell(daemon, client, level)
    key = f"nifty-{level}"
    sim.fault("lose_after", "POST", "/orders")

    client.ask("order.place", **ORDER, price=price(client), key=key, strategy="swing")
    until(lambda: lines(daemon.log(), key=key, event="order_settled"))

    told = lines(daemon.log(), key=key)
    (doubt,) = lines(daemon.log(), key=key, event="order_in_doubt")
    (settled,) = lines(daemon.log(), key=key, event="order_settled")
    (intent,) = lines(daemon.journal(), key=key, type="intent")
    (evidence,) = lines(daemon.journal(), id=intent["id"], type="settled")
    (placed,) = [deed for deed in sim.placements() if deed["tag"] == doubt["tag"]]

    assert doubt["level"] == "warning"
    assert "broker_order_id" not in doubt
    assert (intent["id"], intent["tag"]) == (doubt["order_id"], doubt["tag"])
    assert settled["outcome"] == "placed"
    assert settled["broker_order_id"] == evidence["broker_id"] == placed["order_id"]
    ids = {"account": "zerodha", "order_id": intent["id"], "tag": intent["tag"]}
    assert all(ids.items() <= line.items() for line in told)
    assert all(line["strategy"] == "swing" for line in told)
    wanted = ["order_in_doubt", "order_settled"]
    wanted = ["order_stored", *wanted] if level == "debug" else wanted
    assert [line["event"] for line in told if line["event"] != "order_updated"] == wanted


def test_an_order_that_went_well_is_told_whole_at_level_debug_and_not_at_info(
    daemon: Daemon, client: Client
) -> None:
    terms = {**ORDER, "price": price(client)}

    tell(daemon, client, "info")
    client.ask("order.place", **terms, key="quiet")
    tell(daemon, client, "debug")
    placed = client.ask("order.place", **terms, key="loud")["order"]
    client.ask("order.cancel", account="zerodha", key="loud")

    quiet = lines(daemon.log(), key="quiet")
    loud = lines(daemon.log(), key="loud")
    (stored, accepted, *rest) = [
        line for line in loud if line["event"] in ("order_stored", "order_accepted")
    ]
    (cancel,) = [line for line in loud if line["event"] == "change_accepted"]
    assert not [line for line in quiet if line["event"] != "order_updated"]
    assert (stored["event"], accepted["event"], rest) == ("order_stored", "order_accepted", [])
    assert stored["caller"].startswith("uid:")
    for line in (accepted, cancel):
        assert line["order_id"] == placed["order_id"]
        assert line["tag"] == placed["tag"]
        assert line["broker_order_id"] == placed["broker_order_id"]
    assert cancel["operation"] == "cancel"


def test_a_broker_s_no_and_an_order_that_was_turned_away_have_lines(
    sim: SimProcess, daemon: Daemon, client: Client
) -> None:
    terms = {**ORDER, "price": price(client)}
    sim.fault("reject", "POST", "/orders", reason="funds")

    error = client.refused("order.place", **terms, key="poor")
    for number in range(20):
        client.refused("order.place", **{**terms, "symbol": "NSE:NOSUCH"}, key=f"no-{number}")

    (rejected,) = lines(daemon.log(), event="order_rejected")
    refused = lines(daemon.log(), event="order_refused")
    assert (rejected["key"], rejected["kind"]) == ("poor", "INSUFFICIENT_FUNDS")
    assert rejected["why"] == error["data"]["broker_message"]
    assert {"order_id", "tag", "account"} <= rejected.keys()
    assert refused[0]["key"] == "no-0"
    assert refused[0]["kind"] == "UNKNOWN_INSTRUMENT"
    assert len(refused) < 20  # once a second


def test_nothing_that_a_client_sends_makes_a_line_of_its_own(
    sim: SimProcess, daemon: Daemon, client: Client
) -> None:
    tell(daemon, client, "debug")
    terms = {**ORDER, "price": price(client)}
    client.refused("order.place", **terms, key=HOSTILE)
    client.refused("order.place", **terms, key="k1", strategy=HOSTILE)
    client.refused("order.place", **{**terms, "symbol": f"NSE:{HOSTILE[:60]}"}, key="k2")
    client.refused("order.place", **terms, key="k3", **{HOSTILE: 1})
    client.refused(HOSTILE)
    client.refused("kill.engage", reason=HOSTILE)
    client.ask("kill.engage", reason=HOSTILE[:150], cancel_open=False)
    client.ask("kill.release", reason=HOSTILE[:150])
    client.send_bytes(f"GET /{HOSTILE} HTTP/1.1\r\n\r\n".encode())
    with daemon.connect() as other:
        other.send({"jsonrpc": "2.0", "method": "order.place", "params": {HOSTILE: HOSTILE}})
        other.send_bytes(b"GET /%0a%1b[2J HTTP/1.1\r\nHost: \x1b[2J\r\n\r\n")
        other.ask("system.ping")
    sim.fault("status", "POST", "/orders", status=500, body=json.dumps(HOSTILE), executed=False)
    client.ask("order.place", **terms, key="k4", timeout_ms=2_000)
    log = daemon.log()

    every = [json.loads(line) for line in log.splitlines()]
    document = DOCUMENT.read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \|", document, re.MULTILINE))
    assert {each["event"] for each in every} <= listed
    assert {"killed", "released", "order_refused"} <= {each["event"] for each in every}
    assert not set(log) & {chr(code) for code in (*range(10), *range(11, 32), *range(127, 160))}
    assert not set(log) & set("\u2028\u202e")
    assert max(map(len, log.splitlines())) < 10_000
    (killed,) = [each for each in every if each["event"] == "killed"]
    assert killed["reason"] == HOSTILE[:150]  # whole, and harmless
