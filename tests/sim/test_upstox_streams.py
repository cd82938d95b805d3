"""The simulated Upstox's streams by hand: the two ways in, what a market feed is told and tells, and updates."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.market import Quote
from ordod.sim.clock import IST, Clock
from ordod.sim.feeds import FeedFault, FeedFaultKind, SimFeed
from ordod.sim.message import Answer, Request
from ordod.sim.server import serving
from ordod.sim.upstox import feeds
from ordod.sim.upstox.market import Contract
from ordod.sim.upstox.wire import LIVE_FEED, feed, feed_response, market_info, parts_of
from tests.sim.upstox_client import INFY, Hand

MARKET = "/v3/feed/market-data-feed"
PORTFOLIO = "/v2/feed/portfolio-stream-feed"
NIFTY = "NSE_INDEX|Nifty 50"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def hand() -> Hand:
    return Hand()


def opened(hand: Hand, address: str, **headers: str) -> SimFeed | Answer:
    parts = urlsplit(address)
    request = Request.read("GET", f"{parts.path}?{parts.query}", list(headers.items()), b"")
    return hand.sim.open_feed(request, hand.now)


def authorized(hand: Hand, path: str = MARKET, query: str = "") -> str:
    return str(hand.ask("GET", f"{path}/authorize{query}")["authorized_redirect_uri"])


def market_feed(hand: Hand) -> SimFeed:
    made = opened(hand, authorized(hand))
    assert isinstance(made, SimFeed)
    return made


def portfolio_feed(hand: Hand, types: str) -> SimFeed:
    made = opened(hand, authorized(hand, PORTFOLIO, f"?update_types={types}"))
    assert isinstance(made, SimFeed)
    return made


def say(hand: Hand, made: SimFeed, method: str, keys: list[str], **data: str) -> None:
    said = {"guid": "1", "method": method, "data": {**data, "instrumentKeys": keys}}
    made.received(json.dumps(said).encode(), hand.now)


def told(hand: Hand, made: SimFeed, seconds: float = 1) -> list[bytes | str]:
    hand.now += timedelta(seconds=seconds)
    hand.sim.advance(hand.now)
    return made.frames(hand.now)


def kinds(frames: list[bytes | str]) -> list[str]:
    names = {b"\x08\x01": "live", b"\x08\x02": "market", b"\x12": "initial"}
    return ["text" if isinstance(f, str) else names.get(f[:2]) or names[f[:1]] for f in frames]


# The bytes are those of the sheet (upstox.md 9.4)


def test_a_last_price_is_written_as_the_sheets_vector() -> None:
    at = datetime.fromtimestamp(1767590100, IST)
    share = Instrument(
        exchange=Exchange.NSE, symbol="NSE:A", broker_symbol="A", instrument_token="1", kind=InstrumentKind.EQUITY,
        tick_size=Decimal("0.05"), lot_size=25,
    )  # fmt: skip
    contract = Contract(
        key="NSE_EQ|INE000A01010", segment="NSE_EQ", exchange="NSE", row_exchange="NSE", trading_symbol="A", isin="",
        units=1, instrument=share,
    )  # fmt: skip
    quote = Quote(symbol="NSE:A", last_price=Decimal("812.5"), at=at, close_price=Decimal("805.25"))

    parts = parts_of(contract, "ltpc", quote, at)
    frame = feed_response(
        LIVE_FEED,
        {contract.key: feed(contract, "ltpc", parts.values())},
        at + timedelta(milliseconds=123),
    )

    assert frame.hex() == (
        "080112340a134e53455f45517c494e45303030413031303130121d0a1b09000000000064894010a0f8d1e4b8331819"
        "2100000000002a8940189bf9d1e4b833"
    )


def test_how_the_market_stands_is_written_as_the_sheets_vector() -> None:
    at = datetime.fromtimestamp(1767590000, IST)

    assert market_info({"NSE_EQ": 2, "NSE_FO": 2}, at).hex() == (
        "08021880ebcbe4b83322180a0a0a064e53455f455110020a0a0a064e53455f464f1002"
    )


# The ways in (9.1)


def test_an_address_works_once(hand: Hand) -> None:
    address = authorized(hand)

    first, again = opened(hand, address), opened(hand, address)

    assert isinstance(first, SimFeed)
    assert isinstance(again, Answer)
    assert again.status == 403


def test_an_address_is_good_for_a_minute_and_for_its_own_stream(hand: Hand) -> None:
    late, other = authorized(hand), authorized(hand, PORTFOLIO)
    crossed = opened(hand, other.replace("portfolio-feeder", "market-data-feeder/v3"))
    hand.now += timedelta(seconds=61)

    refused = opened(hand, late)

    assert isinstance(crossed, Answer)
    assert isinstance(refused, Answer)
    assert crossed.status == refused.status == 403


@pytest.mark.parametrize("path", [MARKET, PORTFOLIO])
def test_a_session_is_sent_on_to_such_an_address(hand: Hand, path: str) -> None:
    answer = opened(hand, path, Authorization=f"Bearer {hand.token}")

    assert isinstance(answer, Answer)
    assert answer.status == 302
    assert isinstance(opened(hand, dict(answer.headers)["location"]), SimFeed)


def test_a_dead_session_is_let_in_nowhere(hand: Hand) -> None:
    address = authorized(hand)
    hand.sim.end_sessions("ZZ0001")

    by_header = opened(hand, MARKET, Authorization=f"Bearer {hand.token}")
    by_address = opened(hand, address)

    assert isinstance(by_header, Answer)
    assert isinstance(by_address, Answer)
    assert by_header.status == by_address.status == 401
    assert hand.refused("GET", f"{MARKET}/authorize") == (401, "UDAPI100050")


def test_a_stream_is_over_when_its_session_is(hand: Hand) -> None:
    made = market_feed(hand)
    assert not made.is_over(hand.now)

    hand.sim.end_sessions("ZZ0001")

    assert made.is_over(hand.now)


def test_what_lets_in_is_secret(hand: Hand) -> None:
    code = authorized(hand).rpartition("code=")[2]

    assert code in hand.sim.secrets()


# Prices (9.2, 9.3)


def test_the_market_is_told_first_then_a_snapshot_then_what_changes(hand: Hand) -> None:
    made = market_feed(hand)
    future = next(c.key for c in hand.sim.api.market.contracts if c.segment == "MCX_FO")
    say(hand, made, "sub", [future], mode="full")

    first = told(hand, made)
    later = [told(hand, made, seconds=0.25) for _ in range(12)]

    assert kinds(first) == ["market", "initial"]
    assert {kind for frames in later for kind in kinds(frames)} == {"live"}
    lengths = [len(frame) for frames in later for frame in frames]
    assert min(lengths) < len(first[1]) * 0.8  # the book alone
    assert max(lengths) > len(first[1])
    assert made.frames(hand.now) == []  # nothing changed


def test_only_binary_frames_subscribe_and_nonsense_is_passed_over(hand: Hand) -> None:
    made = market_feed(hand)
    made.received(json.dumps({"method": "sub", "data": {"instrumentKeys": [INFY]}}), hand.now)
    for nonsense in (b"", b"{", b"[]", b'{"method":"sub","data":{}}', b'{"method":1,"data":[]}'):
        made.received(nonsense, hand.now)
    say(hand, made, "sub", ["NSE_EQ|NOBODY"])
    made.received(b'{"method":"sub","data":{"instrumentKeys":[1,null,{}]}}', hand.now)

    assert kinds(told(hand, made)) == ["market"]


def test_a_change_of_mode_brings_a_snapshot_and_an_end_brings_nothing(hand: Hand) -> None:
    made = market_feed(hand)
    say(hand, made, "change_mode", [INFY], mode="full")  # not subscribed yet
    none = told(hand, made)
    say(hand, made, "sub", [INFY])
    short = told(hand, made)
    say(hand, made, "sub", [INFY], mode="full")  # it is already
    same = told(hand, made)
    say(hand, made, "change_mode", [INFY], mode="full")
    long = told(hand, made)
    say(hand, made, "unsub", [INFY])

    assert kinds(none) == ["market"]
    assert kinds(short) == ["initial"]
    assert kinds(same) == ["live"]
    assert kinds(long) == ["initial"]
    assert len(long[0]) > 3 * len(short[0])
    assert told(hand, made) == []


def test_a_mode_that_is_not_sold_and_too_many_keys_are_told_in_words(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(feeds.KEYS_MAX, "full", (2, 1))  # alone, and where modes are mixed
    listed = [contract.key for contract in hand.sim.api.market.contracts]
    alone, mixed = market_feed(hand), market_feed(hand)

    say(hand, alone, "sub", listed[:2], mode="full")
    say(hand, alone, "sub", listed[2:3], mode="full")
    say(hand, mixed, "sub", listed[:1], mode="full_d30")
    say(hand, mixed, "sub", listed[:1])
    say(hand, mixed, "sub", listed[1:3], mode="full")

    assert kinds(told(hand, alone)) == ["market", "text", "initial"]
    frames = told(hand, mixed)
    assert kinds(frames) == ["market", "text", "text", "initial"]
    assert ["error" in json.loads(frame) for frame in frames[1:3]] == [True, True]


# Updates (9.5)


def updates(frames: list[bytes | str]) -> list[Mapping[str, Any]]:
    return [json.loads(frame) for frame in frames]


def test_what_stands_in_the_book_is_not_told_and_what_changes_is(hand: Hand) -> None:
    before = hand.place(hand.limit())
    made = portfolio_feed(hand, "order")
    quiet = told(hand, made)
    order_id = hand.place(hand.limit(tag="t2"))
    placed = updates(told(hand, made))
    hand.ask("DELETE", f"/v3/order/cancel?order_id={before}")
    cancelled = updates(told(hand, made))

    assert quiet == []
    assert [(u["update_type"], u["order_id"], u["tag"]) for u in placed] == [
        ("order", order_id, "t2")
    ]
    assert [(u["order_id"], u["status"]) for u in cancelled] == [(before, "cancelled")]
    row = hand.row(before)
    assert row.items() <= cancelled[0].items()
    assert cancelled[0]["instrument_key"] == INFY


def test_orders_are_told_where_no_type_is_asked_for_and_others_where_they_are(hand: Hand) -> None:
    plain, more = portfolio_feed(hand, ""), portfolio_feed(hand, "order%2Cposition%2Cholding")
    hand.place()

    by_default, asked_for = updates(plain.frames(hand.now)), updates(told(hand, more))

    assert {update["update_type"] for update in by_default} == {"order"}
    assert {update["update_type"] for update in asked_for} == {"order", "position"}
    assert told(hand, more) == []  # a price that moves is no update


def test_an_invisible_order_is_not_told_either(hand: Hand) -> None:
    made = portfolio_feed(hand, "order")
    hand.sim.faults.add(kind="invisible", method="POST", prefix="/v3/order/place", seconds=30)
    body = json.dumps(hand.order()).encode()
    headers = [("Authorization", f"Bearer {hand.token}"), ("Content-Type", "application/json")]
    hand.sim.answer("POST", "/v3/order/place", headers, body, hand.now)

    assert told(hand, made) == []
    assert len(told(hand, made, seconds=31)) == 1


# On a socket


@pytest.mark.anyio
async def test_a_client_follows_to_its_address_and_a_broken_line_wants_another(hand: Hand) -> None:
    clock = Clock(hand.now, standing=True)
    async with serving(hand.sim, clock=clock) as server:
        root = server.url.replace("http", "ws")
        bearer = {"Authorization": f"Bearer {hand.token}"}
        async with connect(f"{root}{MARKET}", additional_headers=bearer, proxy=None) as client:
            with anyio.fail_after(5):
                first = await client.recv()
                hand.sim.feed_faults.add(FeedFault(kind=FeedFaultKind.DISCONNECT), clock.now())
                with pytest.raises(ConnectionClosed):
                    await client.recv()
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{root}/market-data-feeder/v3/feeds?code=old", proxy=None)
        with pytest.raises(InvalidStatus) as dead:
            await connect(
                f"{root}{MARKET}", additional_headers={"Authorization": "Bearer x"}, proxy=None
            )

    assert kinds([first]) == ["market"]
    assert refused.value.response.status_code == 403
    assert dead.value.response.status_code == 401
    assert dead.value.response.headers["content-type"] == "application/json"


@pytest.mark.anyio
async def test_a_client_that_leaves_while_there_is_something_to_say_is_let_go(hand: Hand) -> None:
    clock = Clock(hand.now, standing=True)
    async with serving(hand.sim, clock=clock) as server:
        bearer = {"Authorization": f"Bearer {hand.token}"}
        address = f"{server.url.replace('http', 'ws')}{PORTFOLIO}"
        async with connect(address, additional_headers=bearer, proxy=None) as client:
            hand.place()

    assert client.close_code == 1000
