"""The simulated Angel One's two sockets by hand: who is let in, what subscribes, what is refused (angelone.md 9)."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.sim.angelone import AngelOneSim, App, Client
from ordod.sim.angelone.accounts import Login
from ordod.sim.angelone.feeds import OrderFeed, PriceFeed
from ordod.sim.broker import Options
from ordod.sim.feeds import Frame, SimFeed
from ordod.sim.message import Answer, Request
from tests.adapters.bench import TEN

INFY = "1004"


class Caller:
    """A logged-in client that speaks by hand."""

    def __init__(self) -> None:
        self.sim = AngelOneSim(Options(seed=7), TEN)
        self.now = TEN
        self.login: Login = self.sim.accounts.open(App().api_key, Client().clientcode, TEN)

    def opened(self, path: str, **changed: str) -> SimFeed | Answer:
        headers = {
            "authorization": f"Bearer {self.login.jwt}",
            "x-api-key": self.login.api_key,
            "x-client-code": self.login.clientcode,
            "x-feed-token": self.login.feed,
        } | {name.replace("_", "-"): value for name, value in changed.items()}
        return self.sim.open_feed(Request.read("GET", path, list(headers.items()), b""), self.now)

    def prices(self) -> PriceFeed:
        feed = self.opened("/smart-stream")
        assert isinstance(feed, PriceFeed)
        return feed

    def later(self, feed: SimFeed, seconds: float = 3) -> list[Frame]:
        self.now += timedelta(seconds=seconds)
        self.sim.advance(self.now)
        return feed.frames(self.now)


@pytest.fixture
def caller() -> Caller:
    return Caller()


def ask(action: int, mode: int, *tokens: str, exchange: int = 1) -> str:
    listed = [{"exchangeType": exchange, "tokens": list(tokens)}]
    params = {"mode": mode, "tokenList": listed}
    return json.dumps({"correlationID": "byhand0001", "action": action, "params": params})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"authorization": "Bearer dead"}, "Invalid Auth token"),
        ({"x_client_code": "B1"}, "Invalid Client Code"),
        ({"x_api_key": "other"}, "Invalid API Key"),
        ({"x_feed_token": "dead"}, "Invalid Feed Token"),
    ],
)
def test_who_is_not_let_in_is_told_why(caller: Caller, changed: dict[str, str], words: str) -> None:
    refused = caller.opened("/smart-stream", **changed)

    assert isinstance(refused, Answer)
    assert refused.status == 401
    assert dict(refused.headers)["x-error-message"] == f"Invalid Header - {words}"


def test_the_order_socket_wants_no_feed_token_and_another_address_is_none(caller: Caller) -> None:
    assert isinstance(caller.opened("/smart-order-update", x_feed_token=""), OrderFeed)
    assert isinstance(caller.opened("/elsewhere"), Answer)


def test_each_mode_has_its_length_and_ends_by_itself(caller: Caller) -> None:
    feed = caller.prices()
    for mode in (1, 2, 3):
        feed.received(ask(1, mode, INFY), caller.now)
    lengths = [len(frame) for frame in feed.frames(caller.now)]
    feed.received(ask(0, 2, INFY), caller.now)
    left = [len(frame) for frame in caller.later(feed)]

    assert lengths == [51, 123, 379]
    assert left == [51, 379]
    assert feed.frames(caller.now) == []  # nothing moved


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("no JSON", "E1001"),
        ("[]", "E1001"),
        (ask(7, 1, INFY), "E1001"),
        (ask(1, 9, INFY), "E1001"),
    ],
)
def test_what_cannot_be_done_is_told(caller: Caller, said: str, code: str) -> None:
    feed = caller.prices()

    feed.received(said, caller.now)
    (told,) = feed.frames(caller.now)

    assert json.loads(told)["errorCode"] == code


def test_a_thousand_is_the_most_and_more_leaves_what_there_is_alone(caller: Caller) -> None:
    feed = caller.prices()
    listed = [c.token for c in caller.sim.market.contracts if c.exchange == "NFO"][:1000]
    feed.received(ask(1, 1, *listed, exchange=2), caller.now)
    count = len(feed.frames(caller.now))

    feed.received(ask(1, 2, *listed, exchange=2), caller.now)
    (told, *rest) = feed.frames(caller.now)

    assert count == len(listed) > 500
    assert json.loads(told)["errorCode"] == "E1002"
    assert json.loads(told)["correlationID"] == "byhand0001"
    assert rest == []


def test_an_unknown_token_is_passed_over(caller: Caller) -> None:
    feed = caller.prices()

    feed.received(ask(1, 1, "no such token"), caller.now)

    assert feed.frames(caller.now) == []


@given(st.text(max_size=40) | st.binary(max_size=40))
def test_nothing_that_a_client_can_say_is_too_much(frame: Frame) -> None:
    feed = SHARED.prices()

    feed.received(frame, SHARED.now)
    feed.frames(SHARED.now)


SHARED = Caller()
