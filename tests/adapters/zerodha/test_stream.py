"""Kite's stream: what we say, what the published packets say, and what becomes of frames that are none."""

import base64
import json
import struct
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import (
    BadRow,
    BrokerError,
    BrokerOrder,
    DepthTick,
    Fault,
    Mode,
    Notice,
    Status,
    Stream,
    Tick,
    suite,
)

SAMPLES = Path(__file__).parent / "samples"
READ = suite.load(SAMPLES)
LISTED = suite.Listed(READ.instruments.values())
INFY = READ.instruments["NSE:INFY"]


def stream(*symbols: str, mode: Mode = Mode.DEPTH) -> Stream:
    made = ZERODHA.stream(READ.session, LISTED)
    list(made.subscribe([READ.instruments[s] for s in symbols or ("NSE:INFY",)], mode))
    return made


def packet(name: str) -> bytes:
    return base64.b64decode((SAMPLES / "ticker" / f"{name}.packet").read_text())


def published(name: str) -> Any:
    return json.loads((SAMPLES / "ticker" / f"{name}.json").read_text(), parse_float=Decimal)


def framed(*packets: bytes) -> bytes:
    parts = [struct.pack(">H", len(each)) + each for each in packets]
    return struct.pack(">H", len(packets)) + b"".join(parts)


def said(frames: Any) -> list[Any]:
    return [json.loads(frame) for frame in frames]


# What we say (zerodha.md 9.2)


def test_what_is_new_is_subscribed_once_and_every_wish_names_its_mode() -> None:
    made = ZERODHA.stream(READ.session, LISTED)

    first = said(made.subscribe([INFY], Mode.QUOTE))
    more = said(made.subscribe([INFY], Mode.DEPTH))
    last = said(made.unsubscribe([INFY]))
    again = said(made.subscribe([INFY], Mode.LTP))

    assert first == [{"a": "subscribe", "v": [408065]}, {"a": "mode", "v": ["quote", [408065]]}]
    assert more == [{"a": "mode", "v": ["full", [408065]]}]
    assert last == [{"a": "unsubscribe", "v": [408065]}]
    assert again == [{"a": "subscribe", "v": [408065]}, {"a": "mode", "v": ["ltp", [408065]]}]


def test_the_tokens_stand_in_the_address() -> None:
    request = suite.play(ZERODHA.connect_stream(READ.session), []).value

    assert request.host == "ws"
    assert request.target() == "/?api_key=appkey0123456789&access_token=the-session-token"
    assert dict(request.headers) == {"X-Kite-Version": "3"}


# What comes (9.3)


@pytest.mark.parametrize(("name", "mode"), [("ticker_full", "full"), ("ticker_quote", "quote")])
def test_a_real_packet_says_what_is_published_of_it(name: str, mode: str) -> None:
    told = published(name)

    tick, *rest = stream().read(framed(packet(name)))

    assert told["mode"] == mode
    assert isinstance(tick, Tick)
    assert tick.last_price == told["last_price"]
    assert tick.last_quantity == told["last_quantity"]
    assert tick.average_price == told["average_price"]
    assert tick.volume == told["volume"]
    assert (tick.buy_quantity, tick.sell_quantity) == (told["buy_quantity"], told["sell_quantity"])
    day = (tick.open_price, tick.high_price, tick.low_price, tick.close_price)
    assert day == tuple(told["ohlc"][each] for each in ("open", "high", "low", "close"))
    assert tick.at is None or tick.at.isoformat() == told["timestamp"]
    assert tick.traded_at is None or tick.traded_at.isoformat() == told["last_trade_time"]
    assert (tick.at is None) is (name == "ticker_quote")
    for depth in rest:
        assert isinstance(depth, DepthTick)
        for side, levels in (("buy", depth.buy), ("sell", depth.sell)):
            rows = [(level.price, level.quantity, level.orders) for level in levels]
            assert rows == [tuple(row.values()) for row in told["depth"][side]]
    assert len(rest) == ("depth" in told)


def test_a_heartbeat_says_nothing() -> None:
    assert stream().read(b"\0") == ()


def test_what_is_not_subscribed_is_not_told() -> None:
    made = stream()
    list(made.unsubscribe([INFY]))

    assert list(made.read(framed(packet("ticker_full")))) == []


def test_an_instrument_that_never_traded_has_no_price() -> None:
    assert list(stream().read(framed(struct.pack(">2I", 408065, 0)))) == []


def test_an_index_that_has_no_price_yet_says_nothing() -> None:
    index = struct.pack(">7I", 256265, 0, 0, 0, 0, 0, 0)
    assert list(stream("NSE_INDEX:NIFTY").read(framed(index))) == []


