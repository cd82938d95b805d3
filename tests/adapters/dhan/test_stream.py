"""Dhan's live market feed: what we say, what float32 prices mean, and what becomes of frames that are none (dhan.md 9.1)."""

import json
import struct
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from ordo_adapters.dhan import DHAN
from ordod.adapter import (
    BadRow,
    BrokerError,
    DepthTick,
    Fault,
    Instrument,
    Mode,
    Notice,
    Pushed,
    Stream,
    Tick,
    suite,
)
from tests.adapters.dhan.frames import (
    BOOK,
    NSE_TCS,
    disconnect,
    float32,
    full,
    interest,
    packet,
    previous,
    quote,
    ticker,
)

SAMPLES = suite.load(Path(__file__).parent / "samples")
LISTED = suite.Listed(SAMPLES.instruments.values())
TCS, FUTURE = SAMPLES.instruments["NSE:TCS"], SAMPLES.instruments["NFO:NIFTY27JAN26FUT"]
BSE_TCS, NIFTY = SAMPLES.instruments["BSE:TCS"], SAMPLES.instruments["NSE_INDEX:NIFTY"]
DOLLAR = SAMPLES.instruments["CDS:USDINR28JAN26FUT"]
EMPTY = (0, 0, 0, 0, 0.0, 0.0)


def stream(*instruments: Instrument, mode: Mode = Mode.DEPTH) -> Stream:
    made = DHAN.stream(SAMPLES.session, LISTED)
    list(made.subscribe(instruments or (TCS,), mode))
    return made


def said(frames: Any) -> list[tuple[int, list[str]]]:
    """Request code and contracts of each frame."""
    found = []
    for frame in frames:
        told = json.loads(frame)
        assert told["InstrumentCount"] == len(told["InstrumentList"])
        names = [f"{one['ExchangeSegment']}:{one['SecurityId']}" for one in told["InstrumentList"]]
        found.append((told["RequestCode"], names))
    return found


def priced(last: float, instrument: Instrument = TCS) -> Tick | None:
    """What a last price of this contract is told as; None: it is a bad row."""
    key = {"NSE_EQ": 1, "NSE_CURRENCY": 3, "IDX_I": 0}[
        instrument.instrument_token.partition(":")[0]
    ]
    token = int(instrument.instrument_token.partition(":")[2])
    (value,) = stream(instrument, mode=Mode.LTP).read(ticker(last, (key, token)))
    return value if isinstance(value, Tick) else None


# What we say


def test_the_token_stands_in_the_query_and_nowhere_else() -> None:
    request = suite.play(DHAN.connect_stream(SAMPLES.session), []).value

    assert (request.host, request.path, request.headers) == ("feed", "/", ())
    assert request.target() == "/?version=2&token=the-session-token&clientId=1000000003&authType=2"


def test_each_mode_is_subscribed_by_its_code_and_the_old_one_left_first() -> None:
    made, both = DHAN.stream(SAMPLES.session, LISTED), [TCS, NIFTY]
    names = ["NSE_EQ:11536", "IDX_I:13"]

    assert said(made.subscribe(both, Mode.LTP)) == [(15, names)]
    assert said(made.subscribe(both, Mode.LTP)) == []
    assert said(made.subscribe([TCS], Mode.QUOTE)) == [(16, names[:1]), (17, names[:1])]
    assert said(made.subscribe(both, Mode.DEPTH)) == [
        (18, names[:1]),
        (16, names[1:]),
        (21, names),
    ]
    assert said(made.unsubscribe(both)) == [(22, names)]
    assert said(made.unsubscribe(both)) == []


def test_a_frame_names_a_hundred_instruments_at_most() -> None:
    many = [replace(TCS, instrument_token=f"NSE_EQ:{number}") for number in range(250)]
    made = DHAN.stream(SAMPLES.session, LISTED)

    frames = said(made.subscribe(many, Mode.QUOTE)) + said(made.unsubscribe(many))

    assert [(code, len(names)) for code, names in frames] == [
        *[(17, 100), (17, 100), (17, 50)],
        *[(18, 100), (18, 100), (18, 50)],
    ]


# What a float32 means


