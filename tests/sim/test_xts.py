"""A simulated XTS by hand: sessions of two APIs, limits, orders, files (xts.md 2 to 10)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from ordod.sim.clock import IST
from ordod.sim.message import Answer
from ordod.sim.xts import Client, XtsSim

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=IST)
USER = Client()
KEYS = {"appKey": USER.app_key, "secretKey": USER.secret_key, "source": "WEBAPI"}
MARKET_KEYS = {"appKey": USER.market_key, "secretKey": USER.market_secret, "source": "WEBAPI"}


class XtsClient:
    """Speaks the wire format by hand. Its clock stands; a second passes with each request."""

    def __init__(self, member: str = "iifl") -> None:
        self.sim = XtsSim(member=member, seed=7, now=TEN)
        self.now = TEN
        self.token = self.market_token = ""

    def send(
        self, method: str, target: str, body: Mapping[str, Any] | None = None, *, step: int = 1
    ) -> Answer:
        self.now += timedelta(seconds=step)
        is_market = target.startswith(("/auth", "/instruments"))
        headers = [("Authorization", self.market_token if is_market else self.token)]
        headers.append(("Content-Type", "application/json"))
        content = b"" if body is None else orjson.dumps(body)
        return self.sim.handle(method, target, headers, content, self.now)

    def ask(self, method: str, target: str, body: Mapping[str, Any] | None = None) -> Any:
        """`result` of a success."""
        answer = self.send(method, target, body)
        said = orjson.loads(answer.body)
        assert (answer.status, said["type"]) == (200, "success"), said
        return said["result"]

    def refused(self, method: str, target: str, body: Mapping[str, Any] | None = None) -> str:
        said = orjson.loads(self.send(method, target, body).body)
        assert said["type"] == "error", said
        return str(said["code"])

    def log_in(self) -> None:
        self.token = self.ask("POST", "/user/session", KEYS)["token"]
        self.market_token = self.ask("POST", "/auth/login", MARKET_KEYS)["token"]

    def order(self, **more: Any) -> dict[str, Any]:
        return {
            "exchangeSegment": "NSECM",
            "exchangeInstrumentID": 1004,
            "productType": "CNC",
            "orderType": "MARKET",
            "orderSide": "BUY",
            "timeInForce": "DAY",
            "disclosedQuantity": 0,
            "orderQuantity": 10,
            "limitPrice": 0,
            "stopPrice": 0,
            "orderUniqueIdentifier": "od7f3k2m",
            "apiOrderSource": "",
        } | more


@pytest.fixture
def xts() -> XtsClient:
    client = XtsClient()
    client.log_in()
    return client


def test_a_second_login_with_the_same_keys_ends_the_first_session_and_no_other(
    xts: XtsClient,
) -> None:
    first = xts.token
    second = xts.ask("POST", "/user/session", KEYS)["token"]

    assert xts.refused("GET", "/user/profile") == "e-session-0007"
    assert xts.ask("GET", "/instruments/indexlist?exchangeSegment=1")["indexList"]
    xts.token = second
    assert first != second
    assert xts.ask("GET", "/user/profile")["ClientId"] == USER.client_id


def test_a_token_is_of_one_api_and_dies_in_the_morning(xts: XtsClient) -> None:
    interactive, xts.token = xts.token, xts.market_token
    assert xts.refused("GET", "/user/profile") == "e-session-0007"
    xts.token = ""
    assert xts.refused("GET", "/user/profile") == "e-token-0002"
    xts.token = interactive
    xts.now += timedelta(hours=20)
    assert xts.refused("GET", "/user/profile") == "e-session-0007"


def test_the_page_ends_with_what_opens_a_session_once() -> None:
    xts = XtsClient("compositedge")
    assert xts.refused("POST", "/user/session", KEYS) == "e-user-0002"
    address = xts.sim.request_token(USER.client_id, xts.now)
    said = orjson.loads(orjson.loads(parse_qs(urlsplit(address).query)["session"][0]))
    keys = KEYS | {"accessToken": said["accessToken"]}

    xts.token = xts.ask("POST", "/user/session", keys)["token"]

    assert xts.ask("GET", "/user/profile")["ClientId"] == USER.client_id
    assert xts.refused("POST", "/user/session", keys) == "e-user-0002"


def test_orders_are_taken_before_risk_looks_at_them(xts: XtsClient) -> None:
    assert xts.refused("GET", "/orders") == "e-orders-0005"
    good = xts.ask("POST", "/orders", xts.order())["AppOrderID"]
    bad = xts.ask("POST", "/orders", xts.order(orderQuantity=90_000))["AppOrderID"]

    rows = {row["AppOrderID"]: row for row in xts.ask("GET", "/orders")}
    assert (rows[good]["OrderStatus"], rows[good]["OrderType"]) == ("Filled", "Market")
    assert (rows[bad]["OrderStatus"], bool(rows[bad]["CancelRejectReason"])) == ("Rejected", True)
    assert xts.ask("GET", "/orders/trades")[0]["AppOrderID"] == good


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"orderQuantity": "10"}, "e-property-validation-failed"),
        ({"orderUniqueIdentifier": "x" * 21}, "e-property-validation-failed"),
        ({"orderType": "LIMIT"}, "e-property-validation-failed"),
        ({"exchangeInstrumentID": 1}, "e-instrument-0001"),
    ],
)
def test_what_the_gateway_does_not_understand_is_refused(
    xts: XtsClient, more: dict[str, Any], code: str
) -> None:
    assert xts.refused("POST", "/orders", xts.order(**more)) == code
    assert xts.refused("GET", "/orders") == "e-orders-0005"


def test_ten_orders_a_second_are_all(xts: XtsClient) -> None:
    answers = [xts.send("POST", "/orders", xts.order(), step=0) for _ in range(11)]

    assert [answer.status for answer in answers] == [200] * 10 + [429]


def test_the_files_have_the_columns_of_their_segment(xts: XtsClient) -> None:
    def rows(segment: str) -> list[list[str]]:
        text = xts.ask("POST", "/instruments/master", {"exchangeSegmentList": [segment]})
        return [row.split("|") for row in text.split("\n")]

    assert {len(row) for row in rows("NSECM")} == {22}
    assert {(row[5][:3], len(row)) for row in rows("NSEFO")} == {("FUT", 21), ("OPT", 23)}
    assert any(row[5] == "SPOT" for row in rows("BSECM"))


def test_margins_are_reckoned_at_one_member_only(xts: XtsClient) -> None:
    assert xts.refused("POST", "/orders/margindetails", {"portfolio": []}) == "e-app-0001"
