"""Dispatch: what is checked before a method runs, and what a caller hears."""

import json
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from ordod.errors import Kind
from ordod.service.methods import Call, Caller, Role
from ordod.wire.dispatch import (
    BATCH_MAX,
    CALLER_IN_FLIGHT_MAX,
    IN_FLIGHT_MAX,
    URGENT_IN_FLIGHT_MAX,
    Dispatcher,
)

TRADER = Caller("uid:1000 (asha)", Role.TRADE)


def place(**params: Any) -> dict[str, Any]:
    return {"account": "main", "key": "k-1", **params}


@pytest.mark.parametrize("request_id", ["a", "", 0, -5, 2**70, 1.5, None])
async def test_the_id_comes_back_as_it_was(client: Any, request_id: Any) -> None:
    assert (await client.ask("ping", request_id))["id"] == request_id


async def test_an_id_with_an_exponent_comes_back_letter_by_letter(client: Any) -> None:
    await client.send(b'{"jsonrpc":"2.0","id":1E5,"method":"ping"}\n')

    assert (await client.read())["id"] == 1e5


@pytest.mark.parametrize("request_id", [True, [1], {"a": 1}])
async def test_an_id_that_is_no_id_is_an_invalid_request(client: Any, request_id: Any) -> None:
    answer = await client.ask("ping", request_id)

    assert (answer["id"], answer["error"]["code"]) == (None, Kind.INVALID_REQUEST.code)


@pytest.mark.parametrize(
    "request_",
    [
        {"jsonrpc": "1.0", "id": 7, "method": "ping"},
        {"id": 7, "method": "ping"},
        {"jsonrpc": "2.0", "id": 7},
        {"jsonrpc": "2.0", "id": 7, "method": "ping", "params": "x"},
    ],
)
async def test_a_request_that_is_none_is_refused_under_its_id(client: Any, request_: Any) -> None:
    await client.send(request_)

    answer = await client.read()
    assert (answer["id"], answer["error"]["code"]) == (7, Kind.INVALID_REQUEST.code)


async def test_a_list_of_parameters_is_invalid(client: Any) -> None:
    await client.send({"jsonrpc": "2.0", "id": 1, "method": "hold", "params": [1]})

    error = (await client.read())["error"]
    assert error["code"] == Kind.INVALID_PARAMS.code
    assert "by name" in error["message"]


async def test_a_mistake_names_field_value_and_the_way_out(client: Any) -> None:
    error = (await client.ask("order.place", **place(quantity="5")))["error"]

    assert error == {
        "code": -32602,
        "message": '`quantity` must be a whole number, not "5"',
        "data": {
            "kind": "INVALID_PARAMS",
            "retry": "same_key",
            "field": "quantity",
            "value": "5",
        },
    }


async def test_a_price_keeps_every_digit_on_its_way_in(client: Any, desk: Any) -> None:
    await client.send(
        b'{"jsonrpc":"2.0","id":1,"method":"order.place","params":{"account":"main","key":"k","price":1450.05}}\n'
    )

    assert (await client.read())["result"]["order"]["price"] == 1450.05


async def test_a_price_with_an_exponent_is_refused(client: Any) -> None:
    await client.send(
        b'{"jsonrpc":"2.0","id":1,"method":"order.place","params":{"account":"main","key":"k","price":1e3}}\n'
    )

    error = (await client.read())["error"]
    assert (error["data"]["field"], error["data"]["value"]) == ("price", "1e3")


async def test_an_unknown_method_names_the_closest(client: Any) -> None:
    error = (await client.ask("order.plase"))["error"]

    assert error["code"] == Kind.METHOD_NOT_FOUND.code
    assert "`order.place`" in error["message"]


async def test_an_error_of_a_method_is_told_with_kind_retry_and_data(client: Any) -> None:
    error = (await client.ask("refuse"))["error"]

    assert error["code"] == 1202
    assert error["data"] == {"kind": "RISK_REFUSED", "retry": "same_key", "limit": "orders"}


