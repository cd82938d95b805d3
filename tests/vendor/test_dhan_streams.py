"""Dhan's own streaming clients read our simulator's streams, and read from the same bytes what our codecs read."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from ordo_adapters.dhan import DHAN
from ordod.adapter import (
    BrokerOrder,
    DepthTick,
    Instrument,
    Mode,
    Secret,
    Session,
    Status,
    Stream,
    Tick,
    suite,
)
from ordod.sim.dhan import Client
from ordod.sim.process import SimProcess, running

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "dhan_streams.py"
WISHES = {  # what is asked for in each mode, and Dhan's code of it
    Mode.LTP: (15, ("NSE:TCS", "NSE_INDEX:BANKNIFTY")),
    Mode.QUOTE: (17, ("NSE:SBIN", "NSE_INDEX:NIFTY", "NFO:NIFTY29DEC26FUT")),
    Mode.DEPTH: (21, ("NSE:INFY", "MCX:CRUDEOIL18DEC26FUT")),
}
SEGMENTS = {"IDX_I": 0, "NSE_EQ": 1, "NSE_FNO": 2, "MCX_COMM": 5}
ORDER = {
    "transactionType": "BUY", "exchangeSegment": "NSE_EQ", "productType": "CNC", "orderType": "MARKET",
    "validity": "DAY", "securityId": "1004", "quantity": 10, "price": 0, "correlationId": "stream",
}  # fmt: skip
PRICES = {"last_price": "LTP", "average_price": "avg_price", "open_price": "open", "high_price": "high", "low_price": "low"}  # fmt: skip
COUNTS = {"volume": "volume", "buy_quantity": "total_buy_quantity", "sell_quantity": "total_sell_quantity"}  # fmt: skip


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--at", "2026-11-25T10:00:00+05:30", "--seed", "5", broker="dhan") as sim:
        yield sim


@pytest.fixture(scope="module")
def session(simulator: SimProcess) -> Session:
    token = Secret(simulator.access_token())
    return Session(user_id=Client().client_id, access_token=token)


@pytest.fixture(scope="module")
def instruments(simulator: SimProcess) -> dict[str, Instrument]:
    """Of the file that the simulator serves."""
    url = f"{simulator.url}/api-data/api-scrip-master-detailed.csv"
    listed = DHAN.parse_master(httpx.get(url, trust_env=False).content, date(2026, 11, 25))
    return {one.symbol: one for one in listed}


@pytest.fixture(scope="module")
def hear(
    sdk_python: Callable[[str], Path], simulator: SimProcess, instruments: dict[str, Instrument]
) -> Callable[..., dict[str, Any]]:
    """Lets the clients run for a while, and gives their report."""

    def run(token: str, order: dict[str, Any] | None) -> dict[str, Any]:
        wishes = []
        for code, symbols in WISHES.values():
            for symbol in symbols:
                segment, _, one = instruments[symbol].instrument_token.partition(":")
                wishes.append([SEGMENTS[segment], one, code])
        root = simulator.url.replace("http", "ws")
        ran = subprocess.run(
            [str(sdk_python("dhan")), str(SCRIPT), root, simulator.url, Client().client_id, token],
            input=json.dumps({"wishes": wishes, "order": order}),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        report: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        return report

    return run


@pytest.fixture(scope="module")
def heard(
    hear: Callable[..., dict[str, Any]], session: Session, instruments: dict[str, Instrument]
) -> dict[str, Any]:
    order = ORDER | {"securityId": instruments["NSE:INFY"].instrument_token.partition(":")[2]}
    return hear(session.access_token.reveal(), order)


def codec(instruments: dict[str, Instrument], session: Session) -> Stream:
    made = DHAN.stream(session, suite.Listed(()))
    for mode, (_, symbols) in WISHES.items():
        list(made.subscribe([instruments[symbol] for symbol in symbols], mode))
    return made


def test_our_codec_reads_the_same_values_from_the_same_bytes(
    heard: dict[str, Any], session: Session, instruments: dict[str, Instrument]
) -> None:
    stream = codec(instruments, session)
    ids = {one.symbol: int(one.instrument_token.partition(":")[2]) for one in instruments.values()}
    compared = {"Ticker Data": 0, "Quote Data": 0, "Full Data": 0}
    for frame in heard["frames"]:
        theirs = frame["told"]
        values = list(stream.read(base64.b64decode(frame["payload"])))
        if theirs["type"] not in compared:
            assert values == []
            continue
        tick, *rest = values
        assert isinstance(tick, Tick)
        assert ids[tick.symbol] == theirs["security_id"]
        assert_same_tick(tick, theirs)
        assert len(rest) == (theirs["type"] == "Full Data")
        for depth in rest:
            assert isinstance(depth, DepthTick)
            assert_same_depth(depth, theirs["depth"])
        compared[theirs["type"]] += 1
    assert min(compared.values()) >= 3, compared
    assert heard["errors"] == []


def assert_same_tick(ours: Tick, theirs: dict[str, Any]) -> None:
    """Their prices have two decimals always."""
    for name, word in PRICES.items():
        if word in theirs:
            price = getattr(ours, name)
            assert (price or Decimal(0)).quantize(Decimal("0.01")) == Decimal(theirs[word]), name
    if "INDEX" not in ours.symbol:
        for name, word in COUNTS.items():
            assert getattr(ours, name) == theirs.get(word)
    assert ours.traded_at is not None
    assert f"{ours.traded_at:%H:%M:%S}" == theirs["LTT"]
    if "OI" in theirs and ours.oi is not None:
        assert ours.oi == theirs["OI"]


def assert_same_depth(ours: DepthTick, theirs: list[dict[str, Any]]) -> None:
    for levels, word in ((ours.buy, "bid"), (ours.sell, "ask")):
        rows = [
            (row[f"{word}_price"], row[f"{word}_quantity"], row[f"{word}_orders"]) for row in theirs
        ]
        assert [(f"{one.price:.2f}", one.quantity, one.orders) for one in levels] == [
            row for row in rows if row[1]
        ]
        assert levels


def test_our_codec_reads_the_same_orders(
    heard: dict[str, Any], session: Session, instruments: dict[str, Instrument]
) -> None:
    updates = DHAN.updates(session, suite.Listed(instruments.values()))

    (order,) = updates.read(json.dumps(heard["orders"][-1]))

    theirs = heard["orders"][-1]["Data"]
    assert isinstance(order, BrokerOrder)
    assert (order.broker_order_id, order.symbol) == (theirs["orderNo"], "NSE:INFY")
    assert (order.status, order.filled_quantity, order.tags) == (Status.FILLED, 10, ("stream",))
    assert theirs["status"] == "Traded"


def test_a_client_with_a_dead_token_is_told_why(hear: Callable[..., dict[str, Any]]) -> None:
    report = hear("dead.token", None)

    assert report["ended"]
    assert [base64.b64decode(one["payload"])[:1] for one in report["frames"]] == [b"\x32"]
