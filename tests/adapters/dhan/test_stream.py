"""Dhan's live market feed: what we say, what packets say, and what becomes of frames that are none (dhan.md 9.1)."""

import json
import math
import struct
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ordo_adapters.dhan import DHAN
from ordod.adapter import (
    BadRow,
    BrokerError,
    DepthTick,
    Fault,
    Frame,
    Mode,
    Stream,
    Tick,
    suite,
)

SAMPLES = suite.load(Path(__file__).parent / "samples")
FULL = next(one for one in SAMPLES.streams if one.about.startswith("a full packet"))
QUOTE = next(one for one in SAMPLES.streams if one.about == "a quote")
TCS, NIFTY = ("NSE_EQ", "11536"), ("IDX_I", "13")
AT = 1_767_609_905


def stream(*symbols: str, mode: Mode = Mode.DEPTH) -> Stream:
    made = DHAN.stream(SAMPLES.session, suite.Listed(()))
    list(made.subscribe([SAMPLES.instruments[s] for s in symbols or ("NSE:TCS",)], mode))
    return made


def packet(code: int, body: bytes, segment: int = 1, security_id: int = 11536) -> bytes:
    return struct.pack("<BHBI", code, 8 + len(body), segment, security_id) + body


def ticker(price: float, traded: int = AT) -> bytes:
    return packet(2, struct.pack("<fI", price, traded))


def said(frames: Iterable[Frame]) -> list[tuple[int, list[tuple[str, str]]]]:
    told = [json.loads(frame) for frame in frames]
    assert all(one["InstrumentCount"] == len(one["InstrumentList"]) for one in told)
    return [
        (
            one["RequestCode"],
            [(row["ExchangeSegment"], row["SecurityId"]) for row in one["InstrumentList"]],
        )
        for one in told
    ]


# What we say


def test_the_session_stands_in_the_address() -> None:
    request = suite.play(DHAN.connect_stream(SAMPLES.session), []).value

    assert (request.host, request.headers) == ("feed", ())
    token = SAMPLES.session.access_token.reveal()
    assert request.target() == f"/?version=2&token={token}&clientId=1000000003&authType=2"


def test_a_change_of_mode_ends_the_mode_before() -> None:
    made = DHAN.stream(SAMPLES.session, suite.Listed(()))
    tcs, nifty = (SAMPLES.instruments[one] for one in ("NSE:TCS", "NSE_INDEX:NIFTY"))

    first = said(made.subscribe([tcs, nifty], Mode.LTP))
    more = said(made.subscribe([tcs], Mode.DEPTH))
    same = said(made.subscribe([tcs], Mode.DEPTH))
    last = said(made.unsubscribe([tcs, nifty]))
    again = said(made.unsubscribe([tcs]))

    assert first == [(15, [TCS, NIFTY])]
    assert more == [(16, [TCS]), (21, [TCS])]
    assert same == [(21, [TCS])]
    assert last == [(22, [TCS]), (16, [NIFTY])]
    assert again == []


# What comes


@pytest.mark.parametrize(
    ("price", "told"),
    [
        (1447.2, "1447.2"),
        (0.05, "0.05"),
        (24_500.05, "24500.05"),
        (83_886.05, "83886.05"),
        (150_000.25, "150000.25"),
        (99_999.95, "99999.95"),
    ],
)
def test_a_price_of_32_bits_is_the_one_that_was_meant(price: float, told: str) -> None:
    (tick,) = stream().read(ticker(price))

    assert isinstance(tick, Tick)
    assert str(tick.last_price) == told


@given(st.integers(1, 6_500_000))
def test_every_price_of_paise_survives(paise: int) -> None:
    (tick,) = stream().read(ticker(paise / 100))

    assert isinstance(tick, Tick)
    assert tick.last_price == Decimal(paise) / 100


@given(st.integers(1, 1_200_000))
def test_every_price_of_currency_survives(pips: int) -> None:
    made = stream("CDS:USDINR28JAN26FUT")

    (tick,) = made.read(packet(2, struct.pack("<fI", pips / 10_000, AT), 3, 10093))

    assert isinstance(tick, Tick)
    assert tick.last_price == Decimal(pips) / 10_000


@pytest.mark.parametrize("price", [-1.0, math.inf, math.nan, 1447.123, 1e-40, 3e9, 0.001])
def test_what_is_no_price_is_none(price: float) -> None:
    (bad,) = stream().read(ticker(price))

    assert isinstance(bad, BadRow)