KINDS = {
    "full": packet("ticker_full"),
    "quote": packet("ticker_quote"),
    "ltp": struct.pack(">2I", 408065, 157315),
    "index": struct.pack(
        ">7I", 256265, 2_400_000, 2_410_000, 2_390_000, 2_395_000, 2_398_000, 2000
    ),
    "unknown": struct.pack(">2I", 1, 157315),
    "bad": struct.pack(">2I", 408065, 1 << 31) + bytes(36),
}


@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=12))
def test_a_frame_says_what_its_packets_say_one_by_one(kinds: list[str]) -> None:
    made = stream("NSE:INFY", "NSE_INDEX:NIFTY")
    one_by_one = [value for kind in kinds for value in made.read(framed(KINDS[kind]))]

    assert list(made.read(framed(*(KINDS[kind] for kind in kinds)))) == one_by_one


@pytest.mark.parametrize(
    "packet",
    [
        struct.pack(">2I", 408065, 1 << 31),
        struct.pack(">I", 408065) + bytes(24),  # an index's length, of a share
        struct.pack(">I", 408065) + bytes(8),
    ],
    ids=["a price with a sign", "the length of another kind", "an unknown length"],
)
def test_a_packet_that_makes_no_sense_spoils_itself_only(packet: bytes) -> None:
    good = struct.pack(">2I", 408065, 157315)

    bad, tick = stream().read(framed(packet, good))

    assert isinstance(bad, BadRow)
    assert isinstance(tick, Tick)
    assert tick.last_price == Decimal("1573.15")


FRAME = framed(packet("ticker_full"), packet("ticker_quote"), struct.pack(">2I", 408065, 157315))


@given(st.integers(0, len(FRAME) - 1))
def test_a_frame_cut_anywhere_is_refused(length: int) -> None:
    if length == 1:
        assert stream().read(FRAME[:1]) == ()  # as a heartbeat looks
        return
    with pytest.raises(BrokerError) as raised:
        stream().read(FRAME[:length])

    assert raised.value.fault is Fault.UNREADABLE


@given(st.binary(max_size=400) | st.text(max_size=100))
def test_whatever_comes_raises_nothing_but_a_broker_error(frame: bytes | str) -> None:
    with suppress(BrokerError):
        pushed = stream("NSE:INFY", "NSE_INDEX:NIFTY").read(frame)

        assert all(isinstance(v, Tick | DepthTick | BadRow | Notice) for v in pushed)


@given(st.integers(0, len(FRAME) - 1), st.integers(1, 255))
@example(5, 2)  # the next length is then read of a token, and by chance the frame is full
def test_a_flipped_byte_of_a_length_is_refused_or_spoils_a_packet(at: int, flip: int) -> None:
    lengths = [0, 1, 2, 3, 188, 189, 234, 235]
    spoiled = bytearray(FRAME)
    spoiled[lengths[at % len(lengths)]] ^= flip

    with suppress(BrokerError):
        pushed = stream().read(bytes(spoiled))

        assert any(isinstance(one, BadRow) for one in pushed)


# Texts (9.4)


def order(**changed: Any) -> str:
    row = json.loads((SAMPLES / "postback.json").read_text()) | changed
    return json.dumps({"type": "order", "data": row})


def test_a_pushed_order_is_read_as_a_row_of_the_book() -> None:
    (row,) = stream().read(order())

    assert isinstance(row, BrokerOrder)
    assert (row.broker_order_id, row.status) == ("220303000308932", Status.FILLED)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"quantity": 10, "filled_quantity": 4}, Status.PARTIALLY_FILLED),
        ({"quantity": 10, "filled_quantity": 0, "order_type": "LIMIT"}, Status.OPEN),
    ],
)
def test_an_update_of_a_living_order_is_told_by_its_quantities(
    changed: dict[str, Any], status: Status
) -> None:
    (row,) = stream().read(order(status="UPDATE", **changed))

    assert isinstance(row, BrokerOrder)
    assert row.status is status


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "UPDATE", "order_type": "SL", "quantity": 10, "filled_quantity": 0},
        {"status": "UPDATE"},
        {"status": "HALF DONE"},
        {"quantity": "many"},
    ],
)
def test_an_order_whose_state_is_not_told_is_a_bad_row(changed: dict[str, Any]) -> None:
    (row,) = stream().read(order(**changed))

    assert isinstance(row, BadRow)


def test_words_to_people_are_notices() -> None:
    assert list(stream().read('{"type":"error","data":"x"}')) == [Notice("x", is_error=True)]
    assert list(stream().read('{"type":"message","data":"y"}')) == [Notice("y")]
    assert list(stream().read('{"type":"of another year"}')) == []
