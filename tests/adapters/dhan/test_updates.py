"""Dhan's live order updates: what we say, names in any case, and what becomes of updates that are none (dhan.md 9.3)."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordo_adapters.dhan import DHAN
from ordod.adapter import BadRow, BrokerError, BrokerOrder, Notice, Pushed, UpdateStream, suite

SAMPLES = suite.load(Path(__file__).parent / "samples")
LISTED = suite.Listed(SAMPLES.instruments.values())
NEEDED = (
    *("orderNo", "status", "txnType", "exchange", "segment", "product", "orderType"),
    *("securityId", "quantity", "tradedQty"),
)


def updates() -> UpdateStream:
    return DHAN.updates(SAMPLES.session, LISTED)


def sample(about: str) -> dict[str, Any]:
    text = next(one.text for one in SAMPLES.updates if one.about == about)
    row: dict[str, Any] = json.loads(text or "")["Data"]
    return row


ORDER = sample("as it comes, its names begun in lower case: at the exchange")
FILLED = sample("filled, with a few names both ways")


def text(data: Any) -> str:
    return json.dumps({"Type": "order_alert", "Data": data})


def read(data: Any) -> Pushed:
    (value,) = updates().read(text(data))
    return value


def test_who_comes_is_said_first_and_stands_in_no_address() -> None:
    request = suite.play(DHAN.connect_updates(SAMPLES.session), []).value
    (login,) = updates().greet()

    assert (request.host, request.target(), request.headers) == ("updates", "/", ())
    assert json.loads(login) == {
        "LoginReq": {"MsgCode": 42, "ClientId": "1000000003", "Token": "the-session-token"},
        "UserType": "SELF",
    }


@pytest.mark.parametrize("spelt", [str.lower, str.upper, lambda name: name[:1].upper() + name[1:]])
def test_names_are_read_in_any_case(spelt: Any) -> None:
    assert read({spelt(name): value for name, value in ORDER.items()}) == read(ORDER)


def test_ids_may_be_numbers() -> None:
    asked = ORDER | {"orderNo": 32260105123456, "securityId": 11536, "legNo": "1"}

    assert read(asked) == read(ORDER)


@pytest.mark.parametrize("status", ["Part_Traded", "PART_TRADED", "Part Traded", "part-traded"])
def test_a_status_is_read_however_it_is_written(status: str) -> None:
    order = read(ORDER | {"status": status, "tradedQty": 2})

    assert isinstance(order, BrokerOrder)
    assert (order.status, order.filled_quantity) == ("PARTIALLY_FILLED", 2)


def test_a_name_told_twice_with_two_values_is_neither() -> None:
    assert isinstance(read(ORDER | {"Quantity": 6}), BadRow)
    assert isinstance(read(ORDER | {"Status": "Traded"}), BadRow)
    assert read(ORDER | {"CorrelationId": "", "Quantity": None, "Remarks": "x"}) == read(ORDER)


@pytest.mark.parametrize("name", NEEDED)
def test_an_update_that_lacks_what_an_order_is_is_a_bad_row(name: str) -> None:
    assert isinstance(read({n: v for n, v in ORDER.items() if n != name}), BadRow)


@pytest.mark.parametrize(
    "more",
    [
        {"status": "Traded"},
        {"status": "Traded", "tradedQty": 2},
        {"status": "Pending", "tradedQty": 5},
        {"status": "Pending", "tradedQty": 6},
        {"status": "Cancelled", "tradedQty": 5},
    ],
)
def test_status_and_quantities_that_contradict_each_other_are_a_bad_row(
    more: dict[str, Any],
) -> None:
    assert isinstance(read(ORDER | more), BadRow)


@pytest.mark.parametrize("leg", [2, 3, "4", 9])
def test_a_leg_of_a_super_order_is_not_its_entry(leg: Any) -> None:
    assert isinstance(read(ORDER | {"legNo": leg}), BadRow)


def test_a_text_may_hold_several_updates_a_line_each() -> None:
    lines = "\n".join([text(ORDER), text(FILLED)[:-9], "", text(FILLED)])

    first, bad, last = updates().read(lines)

    assert (first, last) == (read(ORDER), read(FILLED))
    assert isinstance(bad, BadRow)


@pytest.mark.parametrize("frame", ["5", "[]", '"x"', '{"Type":"login","Message":"ok"}'])
def test_what_is_no_update_is_told_as_dhans_words(frame: str) -> None:
    (value,) = updates().read(frame)

    assert isinstance(value, Notice)


def test_a_token_in_dhans_words_is_not_told() -> None:
    (notice,) = updates().read(json.dumps({"Type": "error", "Token": "x" * 40}))

    assert isinstance(notice, Notice)
    assert "xxx" not in notice.message


@pytest.mark.parametrize(
    "frame", ["pong", "null", '{"Type":"order_alert"}', '{"Type":"order_alert","Data":[]}', b"\xff"]
)
def test_what_cannot_be_read_is_a_bad_row_and_the_book_is_asked(frame: bytes | str) -> None:
    (value,) = updates().read(frame)

    assert isinstance(value, BadRow)


@given(
    st.dictionaries(
        st.sampled_from(sorted({*ORDER, "OrderNo", "Status", "Quantity"})),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=8),
        max_size=6,
    )
)
def test_whatever_an_update_holds_is_an_order_or_a_bad_row(changed: dict[str, Any]) -> None:
    assert isinstance(read(ORDER | changed), BrokerOrder | BadRow)


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_whatever_comes_raises_nothing_but_a_broker_error(frame: bytes | str) -> None:
    with suppress(BrokerError):
        assert all(isinstance(value, Notice | BadRow) for value in updates().read(frame))
