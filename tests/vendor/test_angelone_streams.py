"""Angel One's own streaming clients read our simulator's streams, and read from the same bytes what our codecs read."""

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

from ordo_adapters.angelone import ANGELONE
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
from ordod.sim.angelone import App, Client
from ordod.sim.process import SimProcess, running

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "angelone_streams.py"
WISHES = {
    Mode.LTP: (1, ("NSE:TCS", "NSE_INDEX:BANKNIFTY")),
    Mode.QUOTE: (2, ("NSE:SBIN", "NSE_INDEX:NIFTY")),
    Mode.DEPTH: (3, ("NSE:INFY", "NFO:NIFTY29DEC26FUT", "MCX:CRUDEOIL18DEC26FUT")),
}
EXCHANGES = {"NSE": 1, "NSE_INDEX": 1, "NFO": 2, "MCX": 5}
PRICES = {
    "last_price": "last_traded_price",
    "average_price": "average_traded_price",
    "open_price": "open_price_of_the_day",
    "high_price": "high_price_of_the_day",
    "low_price": "low_price_of_the_day",
    "close_price": "closed_price",
}
COUNTS = {
    "volume": "volume_trade_for_the_day",
    "last_quantity": "last_traded_quantity",
    "buy_quantity": "total_buy_quantity",
    "sell_quantity": "total_sell_quantity",
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--at", "2026-11-25T10:00:00+05:30", "--seed", "5", broker="angelone") as sim:
        yield sim


@pytest.fixture(scope="module")
def session(simulator: SimProcess) -> Session:
    token = simulator.access_token()
    given = simulator.secrets()  # the tokens of a login one after the other: jwt, refresh, feed
    feed_token = given[given.index(token) + 2]
    return Session(
        user_id=Client().clientcode,
        access_token=Secret(token),
        api_key=App().api_key,
        extra={"feed_token": Secret(feed_token)},
    )


@pytest.fixture(scope="module")
def instruments(simulator: SimProcess) -> dict[str, Instrument]:
    """Of the file that the simulator serves."""
    url = f"{simulator.url}/OpenAPI_File/files/OpenAPIScripMaster.json"
    content = httpx.get(url, trust_env=False).content
    return {one.symbol: one for one in ANGELONE.parse_master(content, date(2026, 11, 25))}


@pytest.fixture(scope="module")
def heard(
    sdk_python: Callable[[str], Path],
    simulator: SimProcess,
    session: Session,
    instruments: dict[str, Instrument],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the clients were sent, and what they made of it."""
    wishes: dict[int, dict[int, list[str]]] = {}
    for mode, symbols in WISHES.values():
        for symbol in symbols:
            exchange = EXCHANGES[symbol.partition(":")[0]]
            token = instruments[symbol].instrument_token
            wishes.setdefault(mode, {}).setdefault(exchange, []).append(token)
    infy = instruments["NSE:INFY"]
    order = {
        "variety": "NORMAL", "tradingsymbol": infy.broker_symbol, "symboltoken": infy.instrument_token,
        "transactiontype": "BUY", "exchange": "NSE", "ordertype": "MARKET", "producttype": "DELIVERY",
        "duration": "DAY", "price": "0", "quantity": "10", "ordertag": "stream",
    }  # fmt: skip
    tokens = [session.access_token.reveal(), session.extra["feed_token"].reveal()]
    root = simulator.url.replace("http", "ws")
    who = [root, simulator.url, session.api_key, session.user_id]
    ran = subprocess.run(
        [str(sdk_python("angelone")), str(SCRIPT), *who, *tokens],
        input=json.dumps({"wishes": wishes, "order": order}),
        cwd=tmp_path_factory.mktemp("logs"),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    report: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return report


def codec(instruments: dict[str, Instrument], session: Session) -> Stream:
    made = ANGELONE.stream(session, suite.Listed(()))
    for mode, (_, symbols) in WISHES.items():
        list(made.subscribe([instruments[symbol] for symbol in symbols], mode))
    return made


def test_our_codec_reads_the_same_values_from_the_same_bytes(
    heard: dict[str, Any], session: Session, instruments: dict[str, Instrument]
) -> None:
    stream = codec(instruments, session)
    compared = {1: 0, 2: 0, 3: 0}
    for frame in heard["frames"]:
        theirs = frame["told"]
        tick, *rest = stream.read(base64.b64decode(frame["payload"]))
        assert isinstance(tick, Tick)
        assert instruments[tick.symbol].instrument_token == theirs["token"]
        assert_same_tick(tick, theirs)
        assert len(rest) == (theirs["subscription_mode"] == 3)
        for depth in rest:
            assert isinstance(depth, DepthTick)
            assert_same_depth(depth, theirs)
        compared[theirs["subscription_mode"]] += 1
    assert min(compared.values()) >= 3, compared
    assert heard["errors"] == []


def assert_same_tick(ours: Tick, theirs: dict[str, Any]) -> None:
    for name, word in PRICES.items():
        if word in theirs:
            assert (getattr(ours, name) or 0) == Decimal(theirs[word]) / 100, name
    if "INDEX" not in ours.symbol:
        for name, word in COUNTS.items():
            assert getattr(ours, name) == theirs.get(word), name
    assert ours.at is not None
    assert round(ours.at.timestamp() * 1000) == theirs["exchange_timestamp"]
    if ours.traded_at is not None:
        assert ours.traded_at.timestamp() == theirs["last_traded_timestamp"]
        assert ours.oi in (None, theirs["open_interest"])


def assert_same_depth(ours: DepthTick, theirs: dict[str, Any]) -> None:
    for levels, word in ((ours.buy, "best_5_buy_data"), (ours.sell, "best_5_sell_data")):
        rows = [
            (Decimal(row["price"]) / 100, row["quantity"], row["no of orders"])
            for row in theirs[word]
            if row["quantity"]
        ]
        assert [(one.price, one.quantity, one.orders) for one in levels] == rows
        assert rows


def test_our_codec_reads_the_same_orders(
    heard: dict[str, Any], session: Session, instruments: dict[str, Instrument]
) -> None:
    updates = ANGELONE.updates(session, suite.Listed(instruments.values()))

    told = [list(updates.read(text)) for text in heard["orders"]]

    assert told[0] == []  # connected
    (order,) = told[-1]
    assert isinstance(order, BrokerOrder)
    assert (order.symbol, order.status, order.filled_quantity) == ("NSE:INFY", Status.FILLED, 10)
    assert order.tags == ("stream",)
