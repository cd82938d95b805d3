"""`market.status` and `market.holidays` as people call them."""

from typing import Any

import pytest

from ordod.config.calendar import load_calendar
from ordod.domain.instruments import Exchange
from tests.core.world import VIRTUAL, running_world
from tests.service.calling import client


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


async def test_the_status_tells_each_exchange_its_sessions_and_next_change() -> None:
    async with running_world() as world:
        call = client(world)

        every = await call("market.status")
        one = await call("market.status", exchanges=["MCX"])

    assert set(every["exchanges"]) == set(Exchange)
    nse = every["exchanges"]["NSE"]
    day = every["at"][:10]
    assert nse["sessions"] == [
        {"opens_at": f"{day}T09:15:00+05:30", "closes_at": f"{day}T15:30:00+05:30"}
    ]
    assert nse["is_open"] is (nse["next_change"] == f"{day}T15:30:00+05:30")
    assert list(one["exchanges"]) == ["MCX"]
    assert every["problem"] is None


async def test_holidays_are_of_a_year_and_an_exchange() -> None:
    async with running_world() as world:
        world.parts.calendar = load_calendar([])
        call = client(world)

        nse = await call("market.holidays", year=2026, exchange="NSE")
        mcx = await call("market.holidays", year=2026, exchange="MCX")
        later = await call("market.holidays", year=2031)

    assert {"2026-01-26", "2026-11-24"} <= {day["on"] for day in nse["days"]}
    assert nse["days"] == sorted(nse["days"], key=lambda day: str(day["on"]))
    evening = next(day for day in mcx["days"] if day["on"] == "2026-11-24")
    assert evening["sessions"] == [["17:00:00", "23:55:00"]]
    assert (later["is_known"], later["days"]) == (False, [])
