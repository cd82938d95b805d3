"""Zerodha's own streaming client reads our simulator's stream, and reads from the same bytes what our codec reads."""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import DepthTick, Instrument, Mode, Secret, Session, Stream, Tick, suite
from ordod.sim.process import SimProcess, running
from ordod.sim.zerodha import App

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "kite_ticker.py"
WISHES = {  # Kite's mode -> what is asked for in it
    "ltp": ("NSE:TCS", "NSE_INDEX:BANKNIFTY"),
    "quote": ("NSE:SBIN", "NSE_INDEX:FINNIFTY"),
    "full": ("NSE:INFY", "NSE_INDEX:NIFTY", "MCX:CRUDEOIL", "NFO:NIFTY"),
}
MODES = {"ltp": Mode.LTP, "quote": Mode.QUOTE, "full": Mode.DEPTH}


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--at", "2026-11-25T10:00:00+05:30", "--seed", "5") as sim:
        yield sim


@pytest.fixture(scope="module")
def instruments(simulator: SimProcess) -> dict[str, list[Instrument]]:
    """The wishes, found in the file that the simulator serves."""
    headers = {
        "X-Kite-Version": "3",
        "Authorization": f"token {App().api_key}:{simulator.access_token()}",
    }
    answer = httpx.get(f"{simulator.url}/instruments", headers=headers, trust_env=False)
    listed = list(ZERODHA.parse_master(answer.content, date(2026, 11, 25)))
    found = {}
    for mode, names in WISHES.items():
        found[mode] = [next(i for i in listed if i.symbol.startswith(name)) for name in names]
    return found


@pytest.fixture(scope="module")
def heard(
    sdk_python: Callable[[str], Path],
    simulator: SimProcess,
    instruments: dict[str, list[Instrument]],
) -> dict[str, Any]:
    """What the client was sent, and what it made of it."""
    tokens = {mode: [int(i.instrument_token) for i in each] for mode, each in instruments.items()}
    root = simulator.url.replace("http", "ws")
    command = [str(sdk_python("zerodha")), str(SCRIPT), root, simulator.url, App().api_key]
    command += [simulator.access_token(), json.dumps(tokens)]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"TZ": "Asia/Kolkata"},  # its times are of the machine's zone
    )
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout, parse_float=Decimal)
    return report


@pytest.fixture(scope="module")
def stream(instruments: dict[str, list[Instrument]]) -> Stream:
    session = Session(user_id="ZX0001", access_token=Secret("unused"))
    made = ZERODHA.stream(session, suite.Listed(i for each in instruments.values() for i in each))
    for mode, each in instruments.items():
        list(made.subscribe(each, MODES[mode]))
    return made


def test_the_client_hears_prices_and_orders(heard: dict[str, Any]) -> None:
    assert heard["errors"] == []
    assert len(heard["frames"]) >= 8
    assert heard["orders"][0]["tradingsymbol"] == "INFY"
    assert {order["status"] for order in heard["orders"]} >= {"COMPLETE"}


def test_every_mode_comes_for_every_instrument(
    heard: dict[str, Any], instruments: dict[str, list[Instrument]]
) -> None:
    ticks = [tick for frame in heard["frames"] for tick in frame["ticks"]]
    seen = {(tick["instrument_token"], tick["mode"]) for tick in ticks}

    for mode, each in instruments.items():
        assert {(int(i.instrument_token), mode) for i in each} <= seen


def test_our_codec_reads_the_same_values_from_the_same_bytes(
    heard: dict[str, Any], stream: Stream, instruments: dict[str, list[Instrument]]
) -> None:
    by_token = {int(i.instrument_token): i for each in instruments.values() for i in each}
    compared = 0
    for frame in heard["frames"]:
        pushed = list(stream.read(base64.b64decode(frame["payload"])))
        ticks = {value.symbol: value for value in pushed if isinstance(value, Tick)}
        depths = {value.symbol: value for value in pushed if isinstance(value, DepthTick)}
        assert len(ticks) == len(frame["ticks"])
        for told in frame["ticks"]:
            instrument = by_token[told["instrument_token"]]
            # Kite counts lots on MCX, we count units.
            size = (instrument.lot_size or 1) if instrument.symbol.startswith("MCX") else 1
            assert_same_tick(ticks[instrument.symbol], told, size)
            if "depth" in told:
                assert_same_depth(depths[instrument.symbol], told["depth"], size)
            compared += 1
    assert compared >= 20


def assert_same_tick(ours: Tick, told: dict[str, Any], size: int) -> None:
    assert ours.last_price == told["last_price"]
    for name, price in told.get("ohlc", {}).items():
        assert getattr(ours, f"{name}_price") == price
    for name, theirs in (
        ("last_quantity", "last_traded_quantity"),
        ("volume", "volume_traded"),
        ("buy_quantity", "total_buy_quantity"),
        ("sell_quantity", "total_sell_quantity"),
    ):
        if theirs in told:
            assert getattr(ours, name) == told[theirs] * size
    if "average_traded_price" in told:
        assert (ours.average_price or 0) == told["average_traded_price"]
    if ours.oi is not None:
        assert ours.oi == told["oi"] * size
    for name, theirs in (("at", "exchange_timestamp"), ("traded_at", "last_trade_time")):
        at = getattr(ours, name)
        if at is not None:
            assert f"{at:%Y-%m-%d %H:%M:%S}" == told[theirs]


def assert_same_depth(ours: DepthTick, told: dict[str, Any], size: int) -> None:
    for side in ("buy", "sell"):
        theirs = [
            (row["price"], row["quantity"] * size, row["orders"])
            for row in told[side]
            if row["quantity"]
        ]
        levels = getattr(ours, side)
        assert [(level.price, level.quantity, level.orders) for level in levels] == theirs


def test_a_client_with_a_dead_token_is_not_let_in(
    sdk_python: Callable[[str], Path], simulator: SimProcess
) -> None:
    root = simulator.url.replace("http", "ws")
    command = [str(sdk_python("zerodha")), str(SCRIPT), root, simulator.url]
    command += [App().api_key, "dead", "{}"]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    report = json.loads(ran.stdout)
    assert report["frames"] == []
    assert any("403" in error for error in report["errors"])
