"""Upstox's streams: what we say, what published vectors say, and what becomes of frames that are none."""

import json
import struct
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import asdict

from ordo_adapters.upstox import UPSTOX
from ordod.adapter import (
    BadRow,
    BrokerError,
    BrokerOrder,
    DepthTick,
    Fault,
    HttpResponse,
    Level,
    Mode,
    Notice,
    Pushed,
    Status,
    Stream,
    StreamRequest,
    Tick,
    suite,
)

SAMPLES = suite.load(Path(__file__).parent / "samples")
LISTED = suite.Listed(SAMPLES.instruments.values())
FEED, FUTURE = (SAMPLES.instruments[name] for name in ("NSE:FEED", "NFO:FEED27JAN26FUT"))
TRADED_MS, SENT_MS = 1767590100000, 1767590100123


def stream(*symbols: str, mode: Mode = Mode.DEPTH) -> Stream:
    made = UPSTOX.stream(SAMPLES.session, LISTED)
    wanted = symbols or (FEED.symbol, FUTURE.symbol, "NSE_INDEX:NIFTY")
    list(made.subscribe([SAMPLES.instruments[symbol] for symbol in wanted], mode))
    return made


def sample(about: str) -> bytes:
    frame = next(one.frame for one in SAMPLES.streams if about in one.about)
    assert isinstance(frame, bytes)
    return frame


# Protobuf by hand


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    low, number = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(number) if number else bytes([low])


def field(number: int, value: float | bytes | str) -> bytes:
    """A whole number, a double, or what has a length."""
    match value:
        case int():
            return varint(number << 3) + varint(value)
        case float():
            return varint(number << 3 | 1) + struct.pack("<d", value)
        case _:
            content = value.encode() if isinstance(value, str) else value
            return varint(number << 3 | 2) + varint(len(content)) + content


def ltpc(*, price: float = 812.5, ltt: int = TRADED_MS, ltq: int = 25, cp: float = 805.25) -> bytes:
    return field(1, price) + field(2, ltt) + field(3, ltq) + field(4, cp)


def entry(feed: bytes, key: str = FEED.instrument_token) -> bytes:
    return field(2, field(1, key) + field(2, feed))


def framed(*entries: bytes, kind: int = 1, sent_ms: int = SENT_MS) -> bytes:
    return field(1, kind) + b"".join(entries) + field(3, sent_ms)


def full(*fields: bytes) -> bytes:
    """A feed of the future, of these fields."""
    return entry(field(2, field(1, b"".join(fields))), FUTURE.instrument_token)


def one_tick(frame: bytes, made: Stream | None = None) -> Tick:
    (tick,) = (made or stream()).read(frame)
    assert isinstance(tick, Tick)
    return tick


def one_bad(frame: bytes) -> str:
    (bad,) = stream().read(frame)
    assert isinstance(bad, BadRow)
    return bad.why


def refused(frame: bytes | str) -> BrokerError:
    with pytest.raises(BrokerError) as raised:
        stream().read(frame)
    return raised.value


# What opens them (upstox.md 9.1, 9.5)


@dataclass
class Opening:
    method: str
    target: str
    request: StreamRequest


def opening(dialogue: Any, address: str) -> Opening:
    answer = {"status": "success", "data": {"authorized_redirect_uri": address}}
    played = suite.play(dialogue, [HttpResponse(200, (), json.dumps(answer).encode())])
    (asked,) = played.requests
    return Opening(asked.method, asked.target(), played.value)


def test_upstox_names_the_address_and_it_is_used_as_it_is_without_the_token() -> None:
    address = "wss://feeder.upstox.example/v3/feeds?requestId=1&code=a%2Fb%3D"

    prices = opening(UPSTOX.connect_stream(SAMPLES.session), address)
    updates = opening(UPSTOX.connect_updates(SAMPLES.session), address)

    assert (prices.method, prices.target) == ("GET", "/v3/feed/market-data-feed/authorize")
    assert updates.target == "/v2/feed/portfolio-stream-feed/authorize?update_types=order"
    assert prices.request == updates.request == StreamRequest(address)


@pytest.mark.parametrize(
    "address", ["", "https://api.upstox.com/feed", "wss://", "/feed", "wss:feed", "wss://["]
)
def test_an_address_that_opens_no_stream_is_refused(address: str) -> None:
    answer = json.dumps({"status": "success", "data": {"authorizedRedirectUri": address}}).encode()

    for connect in (UPSTOX.connect_stream, UPSTOX.connect_updates):
        played = suite.play(connect(SAMPLES.session), [HttpResponse(200, (), answer)])

        assert played.error is not None
        assert played.error.fault is Fault.UNREADABLE


