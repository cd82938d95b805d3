"""Upstox's own streaming clients read our simulator's streams, and read from the same bytes what our codec reads."""

import base64
import json
import random
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from ordo_adapters.upstox import UPSTOX
from ordod.adapter import (
    BadRow,
    BrokerError,
    BrokerOrder,
    DepthTick,
    Instrument,
    Mode,
    Pushed,
    Secret,
    Session,
    Stream,
    Tick,
    suite,
)
from ordod.sim.process import SimProcess, running

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "upstox_streams.py"
SAMPLES = suite.load(Path(__file__).parents[1] / "adapters" / "upstox" / "samples")
WISHES = {  # Upstox's mode -> what is asked for in it
    "ltpc": ("NSE:TCS", "NSE_INDEX:BANKNIFTY"),
    "full": ("NSE:INFY", "NSE_INDEX:NIFTY", "MCX:CRUDEOIL", "NFO:NIFTY"),
}
MODES = {"ltpc": Mode.LTP, "full": Mode.DEPTH}
SESSION = Session(user_id="ZZ0001", access_token=Secret("unused"))
SPOILT = 600
SCALARS = {"atp": "average_price", "vtt": "volume", "tbq": "buy_quantity", "tsq": "sell_quantity"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--at", "2026-11-25T10:00:00+05:30", "--seed", "5", broker="upstox") as sim:
        yield sim


@pytest.fixture(scope="module")
def instruments(simulator: SimProcess) -> dict[str, list[Instrument]]:
    """The wishes, found in the file that the simulator serves."""
    address = f"{simulator.url}/market-quote/instruments/exchange/complete.json.gz"
    content = httpx.get(address, trust_env=False).content
    listed = list(UPSTOX.parse_master(content, date(2026, 11, 25)))
    return {
        mode: [next(i for i in listed if i.symbol.startswith(name)) for name in names]
        for mode, names in WISHES.items()
    }


def spoilt_frames() -> list[tuple[bytes, bytes]]:
    """Frames of the samples, and those with a byte flipped or with their end lost as well."""
    chance = random.Random(11)
    samples = [one.frame for one in SAMPLES.streams if isinstance(one.frame, bytes)]
    pairs = [(frame, frame) for frame in samples]
    for _ in range(SPOILT):
        whole = chance.choice(samples)
        frame = bytearray(whole)
        frame[chance.randrange(len(frame))] ^= chance.randrange(1, 256)
        pairs.append((whole, bytes(frame[: len(frame) - chance.choice((0, 0, 0, 1, 9))])))
    return pairs


def ran(python: Path, simulator: SimProcess, token: str, asked: dict[str, Any]) -> dict[str, Any]:
    command = [str(python), str(SCRIPT), simulator.url.replace("http", "ws"), simulator.url, token]
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout, parse_float=Decimal)
    return report


@pytest.fixture(scope="module")
def heard(
    sdk_python: Callable[[str], Path],
    simulator: SimProcess,
    instruments: dict[str, list[Instrument]],
) -> dict[str, Any]:
    """What the clients were sent, and what they made of it."""
    infy = instruments["full"][0].instrument_token
    order = {
        "quantity": 10, "product": "D", "validity": "DAY", "price": 0, "tag": "stream", "instrument_token": infy,
        "order_type": "MARKET", "transaction_type": "BUY", "disclosed_quantity": 0, "trigger_price": 0, "is_amo": False,
        "market_protection": -1,
    }  # fmt: skip
    keys = {mode: [i.instrument_token for i in each] for mode, each in instruments.items()}
    frames = [base64.b64encode(frame).decode() for _, frame in spoilt_frames()]
    asked = {"keys": keys, "order": order, "frames": frames}
    return ran(sdk_python("upstox"), simulator, simulator.access_token(), asked)


def codec(instruments: dict[str, list[Instrument]]) -> Stream:
    made = UPSTOX.stream(SESSION, suite.Listed(i for each in instruments.values() for i in each))
    for mode, each in instruments.items():
        list(made.subscribe(each, MODES[mode]))
    return made


def test_the_clients_hear_prices_and_updates(heard: dict[str, Any]) -> None:
    updates = [json.loads(update) for update in heard["updates"]]

    assert heard["errors"] == []
    assert heard["reconnects"] == 0
    assert heard["frames"][0]["told"]["type"] == "market_info"
    assert {update["update_type"] for update in updates} >= {"order", "position"}
    assert "complete" in {update.get("status") for update in updates}


def test_every_key_comes_and_later_feeds_leave_out_what_did_not_change(
    heard: dict[str, Any], instruments: dict[str, list[Instrument]]
) -> None:
    feeds = [frame["told"].get("feeds", {}) for frame in heard["frames"]]
    partial = [
        full
        for each in feeds
        for feed in each.values()
        for full in feed.get("fullFeed", {}).values()
        if not {"ltpc", "marketOHLC"} <= full.keys()
    ]

    assert {i.instrument_token for each in instruments.values() for i in each} == {
        key for each in feeds for key in each
    }
    assert partial


