"""The blocking client: what is sent again, what is told, and when it is given up."""

import inspect
import threading
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ordoctl import CallError, Client, NoDaemon, NotAllowed, Refused, TryAgain, requests
from ordoctl.models import Order
from ordoctl.namespaces import AsyncGroups, Groups
from tests.ordoctl.scripted import (
    HANG_UP,
    SILENCE,
    Action,
    Fail,
    HangUp,
    Line,
    Pause,
    ScriptedDaemon,
    far,
    order,
)

AT = "2026-11-23T09:15:00+05:30"
PLACED = {"order": order(), "replayed": False}


def place(client: Client, key: str | None = "k1") -> Order:
    return client.order.place(
        "main", "NSE:INFY", "BUY", 10, "LIMIT", "CNC", price=Decimal("1450.05"), key=key
    )


def test_an_order_is_returned_with_exact_money_and_aware_times(daemon: ScriptedDaemon) -> None:
    daemon.on("order.place", PLACED)

    with Client(daemon.path) as client:
        placed = place(client)

    assert placed.price == Decimal("1450.05")
    assert placed.placed_at == datetime.fromisoformat("2026-11-23T09:15:00.123456+05:30")
    assert placed.is_live
    assert not placed.replayed
    assert daemon.calls("order.place") == [
        {
            "account": "main",
            "key": "k1",
            "symbol": "NSE:INFY",
            "side": "BUY",
            "quantity": 10,
            "type": "LIMIT",
            "product": "CNC",
            "price": "1450.05",
        }
    ]


def test_progress_is_told_and_puts_the_timeout_off(daemon: ScriptedDaemon) -> None:
    """Three parts, each of more than half the client's time."""

    def parts(said: dict[str, Any]) -> list[Action]:
        word = said["params"]["progress"]
        steps: list[list[Action]] = [[Pause(0.6), far(word, done)] for done in (1, 2, 3)]
        return [action for step in steps for action in step] + [{"candles": []}]

    daemon.on("market.candles", parts)
    told: list[tuple[int, int]] = []

    with Client(daemon.path, timeout=1.2) as client:
        found = client.market.candles(
            "NSE:INFY", "1m", AT, AT, progress=lambda done, of: told.append((done, of))
        )

    assert found == ()
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_progress_of_a_call_that_did_not_ask_is_nothing(daemon: ScriptedDaemon) -> None:
    daemon.on(
        "market.candles",
        [far("another", 1), Line(b'{"method":"progress","params":7}\n'), {"candles": []}],
    )

    def told_of_another(done: int, of: int) -> None:
        raise AssertionError(f"{done} of {of}")

    with Client(daemon.path) as client:
        assert client.market.candles("NSE:INFY", "1m", AT, AT, progress=told_of_another) == ()


def test_a_replayed_order_says_so(daemon: ScriptedDaemon) -> None:
    daemon.on("order.place", {"order": order(), "replayed": True})

    with Client(daemon.path) as client:
        placed = place(client)

    assert placed.replayed


