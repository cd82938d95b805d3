"""Instruments: fetched once a day, and yesterday's serve meanwhile."""

from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from ordod.core.ports import DiskError
from tests.core.world import (
    BEGINS,
    VIRTUAL,
    MemoryMaster,
    World,
    answers,
    request_is,
    running_world,
    until,
    wanted,
)

MASTER = request_is("GET", "/master")
EARLY = BEGINS.replace(hour=8, minute=29, second=30)


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


def fetched(world: World) -> list[Any]:
    """A list that grows with each fetch from here on."""
    seen: list[Any] = []

    async def count(send: Any, request: Any, admit: Any) -> Any:
        seen.append(world.clock.now())
        return await send(request, admit)

    world.line().always(count, MASTER)
    return seen


async def test_what_was_fetched_before_half_past_eight_is_fetched_once_more_after() -> None:
    async with running_world(world=World(begins=EARLY)) as world:
        seen = fetched(world)

        await anyio.sleep(3600)

        assert [(at.hour, at.minute) for at in seen] == [(8, 30)]


async def test_what_was_fetched_later_serves_the_day() -> None:
    async with running_world() as world:
        seen = fetched(world)

        await anyio.sleep(3600)

        assert seen == []


async def test_yesterdays_serve_while_todays_cannot_be_had() -> None:
    async with running_world(world=World(begins=EARLY)) as world:
        world.line().always(answers(400, "no"), MASTER)
        await anyio.sleep(300)

        result = await world.parts.desk.place(wanted("k1"))

        assert not result.replayed


async def test_a_disk_that_is_full_does_not_end_the_fetching() -> None:
    world = World()
    fails = [DiskError("full")] * 3
    load = world.tables.load

    async def failing(*args: Any) -> int:
        if fails:
            raise fails.pop()
        return await load(*args)

    world.tables.load = failing  # type: ignore[method-assign, assignment]  # fails three times
    async with world.daemon(ready=False):
        await until(world.is_ready)

        assert not fails


async def test_names_of_two_contracts_are_told_when_the_file_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MemoryMaster, "ambiguous", ["NSE:INFY"])

    with capture_logs() as told:
        async with running_world():
            pass

    [line] = [one for one in told if one["event"] == "names_of_two_contracts"]
    assert (line["log_level"], line["symbols"]) == ("warning", ["NSE:INFY"])