def test_our_codec_reads_the_same_values_from_the_same_bytes(
    heard: dict[str, Any], instruments: dict[str, list[Instrument]]
) -> None:
    stream = codec(instruments)
    by_key = {i.instrument_token: i for each in instruments.values() for i in each}
    known: dict[str, dict[str, Any]] = {}
    compared = 0
    for frame in heard["frames"]:
        pushed = list(stream.read(base64.b64decode(frame["payload"])))
        ticks = {value.symbol: value for value in pushed if isinstance(value, Tick)}
        depths = {value.symbol: value for value in pushed if isinstance(value, DepthTick)}
        feeds = frame["told"].get("feeds", {})
        assert {by_key[key].symbol for key in feeds} == ticks.keys()
        for key, feed in feeds.items():
            (told,) = [{"ltpc": feed["ltpc"]}] if "ltpc" in feed else feed["fullFeed"].values()
            known[key] = known.get(key, {}) | told
            assert_same_tick(ticks[by_key[key].symbol], known[key], by_key[key])
            if "marketLevel" in told:
                levels = told["marketLevel"]["bidAskQuote"]
                assert_same_depth(depths[by_key[key].symbol], levels, size_of(by_key[key]))
            compared += 1
    assert compared >= 20


def size_of(instrument: Instrument) -> int:
    """Upstox counts lots on MCX, we count units."""
    return (instrument.lot_size or 1) if instrument.symbol.startswith("MCX") else 1


def assert_same_tick(ours: Tick, told: dict[str, Any], instrument: Instrument) -> None:
    size, last = size_of(instrument), told["ltpc"]
    assert ours.last_price == last["ltp"]
    assert ours.close_price == last.get("cp")
    assert ours.last_quantity == (int(last["ltq"]) * size if "ltq" in last else None)
    assert ours.traded_at is not None
    assert round(ours.traded_at.timestamp() * 1000) == int(last["ltt"])
    for name, field in SCALARS.items():
        value = getattr(ours, field)
        if name in told:
            assert value == (round(told[name], 4) if name == "atp" else int(told[name]) * size)
        else:
            assert not value
    if "oi" in told:
        assert ours.oi == told["oi"] * size
    if "marketOHLC" in told:
        (day,) = [row for row in told["marketOHLC"]["ohlc"] if row["interval"] == "1d"]
        ohl = (ours.open_price, ours.high_price, ours.low_price)
        assert ohl == (day["open"], day["high"], day["low"])


def assert_same_depth(ours: DepthTick, told: list[dict[str, Any]], size: int) -> None:
    for side, price, quantity in ((ours.buy, "bidP", "bidQ"), (ours.sell, "askP", "askQ")):
        theirs = [(row[price], int(row[quantity]) * size) for row in told if quantity in row]
        assert [(level.price, level.quantity) for level in side] == theirs
        assert theirs


def read_by_us(frame: bytes) -> list[Pushed] | None:
    every = list(SAMPLES.instruments.values())
    stream = UPSTOX.stream(SAMPLES.session, suite.Listed(every))
    list(stream.subscribe(every, Mode.DEPTH))
    try:
        return list(stream.read(frame))
    except BrokerError:
        return None


def test_of_a_spoilt_frame_ours_reads_no_more_than_theirs_and_no_other_price(
    heard: dict[str, Any],
) -> None:
    """The library that the SDK reads with forgives more. Where it refuses, ours does, or tells of the feeds around it, or does not
    look there: greeks and how the market stands are passed over."""
    names = {i.symbol: i.instrument_token for i in SAMPLES.instruments.values()}
    read = refused = both = 0
    for (whole, frame), theirs in zip(spoilt_frames(), heard["read"], strict=True):
        pushed = read_by_us(frame)
        if pushed is None:
            refused += 1
            both += "raised" in theirs
            continue
        if "raised" in theirs:
            good = [value for value in pushed if not isinstance(value, BadRow)]
            assert all(value in (read_by_us(whole) or ()) for value in good)
            continue
        for value in pushed:
            if isinstance(value, Tick):
                feed = theirs["feeds"][names[value.symbol]]
                (told,) = [feed] if "ltpc" in feed else feed["fullFeed"].values()
                assert abs(value.last_price - Decimal(told["ltpc"]["ltp"])) < Decimal("0.00001")
                read += 1
    assert read > 100
    assert refused > both > 50


def test_an_order_is_read_by_our_codec(
    heard: dict[str, Any], instruments: dict[str, list[Instrument]]
) -> None:
    listed = suite.Listed(instruments["full"])
    codec = UPSTOX.updates(SESSION, listed)

    rows = [row for update in heard["updates"] for row in codec.read(update)]

    assert {type(row) for row in rows} == {BrokerOrder}
    assert {row.symbol for row in rows if isinstance(row, BrokerOrder)} == {"NSE:INFY"}
    assert any(isinstance(row, BrokerOrder) and row.tags == ("stream",) for row in rows)


def test_the_sdk_is_named_an_address_of_its_own_for_each_stream(
    heard: dict[str, Any], simulator: SimProcess
) -> None:
    prices, updates = heard["authorized"]

    root = simulator.url.replace("http", "ws")
    assert prices.startswith(f"{root}/")
    assert updates.startswith(f"{root}/")
    assert prices != updates


def test_clients_with_a_dead_token_are_not_let_in_and_do_not_try_again(
    sdk_python: Callable[[str], Path], simulator: SimProcess
) -> None:
    asked = {"keys": {"ltpc": ["NSE_INDEX|Nifty 50"]}, "order": {}, "frames": []}

    report = ran(sdk_python("upstox"), simulator, "dead", asked)

    assert report["frames"] == []
    assert any("401" in error for error in report["errors"])
    assert report["reconnects"] == 0
