"""Angel One's market socket: what we say, what packets say, and what becomes of frames that are none (angelone.md 9.1)."""

import json
import struct
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from ordo_adapters.angelone import ANGELONE
from ordod.adapter import (
    BadRow,
    BrokerError,
    DepthTick,
    Fault,
    Frame,
    Mode,
    Notice,
    Stream,
    Tick,
    suite,
)

SAMPLES = suite.load(Path(__file__).parent / "samples")
SNAP = next(one for one in SAMPLES.streams if one.about.startswith("a snap quote")).frame
QUOTE = next(one for one in SAMPLES.streams if one.about == "a quote").frame
AT = 1_760_332_505_250  # 13 October 2025, 10:45:05.25 IST


def stream(*symbols: str, mode: Mode = Mode.DEPTH) -> Stream:
    made = ANGELONE.stream(SAMPLES.session, suite.Listed(()))
    list(made.subscribe([SAMPLES.instruments[s] for s in symbols or ("NSE:SBIN",)], mode))
    return made


def ltp(price: int, *, exchange: int = 1, token: bytes = b"3045", at: int = AT) -> bytes:
    return struct.pack("<BB25sqqq", 1, exchange, token, 1, at, price)


def said(frames: Iterable[Frame]) -> list[tuple[int, int, dict[int, list[str]]]]:
    """Action, mode, tokens by exchange."""
    told = [json.loads(frame) for frame in frames]
    return [
        (
            one["action"],
            one["params"]["mode"],
            {row["exchangeType"]: row["tokens"] for row in one["params"]["tokenList"]},
        )
        for one in told
    ]


# What we say


def test_the_session_stands_in_headers() -> None:
    prices = suite.play(ANGELONE.connect_stream(SAMPLES.session), []).value
    orders = suite.play(ANGELONE.connect_updates(SAMPLES.session), []).value

    assert (prices.host, prices.target()) == ("stream", "/smart-stream")
    assert (orders.host, orders.target()) == ("updates", "/smart-order-update")
    assert (
        dict(prices.headers)
        == dict(orders.headers)
        == {
            "Authorization": "Bearer eyJhbGciOiJIUzUxMiJ9.AAA.BBB",
            "x-api-key": "aBcD1234",
            "x-client-code": "A100001",
            "x-feed-token": "eyJhbGciOiJIUzUxMiJ9.EEE.FFF",
        }
    )


def test_a_session_without_the_feeds_token_has_orders_and_no_prices() -> None:
    session = replace(SAMPLES.session, extra={})

    error = suite.play(ANGELONE.connect_stream(session), []).error
    orders = suite.play(ANGELONE.connect_updates(session), []).value

    assert error is not None
    assert error.fault is Fault.UNSUPPORTED
    assert "feed_token" in error.message
    assert "x-feed-token" not in dict(orders.headers)


def test_a_change_of_mode_ends_the_mode_before() -> None:
    made = ANGELONE.stream(SAMPLES.session, suite.Listed(()))
    sbin, nifty, crude = (
        SAMPLES.instruments[one]
        for one in ("NSE:SBIN", "NSE_INDEX:NIFTY", "MCX:CRUDEOIL17NOV25FUT")
    )

    first = said(made.subscribe([sbin, nifty, crude], Mode.LTP))
    more = said(made.subscribe([sbin], Mode.DEPTH))
    last = said(made.unsubscribe([sbin, crude]))
    again = said(made.unsubscribe([sbin]))

    assert first == [(1, 1, {1: ["3045", "99926000"], 5: ["446031"]})]
    assert more == [(0, 1, {1: ["3045"]}), (1, 3, {1: ["3045"]})]
    assert last == [(0, 3, {1: ["3045"]}), (0, 1, {5: ["446031"]})]
    assert again == []
    assert made.keep_alive() == "ping"


# What comes


@given(st.integers(1, 100_000_000))
def test_every_price_of_paise_survives(paise: int) -> None:
    (tick,) = stream().read(ltp(paise))

    assert isinstance(tick, Tick)
    assert tick.last_price == Decimal(paise) / 100


