"""What a refusal by Kite means, and above all when it is no sure no (zerodha.md 11, DESIGN 4.4).

That every row of the table is reached, and by which answer, stands in samples/suite.json. Here are the rules behind it.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from ordo_adapters.zerodha import ZERODHA
from ordo_adapters.zerodha.tables import FAULTS
from ordod.adapter import Fault, HttpResponse, NewOrder, OrderType, Product, Side
from ordod.adapter.suite import Listed, load, play

SAMPLES = load(Path(__file__).parent / "samples")
SESSION = SAMPLES.session
ORDER = NewOrder(
    symbol="NSE:SBIN",
    side=Side.BUY,
    quantity=1,
    type=OrderType.MARKET,
    product=Product.CNC,
    tag="qz7f3a91c2dabcdefgh2",
)
TYPES = (
    "TokenException",
    "PermissionException",
    "UserException",
    "InputException",
    "MarginException",
    "HoldingException",
    "OrderException",
    "NetworkException",
    "DataException",
    "GeneralException",
    "",
)


def refusal(status: int, code: str, message: str) -> HttpResponse:
    body: dict[str, Any] = {"status": "error", "message": message, "data": None}
    return HttpResponse(status, (), json.dumps(body | {"error_type": code}).encode())


def placed(response: HttpResponse) -> tuple[Fault, bool]:
    error = play(ZERODHA.place(SESSION, ORDER, SAMPLES.instruments["NSE:SBIN"]), [response]).error
    assert error is not None
    return error.fault, error.sure


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 520])
def test_no_answer_of_a_broken_server_is_sure(status: int, code: str) -> None:
    fault, sure = placed(refusal(status, code, "Insufficient funds. Markets are closed"))

    assert not sure
    assert fault in {Fault.BROKER_UNAVAILABLE, Fault.UNREADABLE, Fault.AUTH_EXPIRED}


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 428, 500, 503])
def test_an_order_that_timed_out_is_in_doubt_whatever_the_answer_s_status(
    status: int, code: str
) -> None:
    words = "Order request timed out. Please check the order book and confirm before placing again."

    assert placed(refusal(status, code, words)) == (Fault.AMBIGUOUS, False)


@pytest.mark.parametrize("code", TYPES)
def test_429_is_the_rate_limit_whatever_its_type_says(code: str) -> None:
    assert placed(refusal(429, code, "Too many requests")) == (Fault.RATE_LIMITED, True)
    assert placed(refusal(429, code, "Something else")) == (Fault.RATE_LIMITED, False)


def test_a_dead_session_is_a_sure_no_to_an_order() -> None:
    answer = refusal(403, "TokenException", "Incorrect `api_key` or `access_token`.")

    assert placed(answer) == (Fault.AUTH_EXPIRED, True)


def test_a_margin_refusal_that_points_at_the_order_book_is_still_a_sure_no() -> None:
    words = (
        "Insufficient funds. Required margin is 95417.84 but available margin is 74251.80. "
        "Check the orderbook for open orders."
    )

    assert placed(refusal(400, "MarginException", words)) == (Fault.INSUFFICIENT_FUNDS, True)


@pytest.mark.parametrize("code", ["", "BrandNewException"])
@pytest.mark.parametrize("status", [200, 400, 403, 405, 410, 418])
def test_a_type_nobody_knows_is_never_sure(status: int, code: str) -> None:
    assert placed(refusal(status, code, "No.")) == (Fault.UNREADABLE, False)


@pytest.mark.parametrize("status", [400, 403, 404, 428, 429, 500, 502])
@pytest.mark.parametrize("body", [b"", b"<html>Forbidden</html>", b'{"status":"error"}', b"[]"])
def test_a_refusal_outside_kite_s_envelope_is_never_sure_nor_quoted(
    status: int, body: bytes
) -> None:
    dialogue = ZERODHA.place(SESSION, ORDER, SAMPLES.instruments["NSE:SBIN"])

    error = play(dialogue, [HttpResponse(status, (), body)]).error

    assert error is not None
    assert not error.sure
    assert "html" not in str(error)


def test_a_read_of_a_dead_session_asks_for_a_login() -> None:
    answer = refusal(403, "TokenException", "Token is invalid or has expired.")

    error = play(ZERODHA.orders(SESSION, Listed(())), [answer]).error

    assert error is not None
    assert (error.fault, error.code) == (Fault.AUTH_EXPIRED, "TokenException")


def test_only_answers_of_the_layers_before_the_order_system_are_sure() -> None:
    sure = {(row.status, row.code) for row in FAULTS.rows if row.source}

    assert {status for status, _ in sure} == {400, 403, 428, 429}
    assert not any(
        code in {"NetworkException", "DataException", "GeneralException"} for _, code in sure
    )


def test_a_token_that_kite_quotes_is_not_quoted_on() -> None:
    token = "r7Q2kLm9XcV4bN8sD1fG6hJ3pW5tZ0yA"
    answer = refusal(
        403, "TokenException", f"Token {token} of order 1950000000000000006 is invalid"
    )

    error = play(ZERODHA.user(SESSION), [answer]).error

    assert str(error) == "Token *** of order 1950000000000000006 is invalid"
