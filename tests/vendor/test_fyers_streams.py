"""FYERS' own streaming clients read our simulator's streams, and read from the same bytes what our codecs read."""

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

from ordo_adapters.fyers import FYERS
from ordo_adapters.fyers.indices import HSM_INDICES
from ordo_adapters.fyers.tables import HSM_SEGMENT
from ordo_adapters.fyers.updates import ORDER_NAMES, TRADE_NAMES
from ordod.adapter import (
    BrokerOrder,
    DepthTick,
    Fill,
    Instrument,
    Mode,
    Reply,
    Secret,
    Session,
    Status,
    Stream,
    Tick,
    suite,
)
from ordod.sim.fyers import Client
from ordod.sim.process import SimProcess, running

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "fyers_streams.py"
SYMBOLS = ["NSE:INFY-EQ", "NSE:NIFTY50-INDEX", "MCX:CRUDEOIL26DECFUT", "NSE:NIFTY26DECFUT"]
BOOKS = ["NSE:INFY-EQ", "MCX:CRUDEOIL26DECFUT"]
ORDER = {
    "symbol": "NSE:INFY-EQ", "qty": 10, "type": 2, "side": 1, "productType": "CNC", "limitPrice": 0, "stopPrice": 0,
    "validity": "DAY", "disclosedQty": 0, "offlineOrder": False, "orderTag": "stream",
}  # fmt: skip
PRICES = {
    "last_price": "ltp",
    "open_price": "open_price",
    "high_price": "high_price",
    "low_price": "low_price",
    "close_price": "prev_close_price",
    "average_price": "avg_trade_price",
}
QUANTITIES = {
    "volume": "vol_traded_today",
    "last_quantity": "last_traded_qty",
    "buy_quantity": "tot_buy_qty",
    "sell_quantity": "tot_sell_qty",
}
TIMES = {"at": "exch_feed_time", "traded_at": "last_traded_time"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--at", "2026-11-25T10:00:00+05:30", "--seed", "5", broker="fyers") as sim:
        yield sim


@pytest.fixture(scope="module")
def session(simulator: SimProcess) -> Session:
    token = Secret(simulator.access_token())
    return Session(user_id="XA00001", access_token=token, api_key=Client().app_id)


@pytest.fixture(scope="module")
def instruments(simulator: SimProcess) -> dict[str, Instrument]:
    """By ticker, of the files that the simulator serves."""
    files = [
        httpx.get(f"{simulator.url}/{name}.csv", trust_env=False).content
        for name in ("NSE_CM", "NSE_FO", "MCX_COM")
    ]
    listed = FYERS.parse_master(b"\n".join(files), date(2026, 11, 25))
    return {one.broker_symbol: one for one in listed}


@pytest.fixture(scope="module")
def hear(
    sdk_python: Callable[[str], Path],
    simulator: SimProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., dict[str, Any]]:
    """Lets the clients run for a while, and gives their report."""

    def run(token: str, **asked: Any) -> dict[str, Any]:
        command = [str(sdk_python("fyers")), str(SCRIPT), simulator.url, Client().app_id, token]
        command.append(str(tmp_path_factory.mktemp("logs")))
        ran = subprocess.run(
            command,
            input=json.dumps({"symbols": SYMBOLS, "books": [], "lite": False} | asked),
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
def heard(hear: Callable[..., dict[str, Any]], session: Session) -> dict[str, Any]:
    return hear(session.access_token.reveal(), books=BOOKS, order=ORDER)


@pytest.fixture(scope="module")
def heard_lite(hear: Callable[..., dict[str, Any]], session: Session) -> dict[str, Any]:
    return hear(session.access_token.reveal(), lite=True, order=None)


def codec(session: Session, instruments: dict[str, Instrument], mode: Mode) -> Stream:
    made = FYERS.stream(session, suite.Listed(instruments.values()))
    books = BOOKS if mode is Mode.DEPTH else []
    plain = [instruments[one] for one in SYMBOLS if one not in books]
    list(made.subscribe(plain, Mode.QUOTE if mode is Mode.DEPTH else mode))
    list(made.subscribe([instruments[one] for one in books], Mode.DEPTH))
    return made


def frames(report: dict[str, Any]) -> list[tuple[bytes, list[dict[str, Any]]]]:
    """Each, with the prices that the client made of it."""
    return [
        (base64.b64decode(one["payload"]), [told for told in one["told"] if "symbol" in told])
        for one in report["frames"]
    ]


def said(report: dict[str, Any], kind: int) -> list[bytes]:
    every = [base64.b64decode(one) for one in report["said"]]
    return [frame for frame in every if frame[2] == kind]


def size_of(instrument: Instrument) -> int:
    """FYERS counts lots on MCX, we count units."""
    return (instrument.lot_size or 1) if instrument.symbol.startswith("MCX") else 1


# Prices


def test_the_client_understands_all_it_is_told(
    heard: dict[str, Any], heard_lite: dict[str, Any]
) -> None:
    words = [
        told["message"] for one in heard["frames"] for told in one["told"] if "message" in told
    ]

    assert heard["errors"] == heard_lite["errors"] == []
    assert words == ["Authentication done", "Full Mode On", *["Subscribed"] * 2, "Unsubscribed"]
    assert {told["symbol"] for _, each in frames(heard) for told in each} == set(SYMBOLS)
    assert {told["type"] for _, each in frames(heard) for told in each} == {"sf", "if", "dp"}


def test_our_codec_reads_the_same_values_from_the_same_bytes(
    heard: dict[str, Any], session: Session, instruments: dict[str, Instrument]
) -> None:
    stream = codec(session, instruments, Mode.DEPTH)
    by_symbol = {one.symbol: one for one in instruments.values()}
    compared = {Tick: 0, DepthTick: 0}
    for frame, told in frames(heard):
        values = [v for v in stream.read(frame) if isinstance(v, Tick | DepthTick)]
        for value, theirs in zip(values, told, strict=True):
            instrument = by_symbol[value.symbol]
            assert instrument.broker_symbol == theirs["symbol"]
            if isinstance(value, Tick):
                assert_same_tick(value, theirs, size_of(instrument))
            else:
                assert_same_depth(value, theirs, size_of(instrument))
            compared[type(value)] += 1
    assert compared[Tick] >= 20
    assert compared[DepthTick] >= 10


def assert_same_tick(ours: Tick, told: dict[str, Any], size: int) -> None:
    for name, theirs in PRICES.items():
        assert getattr(ours, name) == told.get(theirs)
    for name, theirs in QUANTITIES.items():
        assert getattr(ours, name) == (told[theirs] * size if theirs in told else None)
    for name, theirs in TIMES.items():
        at = getattr(ours, name)
        assert (at and int(at.timestamp())) == told.get(theirs)


def assert_same_depth(ours: DepthTick, told: dict[str, Any], size: int) -> None:
    for side, theirs in ((ours.buy, "bid"), (ours.sell, "ask")):
        rows = [
            tuple(told[f"{theirs}_{what}{n}"] for what in ("price", "size", "order"))
            for n in range(1, 6)
        ]
        assert [(level.price, level.quantity, level.orders) for level in side] == [
            (price, quantity * size, orders) for price, quantity, orders in rows if quantity
        ]
        assert side


def test_of_the_lite_mode_both_read_the_last_price_alone(
    heard_lite: dict[str, Any], session: Session, instruments: dict[str, Instrument]
) -> None:
    stream = codec(session, instruments, Mode.LTP)
    names = {one.symbol: one.broker_symbol for one in instruments.values()}
    compared = 0
    for frame, told in frames(heard_lite):
        values = [value for value in stream.read(frame) if isinstance(value, Tick)]
        ours = [(names[value.symbol], value.last_price) for value in values]
        assert ours == [(theirs["symbol"], theirs["ltp"]) for theirs in told]
        assert values == [Tick(symbol=v.symbol, last_price=v.last_price) for v in values]
        compared += len(values)
    assert compared >= 12
    assert any(frame[9] == 76 for frame, _ in frames(heard_lite) if frame[2] == 6)


def test_we_say_what_the_client_says(
    heard: dict[str, Any],
    heard_lite: dict[str, Any],
    session: Session,
    instruments: dict[str, Instrument],
) -> None:
    """But for its name, the wrong length of what subscribes, and that our lite mode has a channel of its own."""
    made = FYERS.stream(session, suite.Listed(()))
    login, full, lite = made.greet()
    made.read(frames(heard)[0][0])
    (ours,) = made.subscribe([instruments[one] for one in SYMBOLS], Mode.QUOTE)
    assert isinstance(login, bytes)
    assert isinstance(lite, bytes)
    assert isinstance(ours, bytes)

    (their_login,), (their_lite,) = said(heard, 1), said(heard_lite, 12)
    assert login[2:].replace(b"\4\0\5ordod", b"\4\0\x0fPythonSDK-3.2.0") == their_login[2:]
    assert [full] == said(heard, 12)
    assert lite.replace(b"\x10\0", b"\x08\0") == their_lite
    assert ours[2:] == said(heard, 4)[0][2:]


def test_we_acknowledge_the_frames_that_the_client_does(
    heard: dict[str, Any], session: Session, instruments: dict[str, Instrument]
) -> None:
    stream = codec(session, instruments, Mode.DEPTH)
    replies = [v for frame, _ in frames(heard) for v in stream.read(frame) if isinstance(v, Reply)]

    theirs = said(heard, 3)
    assert len(theirs) >= 2
    assert [reply.frame for reply in replies][: len(theirs)] == theirs


def test_our_names_are_those_of_the_sdk(sdk_python: Callable[[str], Path]) -> None:
    (file,) = sdk_python("fyers").parents[1].glob("lib/*/site-packages/fyers_apiv3/*/map.json")
    theirs = json.loads(file.read_text())

    indices = {
        ticker: HSM_INDICES.get(plain) or plain.partition(":")[2]
        for ticker in theirs["index_dict"]
        for plain in [ticker.removesuffix("-INDEX")]
    }
    assert indices == theirs["index_dict"]
    assert {*HSM_SEGMENT.values()} <= {*theirs["exch_seg_dict"].values()}
    assert theirs["order_mapper"].items() >= ORDER_NAMES.items()
    assert theirs["trade_mapper"].items() >= TRADE_NAMES.items()


# Orders


def test_our_codec_reads_the_same_updates(
    heard: dict[str, Any], session: Session, instruments: dict[str, Instrument]
) -> None:
    updates = FYERS.updates(session, suite.Listed(instruments.values()))
    orders, fills = [], []
    for one in heard["updates"]:
        for value in updates.read(one["text"]):
            match value:
                case BrokerOrder():
                    orders.append((value, one["told"]["orders"]))
                case Fill():
                    fills.append((value, one["told"]["trades"]))
                case _:
                    pytest.fail(f"unread: {value}")

    order, theirs = orders[-1]
    assert order.broker_order_id == theirs["id"]
    assert order.status is Status.FILLED
    assert (theirs["status"], theirs["orderTag"], order.tags) == (2, "1:stream", ("stream",))
    assert (order.quantity, order.filled_quantity) == (theirs["qty"], theirs["filledQty"])
    assert (order.price, order.average_price) == (theirs["limitPrice"], theirs["tradedPrice"])
    assert f"{order.placed_at:%d-%b-%Y %H:%M:%S}" == theirs["orderDateTime"]
    assert order.exchange_order_id == theirs["exchOrdId"]
    ((fill, trade),) = fills
    assert (fill.trade_id, fill.broker_order_id) == (trade["tradeNumber"], trade["orderNumber"])
    assert (fill.quantity, fill.price) == (trade["tradedQty"], trade["tradePrice"])
    assert f"{fill.at:%d-%b-%Y %H:%M:%S}" == trade["orderDateTime"]


def test_the_client_of_orders_is_answered_and_told_of_positions(heard: dict[str, Any]) -> None:
    told = [one["told"] for one in heard["updates"] if one["text"] != "pong"]

    assert told[0]["code"] == 1605
    assert "pong" in [one["text"] for one in heard["updates"]]
    assert [one["positions"]["netQty"] for one in told if "positions" in one] == [10]


# The door


def test_clients_with_a_dead_token_are_not_let_in(hear: Callable[..., dict[str, Any]]) -> None:
    claims = base64.urlsafe_b64encode(b'{"exp":9999999999,"hsm_key":"nobodys"}').decode()

    report = hear(f"dead.{claims.rstrip('=')}.token", order=ORDER)

    codes = [error.get("code") for error in report["errors"] if isinstance(error, dict)]
    texts = [error for error in report["errors"] if isinstance(error, str)]
    assert codes == [11001, 12001, -300]  # it goes on all the same
    assert any("403" in text for text in texts)
    assert [told for _, each in frames(report) for told in each] == report["updates"] == []
