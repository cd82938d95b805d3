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
from ordo_adapters.dhan.tables import DISCONNECTED, FEED_SEGMENT
from ordod.adapter import (
    BrokerError,
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
WISHES = {  # what is asked for in which mode
    Mode.LTP: ("NSE:TCS", "NSE_INDEX:BANKNIFTY"),
    Mode.QUOTE: ("NSE:SBIN", "NSE_INDEX:NIFTY", "NFO:NIFTY29DEC26FUT"),
    Mode.DEPTH: ("NSE:INFY", "MCX:CRUDEOIL18DEC26FUT"),
}
CODES = {Mode.LTP: 15, Mode.QUOTE: 17, Mode.DEPTH: 21}
KINDS = {Mode.LTP: "Ticker Data", Mode.QUOTE: "Quote Data", Mode.DEPTH: "Full Data"}
PRICES = {"open_price": "open", "high_price": "high", "low_price": "low"}
QUANTITIES = {
    "volume": "volume",
    "buy_quantity": "total_buy_quantity",
    "sell_quantity": "total_sell_quantity",
}
CENT = Decimal("0.0051")  # the SDK rounds to two places


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--at", "2026-11-25T10:00:00+05:30", "--seed", "5", broker="dhan") as sim:
        yield sim


@pytest.fixture(scope="module")
def session(simulator: SimProcess) -> Session:
    return Session(user_id=Client().client_id, access_token=Secret(simulator.access_token()))


@pytest.fixture(scope="module")
def instruments(simulator: SimProcess) -> dict[str, Instrument]:
    """By symbol, of the file that the simulator serves."""
    url = f"{simulator.url}/api-data/api-scrip-master-detailed.csv"
    content = httpx.get(url, trust_env=False).content
    return {one.symbol: one for one in DHAN.parse_master(content, date(2026, 11, 25))}


@pytest.fixture(scope="module")
def hear(sdk_python: Callable[[str], Path], simulator: SimProcess) -> Callable[..., dict[str, Any]]:
    """Lets the clients run for a while, and gives their report."""

    def run(token: str, wishes: list[tuple[int, str, int]], order: Any = None) -> dict[str, Any]:
        command = [str(sdk_python("dhan")), str(SCRIPT), simulator.url, Client().client_id, token]
        ran = subprocess.run(
            command,
            input=json.dumps({"instruments": wishes, "order": order}),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        report: dict[str, Any] = json.loads(ran.stdout, parse_float=Decimal)
        return report

    return run


@pytest.fixture(scope="module")
def heard(
    hear: Callable[..., dict[str, Any]], session: Session, instruments: dict[str, Instrument]
) -> dict[str, Any]:
    wishes = [
        (*segment_and_id(instruments[symbol]), CODES[mode])
        for mode, symbols in WISHES.items()
        for symbol in symbols
    ]
    order = {
        "transactionType": "BUY",
        "exchangeSegment": "NSE_EQ",
        "productType": "CNC",
        "orderType": "MARKET",
        "validity": "DAY",
        "securityId": segment_and_id(instruments["NSE:INFY"])[1],
        "quantity": 10,
        "disclosedQuantity": 0,
        "price": 0,
        "triggerPrice": 0,
        "afterMarketOrder": False,
        "correlationId": "stream",
    }
    return hear(session.access_token.reveal(), wishes, order)


def segment_and_id(instrument: Instrument) -> tuple[int, str]:
    """As the SDK wants them."""
    segment, _, security_id = instrument.instrument_token.partition(":")
    return FEED_SEGMENT[segment], security_id


def codec(session: Session, instruments: dict[str, Instrument]) -> Stream:
    made = DHAN.stream(session, suite.Listed(instruments.values()))
    for mode, symbols in WISHES.items():
        list(made.subscribe([instruments[symbol] for symbol in symbols], mode))
    return made


def frames(report: dict[str, Any]) -> list[tuple[bytes, Any]]:
    """Each, with what the client made of it."""
    return [(base64.b64decode(one["payload"]), one["told"]) for one in report["frames"]]


# Prices


def test_the_client_understands_all_it_is_sent(
    heard: dict[str, Any], instruments: dict[str, Instrument]
) -> None:
    named = {
        (told["type"], told["exchange_segment"], str(told["security_id"]))
        for _, told in frames(heard)
    }

    assert heard["errors"] == []
    for mode, symbols in WISHES.items():
        for symbol in symbols:
            who = segment_and_id(instruments[symbol])
            assert {(KINDS[mode], *who), ("Previous Close", *who)} <= named
    assert ("OI Data", *segment_and_id(instruments["NFO:NIFTY29DEC26FUT"])) in named


def test_our_codec_reads_the_same_values_from_the_same_bytes(
    heard: dict[str, Any], session: Session, instruments: dict[str, Instrument]
) -> None:
    stream = codec(session, instruments)
    names = {segment_and_id(one): one.symbol for one in instruments.values()}
    closes: dict[str, str] = {}
    interest: dict[str, int] = {}
    compared = dict.fromkeys(KINDS.values(), 0)
    for frame, told in frames(heard):
        values = list(stream.read(frame))
        symbol = names[told["exchange_segment"], str(told["security_id"])]
        if told["type"] == "Previous Close":
            closes[symbol] = told["prev_close"]
        elif told["type"] == "OI Data":
            interest[symbol] = told["OI"]
        if told["type"] not in compared:
            assert values == []
            continue
        compared[told["type"]] += 1
        tick, *rest = values
        assert isinstance(tick, Tick)
        assert tick.symbol == symbol
        assert f"{tick.close_price:.2f}" == closes[symbol]
        assert_same_tick(tick, told, instruments[symbol], interest.get(symbol))
        assert [type(value) for value in rest] == [DepthTick] * ("depth" in told)
        for depth in rest:
            assert isinstance(depth, DepthTick)
            assert_same_depth(depth, told["depth"])
    assert min(compared.values()) >= 4


def assert_same_tick(
    ours: Tick, told: dict[str, Any], instrument: Instrument, interest: int | None
) -> None:
    assert f"{ours.last_price:.2f}" == told["LTP"]
    assert f"{ours.traded_at:%H:%M:%S}" == told["LTT"]  # what it calls UTC is the Indian wall clock
    for name, theirs in PRICES.items():
        value = getattr(ours, name)
        assert (value and f"{value:.2f}") == told.get(theirs)
    if instrument.lot_size is None:  # of an index
        return
    for name, theirs in QUANTITIES.items():
        assert getattr(ours, name) == told.get(theirs)
    if "avg_price" in told:
        assert ours.average_price is not None
        assert abs(ours.average_price - Decimal(told["avg_price"])) < CENT
    has_oi = instrument.expiry is not None and ours.volume is not None
    assert ours.oi == (told.get("OI", interest) if has_oi else None)


def assert_same_depth(ours: DepthTick, told: list[dict[str, Any]]) -> None:
    for side, theirs in ((ours.buy, "bid"), (ours.sell, "ask")):
        rows = [
            tuple(level[f"{theirs}_{what}"] for what in ("price", "quantity", "orders"))
            for level in told
        ]
        assert [(f"{one.price:.2f}", one.quantity, one.orders) for one in side] == [
            row for row in rows if row[1]
        ]
        assert side


def test_we_say_what_the_client_says(
    heard: dict[str, Any], session: Session, instruments: dict[str, Instrument]
) -> None:
    made = DHAN.stream(session, suite.Listed(()))
    ours = []
    for mode, symbols in WISHES.items():
        ours += list(made.subscribe([instruments[symbol] for symbol in symbols], mode))
    every = [instruments[symbol] for symbols in WISHES.values() for symbol in symbols]
    ours += list(made.unsubscribe(every))

    assert [sorted_names(one) for one in ours] == [sorted_names(one) for one in heard["said"]]
    assert [json.loads(one)["RequestCode"] for one in heard["said"]] == [15, 17, 21, 16, 18, 22]


def sorted_names(frame: Any) -> dict[str, Any]:
    """The order of instruments is chance: the SDK keeps a set."""
    said: dict[str, Any] = json.loads(frame)
    return said | {"InstrumentList": sorted(map(str, said["InstrumentList"]))}


# Orders


def test_our_codec_reads_the_same_updates(
    heard: dict[str, Any], session: Session, instruments: dict[str, Instrument]
) -> None:
    codec = DHAN.updates(session, suite.Listed(instruments.values()))
    (login,) = codec.greet()
    read = [(value, one["told"]) for one in heard["updates"] for value in codec.read(one["text"])]

    order, update = read[-1]
    theirs = update["Data"]
    assert [json.loads(one) for one in heard["login"]] == [json.loads(login)]
    assert isinstance(order, BrokerOrder)
    assert (order.broker_order_id, order.symbol) == (theirs["orderNo"], "NSE:INFY")
    assert (order.status, theirs["status"]) == (Status.FILLED, "Traded")
    assert (order.quantity, order.filled_quantity) == (theirs["quantity"], theirs["tradedQty"])
    assert order.average_price == theirs["avgTradedPrice"]
    assert order.tags == (theirs["correlationId"],) == ("stream",)
    assert f"{order.updated_at:%Y-%m-%d %H:%M:%S}" == theirs["lastUpdatedTime"]


# The door


def test_a_client_with_a_dead_token_is_told_why(
    hear: Callable[..., dict[str, Any]], session: Session
) -> None:
    report = hear("dead", [(0, "13", 15)])

    ((frame, told), *_) = frames(report)
    assert told is None  # the SDK prints it
    assert report["errors"][0].startswith("ConnectionClosed")
    with pytest.raises(BrokerError) as raised:
        DHAN.stream(session, suite.Listed(())).read(frame)
    assert raised.value.fault == "AUTH_EXPIRED"
    assert DISCONNECTED[809] in raised.value.message
