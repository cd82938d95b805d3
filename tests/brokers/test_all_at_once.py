"""One call over five brokers: one is down, one has a dead session, one rejects, one is slow, one is well."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.__main__ import BROKERS
from ordod.sim.process import SimProcess, running
from tests.brokers.accounts import table
from tests.promises.daemon import Daemon

ROLES = ("well", "down", "dead", "rejects", "slow")
SLOW_S = 2.0


@pytest.fixture
def roles() -> dict[str, str]:
    """Role -> broker."""
    return dict(zip(ROLES, BROKERS, strict=False))


@pytest.fixture
def sims(roles: dict[str, str]) -> Iterator[dict[str, SimProcess]]:
    with ExitStack() as stack:
        yield {
            role: stack.enter_context(running("--no-limits", "--seed", "7", broker=broker))
            for role, broker in roles.items()
        }


def test_five_brokers_give_five_truthful_results_and_nobody_waits_for_another(
    make: Callable[..., Daemon],
    roles: dict[str, str],
    sims: dict[str, SimProcess],
    tmp_path: Path,
) -> None:
    assert len(roles) == len(ROLES)
    tables = [table(role, roles[role], sims[role], tmp_path / role) for role in ROLES]
    daemon = make("\n".join(tables)).ready()
    order: dict[str, Any] = daemon.order("everywhere", account="well")
    del order["account"]
    sims["down"].process.terminate()
    sims["down"].process.wait()
    sims["dead"].call("POST", "end_sessions", {})
    method, prefix = sims["rejects"].scopes()["place"]
    sims["rejects"].fault("reject", method, prefix, reason="order")
    method, prefix = sims["slow"].scopes()["place"]
    sims["slow"].fault("delay", method, prefix, seconds=SLOW_S)

    told = daemon.call("order.place", accounts=list(ROLES), **order, timeout_ms=6000)["results"]

    assert [result["account"] for result in told] == list(ROLES)
    by_role = {result["account"]: result for result in told}
    for role in ("well", "slow"):
        assert by_role[role]["order"]["status"] in ("PENDING", "OPEN")
        assert len(sims[role].placements()) == 1
    errors = {role: by_role[role]["error"]["data"] for role in ("down", "dead", "rejects")}
    assert (errors["down"]["kind"], errors["down"]["retry"]) == ("BROKER_UNAVAILABLE", "same_key")
    assert (errors["dead"]["kind"], errors["dead"]["retry"]) == ("SESSION_REQUIRED", "same_key")
    assert (errors["rejects"]["kind"], errors["rejects"]["retry"]) == ("ORDER_REJECTED", "new_key")
    assert sims["dead"].placements() == sims["rejects"].placements() == []
    took = {role: _took_s(daemon, role) for role in ("well", "rejects", "slow")}
    assert took["slow"] >= SLOW_S
    assert max(took["well"], took["rejects"]) < SLOW_S


def _took_s(daemon: Daemon, account: str) -> float:
    """From the intent of this account's order to the broker's answer, by the journal; what it pushed may have come before."""
    intent = next(r for r in daemon.records("intent") if r["account"] == account)
    answers = ("accepted", "rejected")
    ends = [r for r in daemon.journal() if r.get("id") == intent["id"] and r["type"] in answers]
    begun, ended = (datetime.fromisoformat(r["at"]) for r in (intent, ends[0]))
    return (ended - begun).total_seconds()
