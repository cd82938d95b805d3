"""What a scrape tells, read by Prometheus' own parser."""

import re
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ordod.adapter import Window
from ordod.core.orders.latency import STAGES
from ordod.machine import Machine
from ordod.metrics import families, scrape
from ordod.service.methods import Caller, Role
from ordod.wire.dispatch import Tally
from tests.core.world import (
    VIRTUAL,
    account,
    answers,
    late,
    lost_after,
    lost_before,
    running_world,
    unsent,
    with_spec,
)
from tests.service.calling import PLACE, client

DOCUMENT = Path(__file__).parent.parent / "docs" / "metrics.md"
READER = Caller("reader", Role.READ)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


async def text(world: Any, caller: Caller = READER, tally: Tally | None = None) -> str:
    told = await scrape(world.parts, caller, tally or Tally(), Machine(Path("/")))
    return told.decode()


async def read(world: Any, caller: Caller = READER, tally: Tally | None = None) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(await text(world, caller, tally))
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


# Orders


async def test_orders_are_counted_by_what_became_of_them() -> None:
    async with running_world() as world:
        call = client(world)
        before = await read(world)

        await call("order.place", **PLACE, key="good")
        world.line().script(answers(400, "ORDER_REJECTED"))
        await call.refused("order.place", **PLACE, key="rejected")
        world.line().script(unsent)
        await call.refused("order.place", **PLACE, key="unsent", timeout_ms=600)
        await call.refused("order.place", **PLACE | {"symbol": "NSE:NOSUCH"}, key="refused")
        world.line().script(lost_after)
        await call("order.place", **PLACE, key="doubt", timeout_ms=60_000)
        await anyio.sleep(30)

        def orders(samples: Samples) -> dict[str, float]:
            return {
                dict(labels)["outcome"]: count
                for (name, labels), count in samples.items()
                if name == "ordod_orders_total"
            }

        outcomes = ("accepted", "rejected", "unsent", "in_doubt", "refused")
        assert orders(before) == dict.fromkeys(outcomes, 0)
        assert orders(await read(world)) == dict.fromkeys(outcomes, 1)
        settled = await read(world)
        assert value(settled, "ordod_doubts_settled_total", account="paper", outcome="placed") == 1


async def test_each_stage_of_an_order_is_timed_and_together_they_are_the_whole() -> None:
    async with running_world(account(), account("second")) as world:
        call = client(world)
        world.line().script(lost_before)
        world.disk.latency = lambda: 0.25

        await call("order.place", **PLACE, key="slow", timeout_ms=60_000)
        await call("order.place", **PLACE, key="quick")

        seen = await read(world)
        sums = {
            stage: value(seen, "ordod_order_stage_seconds_sum", account="paper", stage=stage)
            for stage in STAGES
        }
        counts = {
            value(seen, "ordod_order_stage_seconds_count", account="paper", stage=stage)
            for stage in STAGES
        }
        whole = value(seen, "ordod_order_seconds_sum", account="paper")
        assert counts == {2}
        assert sum(sums.values()) == pytest.approx(whole)
        assert sums["broker"] == pytest.approx(7)
        assert sums["intent_sync"] >= 0.5
        assert sums["outcome_sync"] >= 0.5
        assert value(seen, "ordod_order_seconds_count", account="second") == 0
        assert value(seen, "ordod_order_seconds_bucket", account="paper", le="10.0") == 2
        assert value(seen, "ordod_order_seconds_bucket", account="paper", le="5.0") == 1


async def test_an_order_that_was_never_handed_over_counts_in_no_stage_at_the_broker() -> None:
    async with running_world() as world:
        world.line().script(unsent)

        await client(world).refused("order.place", **PLACE, key="k1", timeout_ms=600)

        seen = await read(world)
        labels = {"account": "paper"}
        assert value(seen, "ordod_order_stage_seconds_count", **labels, stage="intent_sync") == 1
        assert value(seen, "ordod_order_stage_seconds_count", **labels, stage="slot") == 0
        assert value(seen, "ordod_order_stage_seconds_count", **labels, stage="broker") == 0


async def test_changes_are_counted_by_operation() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", **PLACE, key="k1")
        await call("order.modify", account="paper", key="k1", price="1201")
        world.line().script(answers(400, "ORDER_REJECTED"))
        await call.refused("order.cancel", account="paper", key="k1")

        seen = await read(world)
        labels = {"account": "paper", "broker": "paper"}
        made, refused = (
            value(seen, "ordod_changes_total", **labels, operation=operation, outcome=outcome)
            for operation, outcome in (("modify", "accepted"), ("cancel", "rejected"))
        )
        assert (made, refused) == (1, 1)