@pytest.mark.parametrize("price", [-1, -80210, 1 << 40, (1 << 63) - 1])
def test_what_is_no_price_is_none(price: int) -> None:
    (bad,) = stream().read(ltp(price))

    assert isinstance(bad, BadRow)


def test_a_price_of_currency_has_four_decimals_at_most() -> None:
    made = stream("CDS:USDINR29OCT25FUT")

    (tick,) = made.read(ltp(887_225_000, exchange=13, token=b"1170"))
    (bad,) = made.read(ltp(887_225_001, exchange=13, token=b"1170"))

    assert isinstance(tick, Tick)
    assert tick.last_price == Decimal("88.7225")
    assert isinstance(bad, BadRow)


@pytest.mark.parametrize("at", [1, 5_000_000_000_000, -1])
def test_what_is_no_time_spoils_its_packet(at: int) -> None:
    (bad,) = stream().read(ltp(80210, at=at))

    assert isinstance(bad, BadRow)


def test_a_token_ends_at_its_first_zero() -> None:
    (tick,) = stream().read(ltp(80210, token=b"3045\0rest"))

    assert isinstance(tick, Tick)


def test_what_was_unsubscribed_is_not_told() -> None:
    made = stream()
    list(made.unsubscribe([SAMPLES.instruments["NSE:SBIN"]]))

    assert made.read(ltp(80210)) == ()


def test_what_was_refused_is_told_to_people() -> None:
    words = {
        "correlationID": "",
        "errorCode": "E1002",
        "errorMessage": "Subscription Limit Exceeded",
    }

    (notice,) = stream().read(json.dumps(words))

    assert notice == Notice("Subscription Limit Exceeded (E1002)", is_error=True)


@pytest.mark.parametrize(
    "frame",
    [b"", b"\1", "text", "ping", "{}", "[]", ltp(1)[:-1], ltp(1) + b"\0", b"\4" + bytes(442)],
)
def test_what_is_no_packet_is_refused(frame: Frame) -> None:
    with pytest.raises(BrokerError) as raised:
        stream().read(frame)

    assert raised.value.fault is Fault.UNREADABLE


# Whatever comes


@pytest.mark.parametrize("length", range(379))
def test_a_packet_cut_anywhere_is_refused(length: int) -> None:
    assert isinstance(SNAP, bytes)
    with pytest.raises(BrokerError):
        stream().read(SNAP[:length])


@given(st.binary(max_size=400) | st.text(max_size=20))
@example(b"\3" + bytes(378))
@example(b"\3\1" + b"3045".ljust(25, b"\0") + b"\xff" * 352)
def test_whatever_comes_raises_nothing_but_a_broker_error(frame: Frame) -> None:
    with suppress(BrokerError):
        stream().read(frame)


@given(st.integers(0, 26), st.integers(1, 255))
def test_a_flipped_byte_of_the_head_tells_nothing_that_was_not_said(at: int, flip: int) -> None:
    """Another mode, exchange or token: refused, or of nobody that is wanted; or it stands behind the token's end."""
    for frame in (SNAP, QUOTE, ltp(80210)):
        assert isinstance(frame, bytes)
        made, spoilt = stream(), bytearray(frame)
        spoilt[at] ^= flip
        pushed: list[Any] = []
        with suppress(BrokerError):
            pushed += made.read(bytes(spoilt))

        if at <= 6:
            assert not [value for value in pushed if isinstance(value, Tick | DepthTick)]


@given(st.integers(27, 378), st.integers(1, 255))
def test_any_byte_flipped_tells_good_prices_or_none(at: int, flip: int) -> None:
    assert isinstance(SNAP, bytes)
    spoilt = bytearray(SNAP)
    spoilt[at] ^= flip

    for value in stream().read(bytes(spoilt)):
        prices = []
        if isinstance(value, Tick):
            prices = [value.last_price, value.open_price, value.high_price, value.low_price]
            assert value.volume is not None
            assert value.volume >= 0
        elif isinstance(value, DepthTick):
            prices = [level.price for level in (*value.buy, *value.sell)]
        for price in prices:
            assert price is None or (price > 0 and price == round(price, 2))
