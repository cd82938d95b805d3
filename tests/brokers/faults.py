"""Trouble at every change of an order, at any broker: what is answered, how often it was sent, and how it ends.

The brokers stand in `test_faults_*.py`, a few a file: files run side by side.

A real daemon beside the broker's simulator. All the trouble is made first, then everything is waited for at once: to prove
that a thing did not happen takes a horizon and two readings.
"""

import time
from collections.abc import Callable, Iterator
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from ordod.sim.__main__ import FAMILIES
from ordod.sim.process import SimProcess, running
from tests.brokers.accounts import is_told, table
from tests.promises.daemon import Daemon, Refused, until

__all__ = [
    "bench",
    "lost",
    "no_faults",
    "refusals",
    "test_a_lost_answer_is_a_doubt_sent_once_that_ends_as_it_was",
    "test_a_refusal_ends_it_or_is_settled_and_never_sent_again",
    "test_a_session_that_dies_in_mid_call_has_no_effect_and_the_same_key_goes_through",
    "test_no_secret_was_seen_in_any_of_it",
    "test_nothing_of_it_all_was_placed_twice_and_the_journal_is_whole",
    "test_too_many_requests_is_no_effect_and_asked_again",
]

OPERATIONS = ("place", "modify", "cancel")
LOST: dict[str, dict[str, Any]] = {  # how an answer is lost, and what the simulator is asked for
    "lost before": {"kind": "lose_before"},
    "lost after": {"kind": "lose_after"},
    "reset before": {"kind": "reset", "executed": False},
    "reset after": {"kind": "reset"},
    "half an answer": {"kind": "half"},
    "garbage": {"kind": "garbage"},
    "a page of HTML": {"kind": "status", "status": 200},
    "a page of 502": {"kind": "status", "executed": False},
    "a page of 502, done": {"kind": "status"},
    "a success that names nothing": {"kind": "no_order_id"},
    "perhaps": {"kind": "timed_out_400", "executed": False},
    "perhaps, done": {"kind": "timed_out_400"},
}
NOT_DONE = ("lost before", "reset before", "a page of 502", "perhaps")
SURE_NO = ("order", "input", "funds", "closed")
NO_KINDS = ("ORDER_REJECTED", "INSUFFICIENT_FUNDS", "MARKET_CLOSED")
ACCOUNT = "real"
TIMEOUT_MS = (
    1000  # an acknowledged change is waited for at most so long: a lost one is never seen in time
)

WINDOW_S = 75  # FYERS allows 200 requests a minute of all kinds; all the trouble here takes more, and the daemon keeps to it


class Attempt(Struct, kw_only=True):
    """One call of one operation: `ask` again with the same key; `ended` says done, not_done, or "" while that is open."""

    ask: Callable[[], dict[str, Any]]
    ended: Callable[[], str]