async def test_doubts_and_the_age_of_the_oldest_are_seen() -> None:
    async with running_world() as world:
        world.line().script(lost_before)
        await client(world)("order.place", key="k1", **PLACE, timeout_ms=60_000)
        await anyio.sleep(50)

        seen = await read(world)

        assert value(seen, "ordod_doubts_open", account="paper") == 1
        assert 50 <= value(seen, "ordod_doubt_oldest_age_seconds", account="paper") < 60


async def test_what_was_replayed_is_not_counted_again() -> None:
    async with running_world() as world:
        await client(world)("order.place", **PLACE, key="k1")
    async with running_world(world=world):
        seen = await read(world)

    labels = {"account": "paper", "broker": "paper", "outcome": "accepted"}
    assert value(seen, "ordod_orders_total", **labels) == 0
    assert value(seen, "ordod_orders_open", account="paper") == 1


# Journal and kill switch


async def test_the_syncs_of_the_journal_are_timed() -> None:
    async with running_world() as world:
        before = await read(world)
        world.disk.latency = lambda: 0.02

        await client(world)("order.place", **PLACE, key="k1")

        after = await read(world)

        def grown(name: str, **labels: str) -> float:
            return value(after, name, **labels) - value(before, name, **labels)

        batches = grown("ordod_journal_sync_seconds_count")
        assert batches >= 2
        assert grown("ordod_journal_sync_seconds_sum") == pytest.approx(0.02 * batches)
        assert grown("ordod_journal_batch_records_count") == batches
        assert grown("ordod_journal_batch_records_sum") == grown("ordod_journal_head_seq")
        assert grown("ordod_journal_written_bytes_total") > 500
        assert value(after, "ordod_journal_segments") == 1
        assert value(after, "ordod_journal_failed") == 0


async def test_each_start_adds_a_segment() -> None:
    async with running_world() as world:
        pass
    async with running_world(world=world):
        seen = await read(world)

    assert value(seen, "ordod_journal_segments") == len(world.disk.names("journal")) == 2


async def test_a_kill_and_its_sweep_are_seen() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", **PLACE, key="k1")
        before = await read(world)
        world.line().script(late(3))

        await call("kill.engage", reason="a test")
        await anyio.sleep(30)

        after = await read(world)
        assert value(before, "ordod_kill_engaged") == 0
        assert value(after, "ordod_kill_engaged") == 1
        assert value(after, "ordod_kill_engagements_total") == 1
        assert value(after, "ordod_kill_first_cancels_seconds_count") == 1
        assert value(after, "ordod_kill_sweep_seconds_count") == 1
        assert 3 <= value(after, "ordod_kill_sweep_seconds_sum") < 30
        assert value(after, "ordod_kill_sweep_running") == 0
        assert value(after, "ordod_kill_sweep_left_orders") == 0


# Accounts


async def test_a_session_s_state_end_and_logins_are_seen() -> None:
    async with running_world(account(), account("second")) as world:
        seen = await read(world)

        states = Counter(
            {
                dict(labels)["account"]: number
                for (name, labels), number in seen.items()
                if name == "ordod_session_state" and dict(labels)["state"] == "active"
            }
        )
        assert states == {"paper": 1, "second": 1}
        assert sum(n for (name, _), n in seen.items() if name == "ordod_session_state") == 2
        assert value(seen, "ordod_session_needs_person", account="paper") == 0
        assert value(seen, "ordod_account_can_trade", account="paper", broker="paper") == 1
        assert value(seen, "ordod_logins_total", account="paper", outcome="made") == 1
        assert value(seen, "ordod_session_renewals_total", account="paper") == 0