@pytest.mark.parametrize("name", ["break_down", "unreadable"])
async def test_a_bug_is_logged_whole_and_answered_with_its_log_id_only(
    client: Any, name: str
) -> None:
    with capture_logs() as logs:
        answer = await client.ask(name)

    error = answer["error"]
    assert error["code"] == -32603
    assert "1234" not in json.dumps(answer)
    (logged,) = [each for each in logs if each["event"] == "call_failed"]
    assert logged["log_id"] == error["data"]["log_id"]
    assert logged["exc_info"].__traceback__ is not None


async def test_a_bug_s_line_says_which_order_it_was_about(client: Any) -> None:
    with capture_logs() as logs:
        answer = await client.ask("break_order", account="main", key="k-1")

    (logged,) = [each for each in logs if each["event"] == "call_failed"]
    assert logged["log_id"] == answer["error"]["data"]["log_id"]
    assert (logged["account"], logged["key"]) == ("main", "k-1")
    assert logged["method"] == "break_order"
    assert logged["caller"]


async def test_a_change_without_an_id_is_not_carried_out(client: Any, desk: Any) -> None:
    await client.send(
        {"jsonrpc": "2.0", "method": "order.place", "params": place(key="silent")},
    )
    await client.ask("order.place", **place(key="heard"))

    assert desk.begun == ["heard"]


async def test_a_reading_without_an_id_runs_and_says_nothing(client: Any, desk: Any) -> None:
    await client.send({"jsonrpc": "2.0", "method": "ping"})

    assert (await client.ask("ping", 2))["id"] == 2
    assert len(desk.calls) == 2


async def test_the_good_members_of_a_batch_are_carried_out_whatever_the_bad_ones_are(
    client: Any, desk: Any
) -> None:
    await client.send(
        [
            {"jsonrpc": "2.0", "id": 1, "method": "order.place", "params": place(key="a")},
            {"jsonrpc": "2.0", "id": 2, "method": "nowhere"},
            {"jsonrpc": "2.0", "method": "ping"},
            {"jsonrpc": "2.0", "id": 3, "method": "break_down"},
            5,
            {"jsonrpc": "2.0", "id": 4, "method": "order.place", "params": place(key="b")},
        ]
    )

    answers = await client.read()
    assert [each["id"] for each in answers] == [1, 2, 3, None, 4]
    assert ["result" in each for each in answers] == [True, False, False, False, True]
    assert desk.begun == ["a", "b"]


async def test_of_a_batch_that_is_too_large_nothing_is_carried_out(client: Any, desk: Any) -> None:
    one = {"jsonrpc": "2.0", "id": 1, "method": "order.place", "params": place()}

    await client.send([one] * (BATCH_MAX + 1))
    error = (await client.read())["error"]
    await client.send([one] * BATCH_MAX)

    assert error["code"] == Kind.INVALID_REQUEST.code
    assert len(await client.read()) == BATCH_MAX
    assert len(desk.begun) == BATCH_MAX


@pytest.mark.parametrize(
    "sent",
    [b"{", b"\xff\xfe", b"[" * 100_000, b"nul", b'"\\ud800"', b"\xef\xbb\xbf{}", b"9" * 5000],
)
async def test_what_is_no_json_is_a_parse_error_and_the_connection_lives(
    client: Any, sent: bytes
) -> None:
    await client.send(sent + b"\n")

    assert (await client.read())["error"]["data"]["kind"] in ("PARSE", "INVALID_REQUEST")
    assert "result" in await client.ask("ping")


def hear(dispatcher: Dispatcher, caller: Caller, name: str, **params: Any) -> Any:
    """What is answered at once; `started` where it may run (and goes on for ever)."""
    heard: list[Any] = []
    request = {"jsonrpc": "2.0", "id": 1, "method": name, "params": params}
    dispatcher.begin(
        dispatcher.parse(json.dumps(request).encode()),
        Call(caller),
        lambda *_: heard.append("started"),
        lambda answer: heard.append(json.loads(answer or b"null")),
    )
    return heard[0]


@pytest.fixture
def dispatcher(desk: Any) -> Dispatcher:
    return Dispatcher(desk.table())