def test_a_key_is_made_where_none_is_given_and_differs_each_time(daemon: ScriptedDaemon) -> None:
    daemon.on("order.place", PLACED)

    with Client(daemon.path) as client:
        place(client, None)
        place(client, None)

    first, second = (call["key"] for call in daemon.calls("order.place"))
    assert first != second
    assert len(first) == 26


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1003, "OVERLOADED"),
        (1102, "SESSION_REQUIRED"),
        (1206, "TOO_LATE"),
        (1301, "RATE_LIMITED"),
        (1302, "BROKER_UNAVAILABLE"),
    ],
)
def test_the_same_key_is_sent_again_after(daemon: ScriptedDaemon, code: int, kind: str) -> None:
    daemon.on("order.place", Fail(code, kind, retry="same_key", retry_after_ms=1), PLACED)

    with Client(daemon.path) as client:
        placed = place(client, None)

    keys = [call["key"] for call in daemon.calls("order.place")]
    assert placed.status == "OPEN"
    assert len(keys) == 2
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    ("code", "kind", "error"),
    [
        (-32602, "INVALID_PARAMS", Refused),
        (-32603, "INTERNAL", TryAgain),
        (1001, "UNAUTHENTICATED", NotAllowed),
        (1002, "FORBIDDEN", NotAllowed),
        (1101, "UNKNOWN_ACCOUNT", Refused),
        (1103, "AUTH_DENIED", Refused),
        (1104, "UNSUPPORTED", Refused),
        (1201, "KILLED", Refused),
        (1202, "RISK_REFUSED", Refused),
        (1203, "KEY_REUSED", Refused),
        (1204, "ORDER_REJECTED", Refused),
        (1205, "INSUFFICIENT_FUNDS", Refused),
        (1207, "ORDER_IN_DOUBT", TryAgain),
        (1208, "UNKNOWN_ORDER", Refused),
        (1209, "UNKNOWN_INSTRUMENT", Refused),
        (1210, "MARKET_CLOSED", Refused),
        (1303, "BROKER_ERROR", TryAgain),
        (1401, "JOURNAL_FAILED", TryAgain),
        (1999, "OF_A_NEWER_DAEMON", Refused),
    ],
)
def test_every_other_error_goes_to_the_caller_at_once(
    daemon: ScriptedDaemon, code: int, kind: str, error: type[CallError]
) -> None:
    daemon.on("order.place", Fail(code, kind, "the words", retry="new_key"))

    with Client(daemon.path) as client, pytest.raises(error) as raised:
        place(client)

    assert type(raised.value) is error
    assert raised.value.kind == kind
    assert raised.value.message == "the words"
    assert raised.value.retry == "new_key"
    assert raised.value.data["key"] == "k1"
    assert len(daemon.received) == 1


def test_an_impatient_client_tells_at_once_what_may_be_tried_again(daemon: ScriptedDaemon) -> None:
    daemon.on("order.place", Fail(1102, "SESSION_REQUIRED", retry="same_key"))

    with Client(daemon.path, patient=False) as client, pytest.raises(TryAgain) as raised:
        place(client)

    assert raised.value.kind == "SESSION_REQUIRED"
    assert not raised.value.may_have_happened
    assert len(daemon.received) == 1


def test_a_connection_lost_in_mid_call_is_followed_by_the_same_key(daemon: ScriptedDaemon) -> None:
    daemon.on("order.place", HANG_UP, {"order": order(), "replayed": True})

    with Client(daemon.path) as client:
        placed = place(client, None)

    first, second = daemon.calls("order.place")
    assert first == second
    assert placed.replayed
    assert daemon.connections == 2


def test_half_an_answer_is_a_lost_connection(daemon: ScriptedDaemon) -> None:
    daemon.on("order.place", [Line(b'{"jsonrpc":"2.0","id":1,"resu'), HANG_UP], PLACED)

    with Client(daemon.path) as client:
        placed = place(client)

    assert placed.order_id == "o1"
    assert len(daemon.received) == 2


def test_a_daemon_that_restarts_is_waited_for(daemon: ScriptedDaemon) -> None:
    daemon.on("system.ping", {})
    daemon.on("order.place", PLACED)

    with Client(daemon.path) as client:
        client.system.ping()
        daemon.stop()
        again = threading.Timer(0.1, daemon.start)
        again.start()
        placed = place(client)
        again.join()

    assert placed.order_id == "o1"
    assert len(daemon.calls("order.place")) == 1


def test_the_wait_the_daemon_asks_for_is_kept_and_not_begun_when_too_long(
    daemon: ScriptedDaemon,
) -> None:
    daemon.on("order.place", Fail(1301, "RATE_LIMITED", retry="same_key", retry_after_ms=60_000))

    with Client(daemon.path, timeout=5) as client, pytest.raises(TryAgain) as raised:
        place(client)

    assert raised.value.kind == "RATE_LIMITED"
    assert len(daemon.received) == 1