def test_a_dead_session_is_told_when_it_asks_for_an_address() -> None:
    (refusal, *_) = [one for one in SAMPLES.of("connect_stream") if one.fault is Fault.AUTH_EXPIRED]
    (answer,) = refusal.answers
    assert not isinstance(answer, str)
    body = json.dumps(answer.json).encode()

    for connect in (UPSTOX.connect_stream, UPSTOX.connect_updates):
        played = suite.play(connect(SAMPLES.session), [HttpResponse(answer.status, (), body)])

        assert played.error is not None
        assert played.error.fault is Fault.AUTH_EXPIRED


# What we say (9.2)


def said(frames: Any) -> list[Any]:
    """It is sent as binary frames."""
    spoken = list(frames)
    assert all(isinstance(frame, bytes) for frame in spoken)
    return [json.loads(frame) for frame in spoken]


def test_what_is_new_is_subscribed_and_what_is_not_changes_its_mode() -> None:
    made = UPSTOX.stream(SAMPLES.session, LISTED)
    one, two = FEED.instrument_token, FUTURE.instrument_token

    first = said(made.subscribe([FEED], Mode.LTP))
    more = said(made.subscribe([FEED, FUTURE], Mode.DEPTH))
    last = said(made.unsubscribe([FEED]))
    again = said(made.subscribe([FEED], Mode.QUOTE))

    guids = [frame.pop("guid") for frame in (*first, *more, *last, *again)]
    assert len(set(guids)) == len(guids)
    assert first == [{"method": "sub", "data": {"mode": "ltpc", "instrumentKeys": [one]}}]
    assert more == [
        {"method": "sub", "data": {"mode": "full", "instrumentKeys": [two]}},
        {"method": "change_mode", "data": {"mode": "full", "instrumentKeys": [one]}},
    ]
    assert last == [{"method": "unsub", "data": {"instrumentKeys": [one]}}]
    assert again == [{"method": "sub", "data": {"mode": "full", "instrumentKeys": [one]}}]


# What comes (9.3); whole frames stand in suite.json


def test_what_was_unsubscribed_is_not_told_and_forgotten() -> None:
    made = stream()
    made.read(framed(entry(field(1, ltpc()))))
    list(made.unsubscribe([FEED]))

    told = list(made.read(framed(entry(field(1, ltpc())))))
    list(made.subscribe([FEED], Mode.QUOTE))
    after = list(made.read(framed(entry(field(2, field(1, field(6, 500)))))))

    assert told == []
    assert after == []  # of the price from before nothing is known


def test_a_later_feed_takes_the_place_of_what_it_tells_and_of_nothing_else() -> None:
    made = stream(mode=Mode.QUOTE)
    day = field(1, "1d") + field(2, 99.0) + field(3, 104.0) + field(4, 98.5)
    minute = field(1, "I1") + field(2, 1.0) + field(3, 1.0) + field(4, 1.0)
    numbers = field(5, 100.75) + field(6, 5000) + field(7, 900.0) + field(9, 70.0) + field(10, 60.0)
    whole = field(1, ltpc()) + field(4, field(1, minute) + field(1, day)) + numbers

    first = one_tick(framed(full(whole)), made)
    traded = one_tick(framed(full(field(1, ltpc(price=813.0)))), made)
    counted = one_tick(framed(full(field(6, 5075), field(10, 65.0))), made)

    day_told = (first.open_price, first.high_price, first.low_price)
    assert day_told == (Decimal(99), Decimal(104), Decimal("98.5"))
    assert (first.volume, first.oi, first.average_price) == (5000, 900, Decimal("100.75"))
    assert (traded.last_price, traded.volume) == (Decimal(813), 5000)
    assert traded.high_price == Decimal(104)
    assert (counted.last_price, counted.volume, counted.oi) == (Decimal(813), 5075, 900)
    assert (counted.buy_quantity, counted.sell_quantity) == (0, 65)  # nobody buys: 0 is not written