@pytest.mark.parametrize(
    ("caller", "params", "outcome"),
    [
        (Caller("x", Role.TRADE), place(), "started"),
        (Caller("x", Role.READ), place(), "FORBIDDEN"),
        (Caller("x", Role.READ, {"main": Role.TRADE}), place(), "started"),
        (Caller("x", Role.ADMIN, {"main": Role.READ}), place(), "FORBIDDEN"),
        (Caller("x", Role.NOBODY, {"other": Role.TRADE}), place(), "FORBIDDEN"),
        (Caller("x", Role.NOBODY), place(), "UNAUTHENTICATED"),
    ],
)
def test_a_role_counts_for_the_account_that_is_touched(
    dispatcher: Dispatcher, caller: Caller, params: Any, outcome: str
) -> None:
    heard = hear(dispatcher, caller, "order.place", **params)

    assert (heard if heard == "started" else heard["error"]["data"]["kind"]) == outcome


def test_what_touches_every_account_needs_the_role_at_every_one(dispatcher: Dispatcher) -> None:
    some = Caller("x", Role.READ, {"vip": Role.NOBODY})

    assert hear(dispatcher, some, "hold", n=1)["error"]["data"]["kind"] == "FORBIDDEN"
    assert hear(dispatcher, some, "ping") == "started"


def test_who_may_read_one_account_may_read_what_concerns_none(dispatcher: Dispatcher) -> None:
    assert hear(dispatcher, Caller("x", Role.NOBODY, {"main": Role.READ}), "ping") == "started"


def test_a_refusal_says_what_would_help_and_is_counted_and_logged(dispatcher: Dispatcher) -> None:
    with capture_logs() as logs:
        error = hear(dispatcher, Caller("uid:7 (ravi)", Role.READ), "order.place", **place())[
            "error"
        ]
        stranger = hear(dispatcher, Caller("uid:8", Role.NOBODY), "ping")["error"]

    assert error["message"] == (
        "`order.place` needs the role trade for account `main`, and uid:7 (ravi) has read: "
        "whoever runs this ordod can grant it under [access]"
    )
    assert "[access]" in stranger["message"]
    assert [each["caller"] for each in logs] == ["uid:7 (ravi)", "uid:8"]


def test_a_full_daemon_says_so_but_still_takes_what_is_urgent(dispatcher: Dispatcher) -> None:
    crowd = [Caller(f"uid:{number}", Role.READ) for number in range(5)]
    for each in crowd:
        while hear(dispatcher, each, "hold", n=1) == "started":
            pass

    heard = hear(dispatcher, TRADER, "order.place", **place())

    assert dispatcher.in_flight == IN_FLIGHT_MAX
    assert heard["error"]["data"]["kind"] == "OVERLOADED"
    assert hear(dispatcher, TRADER, "kill") == "started"


def test_one_caller_cannot_fill_the_daemon(dispatcher: Dispatcher) -> None:
    greedy = Caller("uid:7 (ravi)", Role.READ)
    for _ in range(CALLER_IN_FLIGHT_MAX):
        assert hear(dispatcher, greedy, "hold", n=1) == "started"

    refused = hear(dispatcher, greedy, "hold", n=1)["error"]

    assert refused["data"]["kind"] == "OVERLOADED"
    assert refused["message"] == (
        "1024 requests of uid:7 (ravi) are being worked on: wait for their answers"
    )
    assert hear(dispatcher, TRADER, "order.place", **place()) == "started"
    assert hear(dispatcher, greedy, "kill") == "started"


def test_what_is_urgent_is_bounded_too(dispatcher: Dispatcher) -> None:
    taken = 0
    while hear(dispatcher, TRADER, "kill") == "started":
        taken += 1

    assert taken == CALLER_IN_FLIGHT_MAX + URGENT_IN_FLIGHT_MAX


async def test_calls_are_counted_by_method_and_outcome(server: Any, client: Any) -> None:
    await client.ask("ping")
    await client.ask("refuse")
    await client.ask("nowhere")

    calls = server.tally.calls
    assert calls["ping", "ok"] == 1
    assert calls["refuse", "RISK_REFUSED"] == 1
    assert calls["?", "METHOD_NOT_FOUND"] == 1
    assert server.tally.connections == 1


def test_numbers_never_pass_through_floats() -> None:
    message = Dispatcher(()).parse(b"[0.1, 1450.05]")

    assert list(message.members) == [Decimal("0.1"), Decimal("1450.05")]