@given(st.integers(1, 13_107_200))
@example(334_510)
@example(13_107_190)
def test_every_price_on_the_paisa_is_told_as_it_was(paise: int) -> None:
    price = Decimal(paise) / 100

    for tick in ("0.01", "0.05", "0.1"):
        if price % Decimal(tick) == 0:
            told = priced(float(price), replace(TCS, tick_size=Decimal(tick)))
            assert told is not None
            assert told.last_price == price


@given(st.integers(1, 10_485_759))
@example(3_024_702)  # 151,235.10, which in whole paise alone would be read as .09
def test_every_price_on_a_wide_tick_is_told_as_it_was(ticks: int) -> None:
    price = ticks * Decimal("0.05")

    told = priced(float(price), replace(TCS, tick_size=Decimal("0.05")))

    assert told is not None
    assert told.last_price == price


@given(st.integers(1, 400_000))
def test_every_price_of_a_currency_is_told_as_it_was(ticks: int) -> None:
    price = ticks * Decimal("0.0025")

    told = priced(float(price), DOLLAR)

    assert told is not None
    assert told.last_price == price


@given(st.floats(min_value=0, max_value=4e9, width=32), st.sampled_from(["0.01", "0.05", "1", "5"]))
def test_a_price_is_the_only_one_that_makes_its_float32(number: float, tick: str) -> None:
    told = priced(number, replace(TCS, tick_size=Decimal(tick))) if number else None

    if told is not None:
        price, step = told.last_price, Decimal(tick)
        if price % step:
            step = Decimal("0.01")
        assert price % step == 0
        assert float32(float(price)) == number
        assert number not in (float32(float(price - step)), float32(float(price + step)))


def test_beyond_what_float32_holds_only_wide_ticks_are_read() -> None:
    paise, wide = replace(TCS, tick_size=Decimal("0.01")), replace(TCS, tick_size=Decimal(5))

    assert priced(131_071.99, paise) is not None
    assert priced(131_072.01, paise) is None
    assert priced(151_235, wide) == Tick(
        symbol="NSE:TCS", last_price=Decimal(151_235), traded_at=priced_at()
    )


def priced_at() -> Any:
    tick = priced(3345.5)
    assert tick is not None
    return tick.traded_at


def test_off_its_tick_a_price_in_whole_paise_is_one_still() -> None:
    """A tick may have been changed since the file was made; the exchange trades in nothing finer."""
    told = priced(3345.13)

    assert told is not None
    assert told.last_price == Decimal("3345.13")


@pytest.mark.parametrize(
    "number",
    [3345.123, -3345.5, float("nan"), float("inf"), -float("inf"), 3e38, 1e-30, 2**31],
)
def test_a_number_that_is_no_price_is_a_bad_row(number: float) -> None:
    assert priced(number) is None


def test_what_is_reckoned_is_the_shortest_decimal() -> None:
    made = stream(mode=Mode.QUOTE)
    made.read(previous(3310.3333))

    (tick,) = made.read(quote(average=25601.1337))

    assert isinstance(tick, Tick)
    assert tick.average_price == Decimal("25601.133")
    assert tick.close_price == Decimal("3310.3333")


@pytest.mark.parametrize(("number", "value"), [(25613.85, "25613.85"), (13.5025, "13.5025")])
def test_an_index_has_no_tick(number: float, value: str) -> None:
    told = priced(number, NIFTY)

    assert told is not None
    assert told.last_price == Decimal(value)


# What comes


def test_the_time_of_a_trade_is_the_indian_wall_clock() -> None:
    assert priced_at().isoformat() == "2026-01-05T10:44:59+05:30"


@pytest.mark.parametrize("seconds", [0, 315_513_000, 315_532_800])
def test_what_was_never_traded_has_no_last_price_but_an_index_has(seconds: int) -> None:
    (tick,) = stream(NIFTY).read(ticker(25613.85, (0, 13), at=seconds))

    assert list(stream().read(ticker(3345.5, at=seconds))) == []
    assert tick == Tick("NSE_INDEX:NIFTY", Decimal("25613.85"))