def test_a_contract_that_did_not_trade_today_has_no_price() -> None:
    assert list(stream().read(ticker(1447.2, 0))) == []
    assert list(stream().read(ticker(0.0))) == []


def test_an_id_is_of_its_segment() -> None:
    assert list(stream().read(packet(2, struct.pack("<fI", 5.0, AT), segment=4))) == []


def test_what_was_unsubscribed_is_not_told() -> None:
    made = stream()
    list(made.unsubscribe([SAMPLES.instruments["NSE:TCS"]]))

    assert list(made.read(ticker(5.0))) == []


def test_packets_of_one_frame_are_read_one_by_one() -> None:
    made = stream(mode=Mode.QUOTE)
    assert isinstance(QUOTE.frame, bytes)

    pushed = made.read(ticker(5.0) + ticker(5.001) + QUOTE.frame + ticker(6.0))

    kinds = [type(value) for value in pushed]
    assert kinds == [Tick, BadRow, Tick, Tick]


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        (805, Fault.RATE_LIMITED),
        (806, Fault.AUTH_DENIED),
        (807, Fault.AUTH_EXPIRED),
        (808, Fault.AUTH_EXPIRED),
        (809, Fault.AUTH_EXPIRED),
        (999, Fault.BROKER_UNAVAILABLE),
    ],
)
def test_the_reason_for_an_end_is_told(reason: int, fault: Fault) -> None:
    with pytest.raises(BrokerError) as raised:
        stream().read(packet(50, struct.pack("<H", reason)))

    assert (raised.value.fault, raised.value.code) == (fault, str(reason))


def test_a_ticker_is_never_taken_for_the_close_of_the_day_before() -> None:
    """They are as long; what tells them apart is one byte."""
    made = stream(mode=Mode.QUOTE)
    (bad,) = made.read(b"\6" + ticker(5.0)[1:])
    assert isinstance(QUOTE.frame, bytes)

    (tick,) = made.read(QUOTE.frame)

    assert isinstance(bad, BadRow)
    assert isinstance(tick, Tick)
    assert tick.close_price == Decimal("3328.7")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        "text",
        b"\2",
        ticker(5.0)[:-1],
        ticker(5.0) + b"\0",
        packet(2, b"\0" * 7),
        packet(3, b"\0" * 104),
        packet(9, b""),
        packet(1, b""),
    ],
)
def test_a_frame_that_packets_do_not_fill_is_refused_whole(frame: Frame) -> None:
    with pytest.raises(BrokerError) as raised:
        stream().read(frame)

    assert raised.value.fault is Fault.UNREADABLE


# Whatever comes


@pytest.mark.parametrize("length", range(162))
def test_a_packet_cut_anywhere_is_refused(length: int) -> None:
    assert isinstance(FULL.frame, bytes)
    with pytest.raises(BrokerError):
        stream().read(FULL.frame[:length])


@given(st.binary(max_size=200) | st.text(max_size=20))
@example(b"\x32\x0a\x00\x01\x00\x00\x00\x00\x27\x03")
def test_whatever_comes_raises_nothing_but_a_broker_error(frame: Frame) -> None:
    with suppress(BrokerError):
        stream().read(frame)


@given(st.integers(0, 7), st.integers(1, 255))
def test_a_flipped_byte_of_the_head_tells_nothing_that_was_not_said(at: int, flip: int) -> None:
    """Another kind, length or contract: refused, or of nobody that is wanted."""
    for frame in (FULL.frame, QUOTE.frame, ticker(1447.2)):
        assert isinstance(frame, bytes)
        made = stream()
        spoilt = bytearray(frame)
        spoilt[at] ^= flip
        pushed: list[Any] = []
        with suppress(BrokerError):
            pushed += made.read(bytes(spoilt))

        assert not [value for value in pushed if isinstance(value, Tick | DepthTick)]


@given(st.integers(8, 161), st.integers(1, 255))
def test_any_byte_flipped_tells_good_prices_or_none(at: int, flip: int) -> None:
    assert isinstance(FULL.frame, bytes)
    spoilt = bytearray(FULL.frame)
    spoilt[at] ^= flip

    for value in stream().read(bytes(spoilt)):
        prices = []
        if isinstance(value, Tick):
            prices = [value.last_price, value.open_price, value.high_price, value.low_price]
        elif isinstance(value, DepthTick):
            prices = [level.price for level in (*value.buy, *value.sell)]
        for price in prices:
            assert price is None or (price > 0 and price == round(price, 2))