def test_a_change_of_mode_forgets_the_day_and_keeps_the_last_price() -> None:
    made = stream(mode=Mode.QUOTE)
    made.read(framed(full(field(1, ltpc()), field(6, 5000))))
    list(made.subscribe([FUTURE], Mode.LTP))
    list(made.subscribe([FUTURE], Mode.QUOTE))

    tick = one_tick(framed(full(field(5, 100.0))), made)

    assert (tick.last_price, tick.volume) == (Decimal("812.5"), None)


def test_only_the_sides_of_a_level_that_are_there_are_told() -> None:
    bid = field(1, 10) + field(2, 101.45)
    ask = field(3, 20) + field(4, 101.55)
    levels = field(
        2, field(1, bid + ask) + field(1, ask) + field(1, b"") + field(1, field(2, 99.0))
    )

    (depth,) = stream().read(framed(full(levels)))

    assert isinstance(depth, DepthTick)
    assert depth.buy == (Level(Decimal("101.45"), 10),)
    assert depth.sell == (Level(Decimal("101.55"), 20), Level(Decimal("101.55"), 20))


def test_a_snapshot_has_no_time_of_its_own() -> None:
    assert one_tick(framed(entry(field(1, ltpc())), kind=0)).at is None
    assert one_tick(framed(entry(field(1, ltpc())))).at is not None


def test_binary_noise_of_a_double_is_no_decimal() -> None:
    assert one_tick(framed(entry(field(1, ltpc(price=0.1 + 0.2))))).last_price == Decimal("0.3")
    assert one_tick(framed(entry(field(1, ltpc(price=84.1275))))).last_price == Decimal("84.1275")


def test_an_average_may_have_any_decimals_and_is_rounded() -> None:
    frame = framed(full(field(1, ltpc()), field(5, 100.123456789)))

    assert one_tick(frame).average_price == Decimal("100.1235")


# What is none


@pytest.mark.parametrize(
    "feed",
    [
        field(1, ltpc(price=float("nan"))),
        field(1, ltpc(price=float("inf"))),
        field(1, ltpc(price=-812.5)),
        field(1, ltpc(price=3e9)),
        field(1, ltpc(price=812.50005)),
        field(1, ltpc(cp=float("nan"))),
        field(1, ltpc(ltt=-1)),
        field(1, ltpc(ltt=TRADED_MS * 1000)),
        field(1, ltpc(ltq=-25)),
        field(2, field(1, field(7, 0.5))),
        field(2, field(1, field(9, -1.0))),
        field(2, field(1, field(6, -1))),
        field(2, field(1, field(2, field(1, field(1, 10) + field(2, 101.123456))))),
        field(3, b""),
        field(2, b""),
        b"",
    ],
    ids=["nan", "infinite", "negative", "too large", "a fifth decimal", "close nan", "a time before", "microseconds",
         "a negative quantity", "half a contract", "a negative total", "a negative volume", "a level's fifth decimal",
         "greeks", "a full feed of nothing", "a feed of nothing"],
)  # fmt: skip
def test_a_feed_that_makes_no_sense_spoils_itself_only(feed: bytes) -> None:
    good = entry(field(1, ltpc()), FUTURE.instrument_token)

    bad, tick = stream().read(framed(entry(feed), good))

    assert isinstance(bad, BadRow)
    assert isinstance(tick, Tick)
    assert (tick.symbol, tick.last_price) == (FUTURE.symbol, Decimal("812.5"))


def test_a_feed_that_is_spoilt_in_part_changes_nothing() -> None:
    made = stream()
    made.read(framed(full(field(1, ltpc()), field(6, 500))))
    spoilt = framed(full(field(1, ltpc(price=900.0)), field(6, 600), field(7, 0.5)))

    (bad,) = made.read(spoilt)
    after = one_tick(framed(full(field(5, 100.0))), made)

    assert isinstance(bad, BadRow)
    assert (after.last_price, after.volume) == (Decimal("812.5"), 500)


@pytest.mark.parametrize(
    "inner",
    [
        varint(1 << 3) + b"\1" + ltpc(),  # a price as a whole number: unread, it would be missing
        ltpc() + field(1, 900.0),  # a second price
        ltpc() + bytes([9 << 3 | 3]),
        ltpc() + bytes([9 << 3 | 6]),
        ltpc() + b"\0\0",
        ltpc() + varint(9 << 3) + b"\xff" * 10 + b"\1",
        ltpc() + varint(9 << 3) + b"\xff" * 9 + b"\x02",
        ltpc() + varint(9 << 3) + b"\x80" * 10 + b"\0",
        varint(1 << 32 | 1) + b"\0" * 8,
        ltpc()[:-1],
        ltpc() + varint(9 << 3) + b"\x80",
        ltpc() + varint(9 << 3 | 5) + b"\0\0\0",
    ],
    ids=["another wire type", "twice", "a group", "a wire type that there is not", "field 0", "11 bytes of a number",
         "65 bits", "ten bytes of nothing", "a field of more than 29 bits", "cut in a double", "cut in a number", "cut in four bytes"],
)  # fmt: skip
def test_a_message_that_is_no_protobuf_of_ours_is_not_read(inner: bytes) -> None:
    assert one_bad(framed(entry(field(1, inner))))