@pytest.mark.parametrize("seconds", [1, 14_250_000, 946_684_799, 4_294_967_295])
def test_a_time_that_cannot_be_spoils_its_packet(seconds: int) -> None:
    (value,) = stream().read(ticker(3345.5, at=seconds))

    assert isinstance(value, BadRow)


def test_what_was_told_apart_is_kept_over_a_change_of_mode() -> None:
    made = stream(FUTURE, mode=Mode.QUOTE)
    key = (2, 52175)
    made.read(previous(25498.7, key) + interest(14_250_000, key))
    (before,) = made.read(quote(25650.4, key))
    list(made.subscribe([FUTURE], Mode.LTP))
    (after,) = made.read(ticker(25650.5, key))

    assert isinstance(before, Tick)
    assert isinstance(after, Tick)
    assert (before.oi, before.close_price) == (14_250_000, Decimal("25498.7"))
    assert (after.oi, after.close_price) == (None, Decimal("25498.7"))


def test_a_share_has_no_open_interest() -> None:
    made = stream(mode=Mode.QUOTE)

    assert list(made.read(interest(5))) == []
    (tick, *_) = made.read(full())
    assert isinstance(tick, Tick)
    assert tick.oi is None


def test_an_id_is_of_its_segment_alone() -> None:
    other = replace(BSE_TCS, instrument_token="BSE_EQ:11536")
    made = stream(TCS, other, mode=Mode.LTP)

    ticks = made.read(ticker(3345.05, (4, 11536)) + ticker(3345.1) + ticker(52.5, (2, 11536)))

    assert [(t.symbol, t.last_price) for t in ticks if isinstance(t, Tick)] == [
        ("BSE:TCS", Decimal("3345.05")),
        ("NSE:TCS", Decimal("3345.1")),
    ]


def test_an_id_that_no_header_holds_is_never_told() -> None:
    made = stream(replace(TCS, instrument_token=f"NSE_EQ:{11536 + (1 << 32)}"), mode=Mode.LTP)

    assert list(made.read(ticker(3345.1))) == []


def test_what_is_not_subscribed_any_more_is_not_told() -> None:
    made = stream()
    list(made.unsubscribe([TCS]))

    assert list(made.read(full() + ticker(3345.5))) == []


def test_a_level_of_no_quantity_or_no_price_is_none() -> None:
    """Before the open, orders without a price stand first, at 0."""
    book = [(900, 0, 4, 0, 0.0, 0.0), BOOK[0], (140, 0, 2, 0, 3345.3, 3345.7), EMPTY, EMPTY]

    _, depth = stream().read(full(book=book))

    assert isinstance(depth, DepthTick)
    assert [level.price for level in depth.buy] == [Decimal("3345.4"), Decimal("3345.3")]
    assert [level.price for level in depth.sell] == [Decimal("3345.6")]


@pytest.mark.parametrize("worse", [(1, 1, 1, 1, 3345.5, 3345.9), (1, 1, 1, 1, 3345.1, 3345.5)])
def test_levels_that_are_not_in_order_spoil_their_packet(
    worse: tuple[int, int, int, int, float, float],
) -> None:
    bad, *good = stream().read(full(book=[BOOK[0], worse, *BOOK[2:]]) + full())

    assert isinstance(bad, BadRow)
    assert [type(value) for value in good] == [Tick, DepthTick]


def test_an_index_packet_that_is_not_documented_is_a_bad_row() -> None:
    bad, tick = stream(NIFTY).read(packet(1, (0, 13), bytes(12)) + ticker(25613.85, (0, 13)))

    assert isinstance(bad, BadRow)
    assert isinstance(tick, Tick)


def test_a_packet_of_an_unknown_kind_is_passed_over() -> None:
    frame = packet(7, (0, 0), b"") + packet(3, NSE_TCS, bytes(104)) + ticker(3345.5)

    assert [type(value) for value in stream().read(frame)] == [Tick]


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        (805, Fault.RATE_LIMITED),
        (806, Fault.AUTH_DENIED),
        (807, Fault.AUTH_EXPIRED),
        (808, Fault.AUTH_EXPIRED),
        (809, Fault.AUTH_EXPIRED),
        (810, Fault.AUTH_DENIED),
        (814, Fault.INVALID_INPUT),
        (9999, Fault.BROKER_UNAVAILABLE),
    ],
)
def test_a_disconnect_ends_the_connection_with_its_reason(reason: int, fault: Fault) -> None:
    with pytest.raises(BrokerError) as raised:
        stream().read(disconnect(reason))

    assert raised.value.fault is fault
    assert str(reason) in raised.value.message