class Bench:
    """A daemon with one account at one broker."""

    def __init__(self, broker: str, sim: SimProcess, daemon: Daemon, token: Path) -> None:
        self.broker = broker
        self.sim = sim
        self.daemon = daemon
        self.token = token
        self.scopes = sim.scopes()
        self._keys = (f"k{number}" for number in count(1))
        below = daemon.order("price", account=ACCOUNT)["price"]
        self._prices = (below - number % 20 for number in count(1))

    def attempt(self, operation: str, *, timeout_ms: int = 8000) -> Attempt:
        if operation == "place":
            order = self._order() | {"timeout_ms": timeout_ms}
            return Attempt(
                ask=lambda: self._ask("order.place", **order),
                ended=lambda: {"NOT_PLACED": "not_done", "IN_DOUBT": ""}.get(
                    self.daemon.get(order["key"], ACCOUNT)["status"], "done"
                ),
            )
        order_id = self._ask("order.place", **self._order())["order"]["order_id"]
        self.opened(order_id)
        wanted: dict[str, Any] = {"order_id": order_id, "timeout_ms": timeout_ms}
        if operation == "modify":
            wanted |= {"price": next(self._prices) - 30, "change_key": next(self._keys)}
        return Attempt(
            ask=lambda: self._ask(f"order.{operation}", **wanted),
            ended=lambda: self._ended(order_id, operation),
        )

    def opened(self, order_id: str) -> None:
        until(
            lambda: self.daemon.call("order.get", order_id=order_id)["order"]["status"] == "OPEN",
            WINDOW_S,
        )

    def reached(self) -> None:
        """A read went through: the breaker stays closed, and the broker's windows have room for what follows."""

        def is_answered() -> bool:
            told = self.daemon.call("portfolio.funds", account=ACCOUNT)["accounts"][0]
            return told.get("error") is None

        until(is_answered, WINDOW_S)

    def requests(self, operation: str) -> int:
        """How many of these arrived whole so far."""
        method, prefix = self.scopes[operation]
        return sum(
            seen["method"] == method and seen["path"].startswith(prefix)
            for seen in self.sim.requests()
        )

    def deeds(self, operation: str) -> int:
        return sum(deed["what"] == operation and not deed["error"] for deed in self.sim.deeds())

    def befall(self, operation: str, **fault: Any) -> None:
        method, prefix = self.scopes[operation]
        self.sim.fault(method=method, prefix=prefix, **fault)

    def new_token(self) -> None:
        """Another program of the user's logged in and left its session."""
        scrap = self.token.with_suffix(".new")
        scrap.write_text(self.sim.access_token())
        scrap.chmod(0o600)
        scrap.replace(self.token)
        self.daemon.call("account.login", account=ACCOUNT)
        self.daemon.wait_ready()

    def _ask(self, method: str, **wanted: Any) -> dict[str, Any]:
        """As a bot does: the daemon keeps the broker's windows, sends nothing beyond them, and says when to ask again."""
        while True:
            try:
                return dict(self.daemon.call(method, **wanted))
            except Refused as error:
                if error.kind != "RATE_LIMITED":
                    raise
                time.sleep(error.data["retry_after_ms"] / 1000)

    def _order(self) -> dict[str, Any]:
        return self.daemon.order(next(self._keys), account=ACCOUNT, price=next(self._prices))

    def _ended(self, order_id: str, operation: str) -> str:
        records = self.daemon.call("order.history", order_id=order_id)["records"]
        change = next(r["id"] for r in records if r["type"] == operation)
        ends = [r["outcome"] for r in records if r["type"] == "settled" and r["id"] == change]
        return str(ends[-1]) if ends else ""


class Lost(Struct, kw_only=True):
    """What became of an attempt whose answer was lost."""

    told: str
    sent: int
    was_done: bool
    ended: str = ""


class Refusal(Struct, kw_only=True):
    """What became of an attempt that the broker refused: `error`, or, where that no is not a sure one, how it `ended`."""

    error: Refused | None
    sent: int
    was_done: bool
    ended: str = ""


@pytest.fixture(scope="module")
def bench(
    request: pytest.FixtureRequest,
    make: Callable[..., Daemon],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bench]:
    broker = request.param
    token = tmp_path_factory.mktemp("token") / "token"
    with running("--no-limits", "--seed", "7", broker=broker) as sim:
        daemon = make(table(ACCOUNT, broker, sim, token)).ready()
        yield Bench(broker, sim, daemon, token)
        daemon.stop()


@pytest.fixture(autouse=True)
def no_faults(bench: Bench) -> Iterator[None]:
    yield
    bench.sim.call("DELETE", "faults")


@pytest.fixture(scope="module")
def lost(bench: Bench) -> dict[tuple[str, str], Lost]:
    """Every operation with every way to lose its answer, to the end."""
    attempts, outcomes = {}, {}
    for operation, how in product(OPERATIONS, LOST):
        attempt = bench.attempt(operation, timeout_ms=TIMEOUT_MS)
        requests, deeds = bench.requests(operation), bench.deeds(operation)
        bench.befall(operation, **LOST[how])
        told = attempt.ask()
        bench.reached()
        outcomes[operation, how] = Lost(
            told=told["order"]["status"] if operation == "place" else told["change"],
            sent=bench.requests(operation) - requests,
            was_done=bench.deeds(operation) > deeds,
        )
        attempts[operation, how] = attempt
    for name, attempt in attempts.items():
        until(lambda attempt=attempt: attempt.ended(), 40 + WINDOW_S)
        outcomes[name].ended = attempt.ended()
    return outcomes