def test_fields_of_another_year_are_passed_over() -> None:
    news = field(40, 1) + field(41, 2.0) + field(42, "new") + varint(43 << 3 | 5) + b"\0\0\0\0"

    tick = one_tick(framed(entry(field(1, ltpc() + news) + news)) + news)

    assert tick.last_price == Decimal("812.5")


def test_two_kinds_of_feed_in_one_are_none() -> None:
    assert "more than one" in one_bad(framed(entry(field(1, ltpc()) + field(2, field(1, b"")))))


def test_a_key_that_is_no_text_and_a_feed_without_one_spoil_themselves() -> None:
    nameless = field(2, field(2, field(1, ltpc())))
    no_text = field(2, field(1, b"\xff") + field(2, field(1, ltpc())))
    alone = field(2, field(1, FEED.instrument_token))

    pushed = stream().read(framed(nameless, no_text, alone))

    assert [type(value) for value in pushed] == [BadRow] * 3


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        framed(entry(field(1, ltpc())), entry(field(1, ltpc(price=1.0)))),  # which of the two is it?
        field(1, 1) + entry(field(1, ltpc())),
        framed(entry(field(1, ltpc())), sent_ms=1),
        framed(entry(field(1, ltpc())), kind=2),
        framed(entry(field(1, ltpc())), kind=7),
        framed(entry(field(1, ltpc())))[:-1],
        framed() + b"\x12\x7f",
        '{"type":',
        "[]",
    ],
    ids=["nothing", "a key twice", "no time", "no such time", "prices as news", "an unknown type", "cut", "a length too long",
         "half a text", "a text of another shape"],
)  # fmt: skip
def test_a_frame_that_does_not_fit_is_refused_whole(frame: bytes | str) -> None:
    assert refused(frame).fault is Fault.UNREADABLE


def test_a_dead_session_ends_the_connection() -> None:
    error = '{"error":{"error_code":"UDAPI100050","message":"Invalid token used to access API"}}'

    assert refused(error).fault is Fault.AUTH_EXPIRED


def test_what_looks_like_a_token_is_not_shown_to_people() -> None:
    token = "eyJ0eXAiOiJKV1Qi.eyJzdWIiOiJaWjAwMDEi.c2lnbmF0dXJl"

    (notice,) = stream().read(json.dumps({"error": f"bad token {token}"}))

    assert isinstance(notice, Notice)
    assert notice.is_error
    assert token not in notice.message


# Whatever comes

WHOLE = sample("all of a future")
KNOWN = (Tick, DepthTick, BadRow, Notice)


def told(pushed: Any) -> set[tuple[str, Any]]:
    """All that is said, each under the name of its field."""
    found: set[tuple[str, Any]] = set()
    for value in pushed:
        if isinstance(value, Tick):
            found |= set(asdict(value).items())
        if isinstance(value, DepthTick):
            found |= {("buy", level) for level in value.buy}
            found |= {("sell", level) for level in value.sell}
    return {(name, value) for name, value in found if value is not None}


@given(st.integers(0, len(WHOLE) - 1))
def test_a_frame_cut_anywhere_is_refused(length: int) -> None:
    assert refused(WHOLE[:length]).fault is Fault.UNREADABLE


@given(st.binary(max_size=400) | st.text(max_size=100))
def test_whatever_comes_raises_nothing_but_a_broker_error(frame: bytes | str) -> None:
    with suppress(BrokerError):
        assert all(isinstance(value, KNOWN) for value in stream().read(frame))


@given(st.binary(max_size=300))
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
def test_whatever_stands_in_a_feed_is_read_or_spoils_it(feed: bytes) -> None:
    *_, tick = stream().read(framed(entry(feed), entry(field(1, ltpc()), FUTURE.instrument_token)))

    assert isinstance(tick, Tick)
    assert tick.last_price == Decimal("812.5")


