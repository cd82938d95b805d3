"""One contract at all brokers: joined by its name, differences told, look-alikes never joined."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from benchmarks.listing import FILES, contracts
from ordo_adapters.angelone import ANGELONE
from ordo_adapters.dhan import DHAN
from ordo_adapters.fyers import FYERS
from ordo_adapters.upstox import UPSTOX
from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import Adapter, Exchange, Instrument, InstrumentKind
from ordod.errors import Kind
from ordod.io.tables import SqliteTables
from ordod.service.listings import Disagreement, Listing, disagreements, listings
from tests.core.world import running_world
from tests.service.calling import client

BROKERS: dict[str, Adapter] = {
    "angelone": ANGELONE,
    "dhan": DHAN,
    "fyers": FYERS,
    "upstox": UPSTOX,
    "zerodha": ZERODHA,
}
ON = date(2026, 11, 23)
LISTED = [one for one in contracts(1500) if one.exchange is not Exchange.MCX]  # sizes: a table's

INFY = Instrument(
    exchange=Exchange.NSE,
    symbol="NSE:INFY",
    broker_symbol="INFY",
    instrument_token="1",
    kind=InstrumentKind.EQUITY,
    tick_size=Decimal("0.05"),
    lot_size=1,
    isin="INE009A01021",
)


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[SqliteTables]:
    opened = SqliteTables(tmp_path)
    yield opened
    opened.close()


class Rows(Adapter):
    def __init__(self, *rows: Instrument) -> None:
        self._rows = rows

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        return self._rows


def at(tables: SqliteTables, **brokers: Instrument | tuple[Instrument, ...]) -> list[Listing]:
    """What is told of INFY where each broker lists these rows."""
    for broker, rows in brokers.items():
        of_broker = rows if isinstance(rows, tuple) else (rows,)
        anyio.run(tables.load, broker, Rows(*of_broker), b"", ON)
    return listings([account(tables, broker) for broker in brokers], INFY)


def account(tables: SqliteTables, broker: str) -> Any:
    spec = SimpleNamespace(id=broker, name=broker.title())
    return SimpleNamespace(name=f"{broker}-1", spec=spec, master=tables.master(broker))


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteTables]:
    """The same list as five brokers write it, read by their adapters."""
    opened = SqliteTables(tmp_path_factory.mktemp("state"))
    for broker, adapter in BROKERS.items():
        anyio.run(opened.load, broker, adapter, FILES[broker](LISTED), ON)
    yield opened
    opened.close()


@pytest.mark.parametrize("broker", BROKERS)
def test_every_broker_s_file_gives_the_same_names(everywhere: SqliteTables, broker: str) -> None:
    master = everywhere.master(broker)

    assert len(master) == len(LISTED)
    assert [one.symbol for one in LISTED if master.find(one.symbol) is None] == []
    assert master.ambiguous == []


def test_a_contract_is_told_at_all_brokers_and_they_agree(everywhere: SqliteTables) -> None:
    accounts = [account(everywhere, broker) for broker in BROKERS]

    for one in LISTED[::50]:
        told = listings(accounts, one)

        assert [each.broker for each in told] == list(BROKERS)
        assert [len(each.instruments) for each in told] == [1] * len(BROKERS)
        assert {each.instruments[0].kind for each in told} == {one.kind}
        assert {each.instruments[0].expiry for each in told} == {one.expiry}
        assert disagreements(told) == []


def test_what_brokers_tell_differently_is_told(tables: SqliteTables) -> None:
    other = replace(INFY, lot_size=5, tick_size=Decimal("0.10"), freeze_quantity=100)

    told = at(tables, ash=INFY, birch=other, cedar=INFY)

    assert disagreements(told) == [
        Disagreement("lot_size", {"ash": "1", "birch": "5", "cedar": "1"}),
        Disagreement("tick_size", {"ash": "0.05", "birch": "0.1", "cedar": "0.05"}),
    ]


def test_another_isin_under_one_name_is_told(tables: SqliteTables) -> None:
    told = at(tables, ash=INFY, birch=replace(INFY, isin="INE009A13018"))

    assert [found.field for found in disagreements(told)] == ["isin"]


def test_another_series_is_never_the_share(tables: SqliteTables) -> None:
    warrant = replace(INFY, symbol="NSE:INFY-W1", isin="INE009A13018", instrument_token="2")
    other_series = replace(INFY, symbol="NSE:INFY-BE", instrument_token="3")

    told = at(tables, ash=INFY, birch=warrant, cedar=other_series)

    assert [len(each.instruments) for each in told] == [1, 0, 0]
    assert [each.same_isin for each in told] == [[], [], ["NSE:INFY-BE"]]


def test_a_name_of_two_contracts_is_told_with_both(tables: SqliteTables) -> None:
    twin = replace(INFY, broker_symbol="INFY-W1", instrument_token="2")

    told = at(tables, ash=INFY, birch=(INFY, twin))

    assert told[1].instruments == [INFY, twin]
    assert disagreements(told) == []


def test_a_broker_whose_file_is_not_there_yet_is_told_as_such(tables: SqliteTables) -> None:
    ash = at(tables, ash=INFY)
    told = listings([account(tables, "ash"), account(tables, "birch")], INFY)

    assert told == [*ash, Listing("birch", ["birch-1"], None, [])]


async def test_instrument_get_tells_it_all() -> None:
    async with running_world() as world:
        master = world.tables.masters["paper"]
        master.instruments["NSE:INFY"] = replace(
            master.instruments["NSE:INFY"], freeze_quantity=5000, upper_circuit=Decimal(1700)
        )

        answer = await client(world)("instrument.get", symbol="NSE:INFY")

        [listing] = answer["brokers"]
        assert (listing["broker"], listing["accounts"]) == ("paper", ["paper"])
        assert listing["instruments"] == [answer["instrument"]]
        assert answer["instrument"]["freeze_quantity"] == 5000
        assert answer["instrument"]["upper_circuit"] == 1700
        assert answer["disagreements"] == []


async def test_an_order_for_a_name_of_two_contracts_is_refused_and_names_both(
    tables: SqliteTables,
) -> None:
    twin = replace(INFY, broker_symbol="INFY-W1", instrument_token="2")
    await tables.load("paper", Rows(INFY, twin), b"", ON)

    async with running_world() as world:
        world.parts.accounts["paper"].master = tables.master("paper")
        refused = await client(world).refused("order.place", **order())

        assert refused.kind is Kind.UNKNOWN_INSTRUMENT
        assert "(INFY, 1)" in refused.message
        assert "(INFY-W1, 2)" in refused.message


def order() -> dict[str, Any]:
    return {
        "account": "paper",
        "key": "k1",
        "symbol": "NSE:INFY",
        "side": "BUY",
        "quantity": 1,
        "type": "MARKET",
        "product": "CNC",
    }