@pytest.mark.parametrize(("operation", "how"), list(product(OPERATIONS, LOST)))
def test_a_lost_answer_is_a_doubt_sent_once_that_ends_as_it_was(
    lost: dict[tuple[str, str], Lost], operation: str, how: str
) -> None:
    outcome = lost[operation, how]

    assert outcome.was_done == (how not in NOT_DONE)
    if outcome.was_done:  # its row may be seen before the answer is due
        assert outcome.told in ("IN_DOUBT", "in_doubt", "OPEN", "done")
    else:
        assert outcome.told in ("IN_DOUBT", "in_doubt")
    assert outcome.sent == 1
    assert outcome.ended == ("done" if outcome.was_done else "not_done")


@pytest.fixture(scope="module")
def refusals(bench: Bench) -> dict[tuple[str, str], Refusal]:
    """Every operation refused for every reason, to the end."""
    attempts, outcomes = {}, {}
    for operation, reason in product(OPERATIONS, SURE_NO):
        attempt = bench.attempt(operation, timeout_ms=TIMEOUT_MS)
        requests, deeds = bench.requests(operation), bench.deeds(operation)
        bench.befall(operation, kind="reject", reason=reason)
        error: Refused | None = None
        try:
            attempt.ask()
        except Refused as refused:
            error = refused
        else:
            attempts[operation, reason] = attempt
        bench.reached()
        outcomes[operation, reason] = Refusal(
            error=error,
            sent=bench.requests(operation) - requests,
            was_done=bench.deeds(operation) > deeds,
        )
    for name, attempt in attempts.items():
        until(lambda attempt=attempt: attempt.ended(), 30 + WINDOW_S)
        outcomes[name].ended = attempt.ended()
    return outcomes


@pytest.mark.parametrize(("operation", "reason"), list(product(OPERATIONS, SURE_NO)))
def test_a_refusal_ends_it_or_is_settled_and_never_sent_again(
    refusals: dict[tuple[str, str], Refusal], operation: str, reason: str
) -> None:
    refusal = refusals[operation, reason]

    assert refusal.error is not None or reason != "order"  # the plainest no is a sure one
    if refusal.error is not None:
        assert (refusal.error.kind in NO_KINDS, refusal.error.retry) == (True, "new_key")
        assert refusal.error.data["broker_message"]
    else:
        assert refusal.ended == "not_done"
    assert refusal.sent == 1
    assert not refusal.was_done


@pytest.mark.parametrize("operation", OPERATIONS)
def test_too_many_requests_is_no_effect_and_asked_again(bench: Bench, operation: str) -> None:
    attempt = bench.attempt(operation)
    requests, deeds = bench.requests(operation), bench.deeds(operation)
    bench.befall(operation, kind="reject", reason="limit")

    attempt.ask()

    assert bench.requests(operation) == requests + 2
    assert bench.deeds(operation) == deeds + 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_session_that_dies_in_mid_call_has_no_effect_and_the_same_key_goes_through(
    bench: Bench, operation: str
) -> None:
    attempt = bench.attempt(operation, timeout_ms=TIMEOUT_MS)
    deeds = bench.deeds(operation)
    bench.befall(operation, kind="dead_session")

    with pytest.raises(Refused) as refused:
        attempt.ask()
    bench.new_token()
    attempt.ask()

    # Where a ready-made token costs a login (XTS' second API has keys of its own), the third spends the budget.
    is_spent = "logins in" in str(refused.value)
    may_spend = FAMILIES.get(bench.broker) == "xts"
    kind = "AUTH_DENIED" if is_spent and may_spend else "SESSION_REQUIRED"
    assert (refused.value.kind, refused.value.retry) == (kind, "same_key")
    until(lambda: bench.deeds(operation) == deeds + 1)


def test_nothing_of_it_all_was_placed_twice_and_the_journal_is_whole(
    bench: Bench, lost: dict[tuple[str, str], Lost]
) -> None:
    tags = [made["tag"] for made in bench.sim.placements() if made["tag"]]

    assert len(tags) > len(LOST)
    assert len(set(tags)) == len(tags)
    assert bench.daemon.verified().is_good


def test_no_secret_was_seen_in_any_of_it(bench: Bench, lost: dict[tuple[str, str], Lost]) -> None:
    told = [bench.daemon.log.read_text()]
    told += [file.read_text() for file in (bench.daemon.state / "journal").glob("*.ndjson")]
    told += [
        str(bench.daemon.call(method))
        for method in ("system.status", "system.config", "account.list", "order.list")
    ]
    secrets = bench.sim.secrets()

    assert len(secrets) > 3
    for secret in secrets:
        assert not any(is_told(secret, text) for text in told)