def places_of_values(frame: bytes) -> set[int]:
    """Where the bytes of doubles and whole numbers stand: what is flipped there is another value, and no reader can tell."""
    found: set[int] = set()

    def walk(at: int, end: int, path: tuple[int, ...]) -> None:
        while at < end:
            tag, start = number(at)
            match tag & 7:
                case 0:
                    _, at = number(start)
                    found.update(range(start, at))
                case 1:
                    found.update(range(start, start + 8))
                    at = start + 8
                case _:
                    length, start = number(start)
                    at = start + length
                    if (*path, tag >> 3) in TEXTS:
                        found.update(range(start, at))
                    else:
                        walk(start, at, (*path, tag >> 3))

    def number(at: int) -> tuple[int, int]:
        value = shift = 0
        while frame[at] & 0x80:
            value |= (frame[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        return value | frame[at] << shift, at + 1

    walk(0, len(frame), ())
    return found


TEXTS = {(2, 1), (2, 2, 2, 1, 4, 1, 1)}  # a key, an interval
STRUCTURE = sorted(set(range(len(WHOLE))) - places_of_values(WHOLE))


def test_a_byte_of_the_structure_flipped_anyhow_tells_nothing_that_was_not_said() -> None:
    """All 255 ways, at every tag and length. A total that lost its tag is 0, which is not written."""
    whole = told(stream().read(WHOLE)) | {("buy_quantity", 0), ("sell_quantity", 0)}
    strange = []
    for at in STRUCTURE:
        for flip in range(1, 256):
            spoilt = bytearray(WHOLE)
            spoilt[at] ^= flip
            with suppress(BrokerError):
                strange += [(at, flip, *one) for one in told(stream().read(bytes(spoilt))) - whole]

    assert strange == []


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_byte_flipped_tells_good_prices_or_none(at: int, flip: int) -> None:
    spoilt = bytearray(WHOLE)
    spoilt[at] ^= flip

    with suppress(BrokerError):
        for name, value in told(stream().read(bytes(spoilt))):
            price = value.price if isinstance(value, Level) else value
            if isinstance(price, Decimal):
                assert 0 < price < 2**31, name
                assert price == round(price, 4)


# Updates (9.5)


def update(**changed: Any) -> Pushed:
    row = json.loads(next(one.text for one in SAMPLES.updates if one.text) or "") | changed
    (pushed,) = UPSTOX.updates(SAMPLES.session, LISTED).read(json.dumps(row))
    return pushed


def test_an_order_is_read_as_a_row_of_the_book() -> None:
    row = json.loads(next(one.text for one in SAMPLES.updates if one.text) or "")
    answer = json.dumps({"status": "success", "data": [row]}).encode()
    book = suite.play(UPSTOX.orders(SAMPLES.session, LISTED), [HttpResponse(200, (), answer)])

    assert update() == book.value.good[0]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"status": "put order req received", "filled_quantity": 0}, Status.PENDING),
        ({"status": "open", "filled_quantity": 0}, Status.OPEN),
        ({"status": "open", "filled_quantity": 4}, Status.PARTIALLY_FILLED),
        ({"status": "not cancelled", "filled_quantity": 4}, Status.PARTIALLY_FILLED),
        ({"status": "rejected", "filled_quantity": 0}, Status.REJECTED),
    ],
)
def test_an_updates_status_is_the_books(changed: dict[str, Any], status: Status) -> None:
    row = update(**changed)

    assert isinstance(row, BrokerOrder)
    assert row.status is status


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "half done"},
        {"status": None},
        {"quantity": "many"},
        {"order_id": ""},
        {"instrument_token": None, "instrument_key": None},
        {"order_timestamp": "yesterday"},
    ],
)
def test_an_order_that_is_not_told_whole_is_a_bad_row(changed: dict[str, Any]) -> None:
    assert isinstance(update(**changed), BadRow)


@given(
    st.binary(max_size=200)
    | st.text(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3) | st.lists(inner),
        max_leaves=8,
    ).map(lambda value: json.dumps({"update_type": "order", "status": value}))
)
def test_whatever_comes_as_an_update_raises_nothing_but_a_broker_error(frame: bytes | str) -> None:
    with suppress(BrokerError):
        for value in UPSTOX.updates(SAMPLES.session, LISTED).read(frame):
            assert isinstance(value, BrokerOrder | BadRow)