def test_silence_until_the_timeout_is_told_as_may_have_happened_with_the_key(
    daemon: ScriptedDaemon,
) -> None:
    daemon.on("order.place", SILENCE)

    with Client(daemon.path, timeout=0.1) as client, pytest.raises(TryAgain) as raised:
        place(client, None)

    assert raised.value.may_have_happened
    assert raised.value.data["key"] == daemon.calls("order.place")[0]["key"]


def test_a_daemon_that_dies_in_mid_call_and_stays_dead_is_told_as_may_have_happened(
    daemon: ScriptedDaemon,
) -> None:
    def die(_said: object) -> HangUp:
        daemon.stop()
        return HANG_UP

    daemon.on("order.place", die)

    with Client(daemon.path, timeout=0.2) as client, pytest.raises(TryAgain) as raised:
        place(client)

    assert raised.value.may_have_happened


def test_the_daemon_is_asked_to_answer_before_the_caller_goes(daemon: ScriptedDaemon) -> None:
    daemon.on("order.place", PLACED)

    with Client(daemon.path, timeout=2) as client:
        place(client)

    assert 1_000 < daemon.calls("order.place")[0]["timeout_ms"] < 2_000


def test_no_socket_and_no_listener_are_no_daemon_at_once(tmp_path: Path) -> None:
    with Client(tmp_path / "none.sock") as client, pytest.raises(NoDaemon, match="no such socket"):
        place(client)

    (tmp_path / "file.sock").touch()
    with Client(tmp_path / "file.sock") as client, pytest.raises(NoDaemon, match="nobody listens"):
        place(client)


@pytest.mark.parametrize("method", sorted(requests.ONCE))
def test_what_must_not_be_done_twice_is_not_sent_again_after_a_lost_connection(
    daemon: ScriptedDaemon, method: str
) -> None:
    daemon.on(method, HANG_UP, {})

    with Client(daemon.path) as client, pytest.raises(TryAgain) as raised:
        client.call(method)

    assert raised.value.may_have_happened
    assert len(daemon.received) == 1


def test_an_idle_connection_that_ended_is_not_mistaken_for_a_lost_call(
    daemon: ScriptedDaemon,
) -> None:
    daemon.on("system.ping", {})
    daemon.on("system.shutdown", {"state": "stopping"})

    with Client(daemon.path) as client:
        client.system.ping()
        daemon.stop()
        daemon.start()
        answer = client.system.shutdown()

    assert answer == {"state": "stopping"}


def test_a_late_answer_is_not_taken_for_the_next_calls(daemon: ScriptedDaemon) -> None:
    late = threading.Event()
    daemon.on(
        "order.get",
        SILENCE,
        lambda said: (
            [Line(b'{"jsonrpc":"2.0","id":1,"result":{"order":{}}}\n'), {"order": order()}]
            if late.is_set()
            else {"order": order(order_id="o2")}
        ),
    )

    with Client(daemon.path, timeout=0.1) as client:
        with pytest.raises(TryAgain):
            client.order.get("o1")
        found = client.order.get("o2")

    assert found.order_id == "o2"
    assert daemon.connections == 2


def test_a_slow_call_of_one_thread_holds_up_no_other(daemon: ScriptedDaemon) -> None:
    placing, killed = threading.Event(), threading.Event()

    def slow(_said: object) -> dict[str, object]:
        placing.set()
        killed.wait(5)
        return PLACED

    daemon.on("order.place", slow)
    daemon.on("kill.engage", {"durable": True, "cancelled": 0, "failed": [], "exposed": []})

    with Client(daemon.path) as client:
        thread = threading.Thread(target=place, args=(client,))
        thread.start()
        placing.wait(5)
        answer = client.kill.engage(reason="test")
        killed.set()
        thread.join()

    assert answer.durable