async def test_a_renewed_session_and_a_stopped_one_are_counted() -> None:
    async with running_world() as world:
        keeper = world.parts.accounts["paper"].keeper
        session = keeper.session
        assert session is not None
        ends = datetime.now(tz=world.clock.now().tzinfo) + timedelta(hours=1)
        keeper.died(session, "a test")
        await anyio.sleep(5)
        renewed = await read(world)
        keeper.session = type(session)(
            user_id=session.user_id, access_token=session.access_token, expires_at=ends
        )
        until = await read(world)
        await client(world)("account.logout", account="paper")
        stopped = await read(world)

        assert value(renewed, "ordod_session_renewals_total", account="paper") == 1
        assert value(renewed, "ordod_logins_total", account="paper", outcome="made") == 2
        expiry = value(until, "ordod_session_expiry_timestamp_seconds", account="paper")
        assert expiry == pytest.approx(ends.timestamp())
        labels = {"account": "paper", "broker": "paper", "state": "denied"}
        assert value(stopped, "ordod_session_state", **labels) == 1
        assert value(stopped, "ordod_account_can_trade", account="paper", broker="paper") == 0
        # A person's logout is no broker's no.
        assert value(stopped, "ordod_logins_total", account="paper", outcome="denied") == 0


async def test_waits_for_a_slot_are_timed_and_those_without_one_counted() -> None:
    adapter = with_spec(windows=(Window("orders", count=1, seconds=1),))
    async with running_world(adapter=adapter) as world:
        await anyio.sleep(2)
        call = client(world)
        await call("order.place", **PLACE, key="k1")
        none_waited = await read(world)

        await call("order.place", **PLACE, key="k2")
        await call.refused("order.place", **PLACE, key="k3", timeout_ms=100)

        seen = await read(world)
        labels = {"account": "paper", "request": "write"}
        assert value(none_waited, "ordod_rate_wait_seconds_count", **labels) == 0
        assert value(seen, "ordod_rate_wait_seconds_count", **labels) == 1
        assert 0.5 < value(seen, "ordod_rate_wait_seconds_sum", **labels) <= 1
        assert value(seen, "ordod_rate_refused_total", **labels) == 1


async def test_a_breaker_that_opens_is_seen_and_counted() -> None:
    async with running_world() as world:
        world.line().script(*[unsent] * 40, match=lambda request: True)
        for number in range(5):
            await client(world).refused("order.place", **PLACE, key=f"k{number}", timeout_ms=600)

        seen = await read(world)

        assert value(seen, "ordod_breaker_open", account="paper") == 1
        assert value(seen, "ordod_breaker_openings_total", account="paper") == 1


async def test_a_caller_sees_the_accounts_it_may_read() -> None:
    async with running_world(account(), account("second")) as world:
        seen = await read(world, Caller("own", Role.READ, {"second": Role.NOBODY}))

        assert {dict(labels).get("account") for _, labels in seen} - {None} == {"paper"}
        assert value(await read(world), "ordod_doubts_open", account="second") == 0


# The text itself


async def test_calls_and_refusals_are_told_without_who_made_them() -> None:
    async with running_world() as world:
        tally = Tally()
        tally.calls["order.place", "ok"] = 3
        tally.refused["uid:1000 (asha)", "FORBIDDEN"] = 2
        tally.refused["uid:1001 (ravi)", "FORBIDDEN"] = 5

        seen = await read(world, tally=tally)

        assert value(seen, "ordod_calls_total", method="order.place", outcome="ok") == 3
        assert value(seen, "ordod_calls_refused_total", kind="FORBIDDEN") == 7
        assert value(seen, "ordod_calls_refused_total", kind="UNAUTHENTICATED") == 0
        assert "asha" not in await text(world, tally=tally)


async def test_every_metric_says_what_it_is_and_every_counter_is_a_total() -> None:
    async with running_world() as world:
        parsed = list(text_string_to_metric_families(await text(world)))
        lines = (await text(world)).splitlines()

        assert all(family.documentation for family in parsed)
        names = Counter(line.split()[2] for line in lines if line.startswith("# TYPE"))
        assert set(names.values()) == {1}
        told = [line.split()[2:] for line in lines if line.startswith("# TYPE ordod_")]
        for name, kind in told:
            assert name.endswith("_total") == (kind == "counter"), name
            assert not re.search(r"_(ms|millis|minutes|kib|mib)\b", name)


async def test_the_document_s_table_is_the_scrape_s() -> None:
    async with running_world() as world:
        table = [
            f"| `{name}` | {family.type} | {', '.join(vars(family)['_labelnames'])} | {family.documentation} |"
            for family in families(world.parts, READER, Tally(), Machine(Path("/")))
            for name in [family.name + ("_total" if family.type == "counter" else "")]
        ]

        told = re.findall(r"^\| `ordod_.*$", DOCUMENT.read_text(), re.MULTILINE)
        assert told == table, "the table is to read:\n" + "\n".join(table)
