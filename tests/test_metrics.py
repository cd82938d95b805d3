"""What a scrape tells, read by Prometheus' own parser."""

import re
from pathlib import Path
from typing import Any

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ordod.metrics import scrape
from ordod.service.methods import Caller, Role
from tests.core.world import VIRTUAL, account, lost_before, running_world
from tests.service.calling import PLACE, client

DOCUMENT = Path(__file__).parent.parent / "docs" / "metrics.md"
READER = Caller("reader", Role.READ)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


def read(world: Any, caller: Caller = READER) -> Samples:
    text = scrape(world.parts, caller).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def test_orders_are_counted_by_how_long_they_took() -> None:
    async with running_world(account(), account("second")) as world:
        call = client(world)
        before = read(world)

        for number in range(3):
            await call("order.place", **PLACE | {"key": f"k{number}"})

        after = read(world)
        assert not [key for key in before if key[0] == "ordod_order_seconds_count"]
        assert value(after, "ordod_order_seconds_count", account="paper") == 3
        assert value(after, "ordod_order_seconds_bucket", account="paper", le="+Inf") == 3
        whole = value(after, "ordod_order_seconds_sum", account="paper")
        assert 0 <= value(after, "ordod_order_broker_seconds_sum", account="paper") <= whole < 30


async def test_a_kill_and_the_session_are_seen() -> None:
    async with running_world() as world:
        before = read(world)

        await client(world)("kill.engage", reason="a test")

        assert value(before, "ordod_kill_engaged") == 0
        assert value(read(world), "ordod_kill_engaged") == 1
        states = {
            dict(labels)["state"]: number
            for (name, labels), number in before.items()
            if name == "ordod_session_state"
        }
        assert sum(states.values()) == 1
        assert len(states) > 1
        assert value(before, "ordod_session_needs_person", account="paper") == 0


async def test_a_caller_sees_the_accounts_it_may_read() -> None:
    async with running_world(account(), account("second")) as world:
        seen = read(world, Caller("own", Role.READ, {"second": Role.NOBODY}))

        assert {dict(labels).get("account") for _, labels in seen} - {None} == {"paper"}
        assert value(read(world), "ordod_doubts_open", account="second") == 0


async def test_doubts_and_the_age_of_the_oldest_are_seen() -> None:
    async with running_world() as world:
        world.line().script(lost_before)
        await client(world)("order.place", key="k1", **PLACE, timeout_ms=60_000)
        await anyio.sleep(120)

        seen = read(world)

        assert value(seen, "ordod_doubts_open", account="paper") == 1
        assert value(seen, "ordod_doubt_oldest_age_seconds", account="paper") >= 120


async def test_every_metric_of_the_document_is_scraped_and_every_one_scraped_is_there() -> None:
    async with running_world() as world:
        text = scrape(world.parts, READER).decode()

        scraped = set(re.findall(r"^# TYPE (ordod_\w+)", text, re.MULTILINE))
        assert set(re.findall(r"^\| `(ordod_\w+)`", DOCUMENT.read_text(), re.MULTILINE)) == scraped