def test_a_result_that_is_not_what_the_wire_says_tells_that_it_may_have_happened(
    daemon: ScriptedDaemon,
) -> None:
    daemon.on("order.place", {"order": {"status": 7}})

    with Client(daemon.path) as client, pytest.raises(TryAgain) as raised:
        place(client)

    assert raised.value.kind == "UNREADABLE"
    assert raised.value.may_have_happened
    assert raised.value.data["key"] == "k1"


def test_words_and_fields_of_a_newer_daemon_break_nothing(daemon: ScriptedDaemon) -> None:
    daemon.on("order.place", {"order": order(status="PARKED", mood="good"), "more": 1})

    with Client(daemon.path) as client:
        placed = place(client)

    assert placed.status == "PARKED"


def test_several_accounts_answer_each_for_itself(daemon: ScriptedDaemon) -> None:
    error = {"code": 1201, "message": "killed", "data": {"kind": "KILLED", "retry": "same_key"}}
    daemon.on(
        "order.place",
        {
            "results": [
                {"account": "a", "order": order(), "replayed": False},
                {"account": "b", "error": error},
            ]
        },
    )

    with Client(daemon.path) as client:
        first, second = client.order.place_at(
            ["a", "b"], "NSE:INFY", "BUY", 10, "MARKET", "CNC", key="k1"
        )

    assert first.order is not None
    assert second.error is not None
    assert second.error.data["kind"] == "KILLED"
    assert daemon.calls("order.place")[0]["accounts"] == ["a", "b"]
    assert "account" not in daemon.calls("order.place")[0]


def test_any_method_can_be_called_by_its_name(daemon: ScriptedDaemon) -> None:
    daemon.on("of.tomorrow", {"price": 1.10})

    with Client(daemon.path) as client:
        answer = client.call("of.tomorrow", depth=3)

    assert answer == {"price": Decimal("1.10")}
    assert daemon.calls("of.tomorrow") == [{"depth": 3}]


def test_both_clients_have_every_method() -> None:
    made = {
        name
        for name, member in vars(requests).items()
        if inspect.isfunction(member)
        and "Request[" in str(inspect.signature(member).return_annotation)
    }

    for groups in (Groups, AsyncGroups):
        bound = [
            member.__wrapped__.__name__
            for methods in inspect.get_annotations(groups).values()
            for member in vars(methods).values()
            if hasattr(member, "__wrapped__")
        ]
        assert sorted([*bound, "call"]) == sorted(made)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    line=st.binary(max_size=200)
    | st.text(max_size=50).map(lambda text: b'{"id":1,"result":' + text.encode() + b"}")
)
def test_whatever_comes_back_is_a_call_error(daemon: ScriptedDaemon, line: bytes) -> None:
    daemon.on("order.place", [Line(line + b"\n"), HANG_UP])

    with Client(daemon.path, timeout=0.03) as client, pytest.raises(CallError):
        place(client)


def test_a_contract_comes_with_what_every_broker_has_of_it(daemon: ScriptedDaemon) -> None:
    row = {"symbol": "NSE:INFY", "exchange": "NSE", "kind": "EQ", "lot_size": 1, "tick_size": 0.05}
    listings = [
        {
            "broker": "zerodha",
            "accounts": ["kite"],
            "loaded_on": "2026-11-23",
            "instruments": [row],
        },
        {"broker": "dhan", "accounts": ["d"], "loaded_on": None, "instruments": []},
    ]
    differs = [{"field": "tick_size", "values": {"zerodha": "0.05", "dhan": "0.1"}}]
    daemon.on("instrument.get", {"instrument": row, "brokers": listings, "disagreements": differs})

    with Client(daemon.path) as client:
        contract = client.instrument.get("NSE:INFY")

    assert (contract.symbol, contract.tick_size) == ("NSE:INFY", Decimal("0.05"))
    assert [(one.broker, len(one.instruments)) for one in contract.brokers] == [
        ("zerodha", 1),
        ("dhan", 0),
    ]
    assert contract.disagreements[0].values == {"zerodha": "0.05", "dhan": "0.1"}