def test_a_text_is_told_without_its_token() -> None:
    assert stream().read(f"no such token {'x' * 40}") == (
        Notice("no such token ***", is_error=True),
    )


# Frames that are none

WHOLE = previous(3310.4) + full() + ticker(3345.6) + quote()
STARTS = (0, 16, 178, 194)
GOOD = stream().read(WHOLE)


def read(frame: bytes) -> Sequence[Pushed] | None:
    """None: it is refused."""
    try:
        return stream().read(frame)
    except BrokerError:
        return None


def flipped(at: int, flip: int) -> bytes:
    spoilt = bytearray(WHOLE)
    spoilt[at] ^= flip
    return bytes(spoilt)


def test_the_frame_is_good() -> None:
    assert [type(value) for value in GOOD] == [Tick, DepthTick, Tick, Tick]


def test_a_frame_cut_within_a_packet_is_refused() -> None:
    for length in range(len(WHOLE)):
        pushed = read(WHOLE[:length])

        assert (pushed is not None) is (length in STARTS)


def test_a_packet_of_a_wrong_length_spoils_the_frame() -> None:
    for code, body in ((2, 8), (4, 42), (5, 4), (6, 8), (8, 154), (50, 2)):
        for size in (body - 1, body + 1):
            assert read(packet(code, NSE_TCS, bytes(size))) is None
        assert read(packet(code, NSE_TCS, bytes(body), length=body)) is None
    assert read(packet(7, NSE_TCS, b"", length=7)) is None


def test_a_flipped_bit_of_a_header_makes_no_value_that_was_not_there() -> None:
    strange = [
        (start + place, flip, value)
        for start in STARTS
        for place in range(8)
        for flip in range(1, 256)
        for value in read(flipped(start + place, flip)) or ()
        if not isinstance(value, BadRow) and _without_close(value) not in map(_without_close, GOOD)
    ]

    assert strange == []


def _without_close(value: Pushed) -> Pushed:
    """A previous close that was lost leaves the rest true."""
    return replace(value, close_price=None) if isinstance(value, Tick) else value


def test_a_flipped_bit_of_a_price_makes_none_or_one_on_the_paisa_that_is_on_the_wire() -> None:
    bad = 0
    for place in range(8, 12):
        for bit in range(8):
            spoilt = bytearray(ticker(3345.6))
            spoilt[place] ^= 1 << bit
            for value in read(bytes(spoilt)) or ():
                if isinstance(value, Tick):
                    number = struct.unpack_from("<f", spoilt, 8)[0]
                    assert float32(float(value.last_price)) == number
                    assert value.last_price * 100 == int(value.last_price * 100)
                else:
                    bad += 1

    assert bad >= 12


@given(st.binary(max_size=400))
def test_whatever_comes_raises_nothing_but_a_broker_error(frame: bytes) -> None:
    assert all(isinstance(value, Tick | DepthTick | BadRow) for value in read(frame) or ())


@given(st.sampled_from([(2, 8), (4, 42), (5, 4), (6, 8), (8, 154)]), st.data())
def test_whatever_a_packet_holds_is_a_price_that_it_can_mean_or_a_bad_row(
    kind: tuple[int, int], data: st.DataObject
) -> None:
    code, size = kind
    body = data.draw(st.binary(min_size=size, max_size=size))

    for instrument, key in ((TCS, NSE_TCS), (NIFTY, (0, 13)), (DOLLAR, (3, 10093))):
        with suppress(BrokerError):
            for value in stream(instrument).read(packet(code, key, body)):
                assert isinstance(value, Tick | DepthTick | BadRow)
                if isinstance(value, Tick):
                    assert float32(float(value.last_price)) == struct.unpack_from("<f", body)[0]
