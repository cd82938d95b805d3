"""Every kind of error is one that a daemon answers: here, or in the test that is named beside it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ordod.errors import Kind
from ordod.manual.errors import EXAMPLES
from tests.acceptance.daemon import ERRORS, Client, Daemon, running
from tests.documents.reading import ROOT

ACCOUNTS = """
[accounts.paper]
broker = "paper"
[accounts.poor]
broker = "paper"
cash = "10"
[accounts.away]
broker = "paper"
[risk.strategies.small]
max_quantity = 5
"""
# What takes another user, a broker that misbehaves, a dead disk or a bug: who has it, and where that is tested.
ELSEWHERE = {
    "INTERNAL": (
        "tests/wire/test_dispatch.py",
        "test_a_bug_is_logged_whole_and_answered_with_its_log_id_only",
    ),
    "UNAUTHENTICATED": (
        "tests/acceptance/test_roles.py",
        "test_a_stranger_is_told_once_what_would_help_and_is_hung_up_on",
    ),
    "FORBIDDEN": (
        "tests/acceptance/test_roles.py",
        "test_a_refusal_says_what_is_needed_and_who_can_help",
    ),
    "SESSION_REQUIRED": ("tests/promises/test_p8_sessions.py", '"SESSION_REQUIRED", "same_key"'),
    "TOO_LATE": (
        "tests/promises/test_p3_the_truth.py",
        "test_a_deadline_that_passes_in_the_queue_sends_nothing_and_leaves_the_key_free",
    ),
    "ORDER_IN_DOUBT": ("tests/core/test_changes.py", "Kind.ORDER_IN_DOUBT"),
    "MARKET_CLOSED": ("tests/promises/test_p3_the_truth.py", '"closed": "MARKET_CLOSED"'),
    "RATE_LIMITED": (
        "tests/acceptance/test_zerodha.py",
        "test_an_order_that_would_wait_too_long_for_its_slot_says_when_one_is_free",
    ),
    "BROKER_UNAVAILABLE": (
        "tests/promises/test_p3_the_truth.py",
        "test_no_connection_to_the_broker_is_broker_unavailable_and_nothing_is_sent",
    ),
    "BROKER_ERROR": ("tests/service/test_system.py", '"BROKER_ERROR"'),
    "JOURNAL_FAILED": (
        "tests/promises/test_p1_intent_before_bytes.py",
        "test_an_intent_whose_sync_fails_is_journal_failed_and_nothing_is_sent",
    ),
}
BUY = {
    "account": "paper",
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 10,
    "type": "MARKET",
    "product": "CNC",
}


def _order(client: Client, key: str, **other: Any) -> Any:
    return client.refused("order.place", **{**BUY, "key": key, **other})


def _raw(client: Client, line: bytes) -> Any:
    client.send_bytes(line + b"\n")
    return client.read()["error"]


def _reused(client: Client) -> Any:
    client.ask("order.place", **BUY, key="monday-1")
    return _order(client, "monday-1", quantity=20)


def _filled(client: Client) -> Any:
    client.ask("order.place", **BUY, key="tuesday-1")
    client.ask("order.get", account="paper", key="tuesday-1", wait_ms=30_000)
    return client.refused("order.cancel", account="paper", key="tuesday-1")


def _killed(client: Client) -> Any:
    client.ask("kill.engage", reason="an example")
    try:
        return _order(client, "killed")
    finally:
        client.ask("kill.release", reason="over")


def _logged_out(client: Client) -> Any:
    client.ask("account.logout", account="away")
    return _order(client, "away", account="away")


def _full(client: Client) -> Any:
    for _ in range(64):
        client.ask("events.subscribe", topics=["system"])
    return client.refused("events.subscribe", topics=["system"])


PROVOKED: dict[Kind, Callable[[Client], Any]] = {
    Kind.PARSE: lambda client: _raw(client, b'{"jsonrpc": "2.0", "id": 1,'),
    Kind.INVALID_REQUEST: lambda client: _raw(client, b'{"jsonrpc": "1.0", "id": 1}'),
    Kind.METHOD_NOT_FOUND: lambda client: client.refused("order.palce"),
    Kind.INVALID_PARAMS: lambda client: _order(client, "lots", quantity="ten"),
    Kind.OVERLOADED: _full,
    Kind.UNKNOWN_ACCOUNT: lambda client: _order(client, "who", account="papr"),
    Kind.AUTH_DENIED: _logged_out,
    Kind.UNSUPPORTED: lambda client: _order(client, "index", symbol="NSE_INDEX:NIFTY"),
    Kind.KILLED: _killed,
    Kind.RISK_REFUSED: lambda client: _order(client, "risky", strategy="small"),
    Kind.KEY_REUSED: _reused,
    Kind.ORDER_REJECTED: lambda client: _filled(client),
    Kind.INSUFFICIENT_FUNDS: lambda client: _order(client, "dear", account="poor"),
    Kind.UNKNOWN_ORDER: lambda client: client.refused(
        "order.get", account="paper", key="never-was"
    ),
    Kind.UNKNOWN_INSTRUMENT: lambda client: _order(client, "typo", symbol="NSE:INFYY"),
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("errors") / "ordod", ACCOUNTS) as started:
        yield started


@pytest.mark.parametrize("kind", PROVOKED, ids=lambda kind: kind.name)
def test_a_daemon_says_what_the_page_shows(kind: Kind, daemon: Daemon) -> None:
    with daemon.connect() as client:
        error = PROVOKED[kind](client)

    assert error["data"]["kind"] == kind.name
    assert _plain(error["message"]) == _plain(EXAMPLES[kind])


def _plain(message: str) -> str:
    """Without what is another each time: ids, and prices that move."""
    return re.sub(r"o[0-9a-f]{20,}", "ORDER", re.sub(r"\d+\.\d\d rupees", "RUPEES", message))


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_kind_that_is_not_provoked_here_is_tested_where_it_is_said_to_be(name: str) -> None:
    file, words = ELSEWHERE[name]

    assert words in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in ELSEWHERE if Kind[name] in EXAMPLES])
def test_an_example_that_is_not_provoked_here_has_the_words_of_the_code(name: str) -> None:
    words = EXAMPLES[Kind[name]].split()
    code = " ".join(file.read_text() for file in (ROOT / "ordod/core").rglob("*.py"))

    assert any(" ".join(words[at : at + 5]) in code for at in range(len(words) - 4))


def test_every_kind_is_provoked_or_tested_elsewhere_and_means_what_the_contract_says() -> None:
    assert {kind.name for kind in Kind} == {kind.name for kind in PROVOKED} | set(ELSEWHERE)
    assert {kind.name: (kind.code, kind.retry) for kind in Kind} == dict(ERRORS)


def test_no_kind_is_explained_without_words() -> None:
    for kind in Kind:
        assert kind.means.endswith("."), kind
        assert kind.advice.endswith("."), kind
