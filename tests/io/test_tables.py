"""Instrument tables on a real disk: whole or not at all, the old one until then, damage never believed."""

import resource
import stat
import threading
import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ordod.adapter import Adapter, BrokerError, Exchange, Fault, Instrument, InstrumentKind
from ordod.core.ports import DiskError
from ordod.io.tables import SqliteMaster, SqliteTables

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def equity(name: str, token: str, exchange: Exchange = Exchange.NSE) -> Instrument:
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{name}",
        broker_symbol=f"{name}-EQ",
        instrument_token=token,
        kind=InstrumentKind.EQUITY,
        tick_size=Decimal("0.05"),
        lot_size=1,
        name=f"{name} LIMITED",
    )


def option(strike: int) -> Instrument:
    return Instrument(
        exchange=Exchange.NFO,
        symbol=f"NFO:NIFTY24NOV26{strike}CE",
        broker_symbol=f"NIFTY26N24{strike}CE",
        instrument_token=f"n{strike}",
        kind=InstrumentKind.CALL,
        tick_size=Decimal("0.05"),
        lot_size=75,
        name="NIFTY",
        expiry=TUESDAY,
        strike=Decimal(strike),
        freeze_quantity=1800,
        lower_circuit=Decimal("0.05"),
        upper_circuit=Decimal("2710.6"),
    )


INFY, TCS, NIFTY = equity("INFY", "408065"), equity("TCS", "2953217"), option(24500)


class Broker(Adapter):
    """Its master is whatever the test says."""

    def __init__(self, *instruments: Instrument) -> None:
        self.instruments: Iterable[Instrument] = instruments

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        return self.instruments


OPEN: list[SqliteTables] = []


@pytest.fixture(autouse=True)
def _all_are_closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def tables_in(state_dir: Path) -> SqliteTables:
    """A daemon's tables; closed when the test ends."""
    OPEN.append(SqliteTables(state_dir))
    return OPEN[-1]


async def loaded(state_dir: Path, *instruments: Instrument) -> SqliteMaster:
    tables = tables_in(state_dir)
    await tables.load("banyan", Broker(*instruments), b"", MONDAY)
    return tables.master("banyan")


# Look-ups


async def test_before_the_first_master_nothing_is_found(tmp_path: Path) -> None:
    master = tables_in(tmp_path).master("banyan")

    assert master.loaded_on is None
    assert master.find("NSE:INFY") is None
    assert master.by_token("408065") is None
    assert master.by_broker_symbol(Exchange.NSE, "INFY-EQ") is None
    assert master.closest("NSE:INFY") == []
    assert await master.search("infy") == []


async def test_a_contract_comes_back_as_it_was_by_every_name(tmp_path: Path) -> None:
    master = await loaded(tmp_path, INFY, TCS, NIFTY)

    assert master.loaded_on == MONDAY
    assert len(master) == 3
    assert master.find("NFO:NIFTY24NOV2624500CE") == NIFTY
    assert master.find("NFO:NIFTY26N2424500CE") == NIFTY
    assert master.by_token("n24500") == NIFTY
    assert master.by_broker_symbol(Exchange.NFO, "NIFTY26N2424500CE") == NIFTY
    assert master.by_broker_symbol(Exchange.NSE, "NIFTY26N2424500CE") is None
    assert master.find("NSE:INFY-EQ") == INFY
    assert master.find("INFY") is None


async def test_a_name_of_two_contracts_finds_none(tmp_path: Path) -> None:
    master = await loaded(tmp_path, INFY, equity("INFY", "1"), TCS)

    assert master.find("NSE:INFY") is None
    assert master.find("NSE:INFY-EQ") is None
    assert master.by_broker_symbol(Exchange.NSE, "INFY-EQ") is None
    assert master.by_token("1") is not None


async def test_a_contract_listed_twice_is_one(tmp_path: Path) -> None:
    master = await loaded(tmp_path, INFY, INFY)

    assert master.find("NSE:INFY") == INFY


async def test_a_name_of_two_contracts_tells_both(tmp_path: Path) -> None:
    twin = replace(INFY, broker_symbol="INFY-W1", instrument_token="1")
    master = await loaded(tmp_path, INFY, twin, TCS)

    for name in ("NSE:INFY", "NSE:INFY-EQ", "NSE:INFY-W1"):
        assert master.find(name) is None
        assert master.candidates(name) == [INFY, twin]
    assert master.ambiguous == ["NSE:INFY"]
    assert master.candidates("NSE:TCS") == [TCS]
    assert master.by_broker_symbol(Exchange.NSE, "INFY-W1") == twin


async def test_two_contracts_behind_one_token_are_neither_taken(tmp_path: Path) -> None:
    block = replace(INFY, symbol="NSE:INFY-BL")
    elsewhere = replace(INFY, symbol="BSE:INFY", exchange=Exchange.BSE)
    master = await loaded(tmp_path, INFY, block, elsewhere, TCS)

    assert master.find("NSE:INFY") is master.find("NSE:INFY-BL") is None
    assert master.candidates("NSE:INFY") == [INFY, block]
    assert len(master.ambiguous) == 1
    assert master.find("BSE:INFY") == elsewhere


async def test_contracts_without_a_token_are_not_one(tmp_path: Path) -> None:
    infy, tcs = replace(INFY, instrument_token=""), replace(TCS, instrument_token="")
    master = await loaded(tmp_path, infy, tcs)

    assert (master.find("NSE:INFY"), master.ambiguous) == (infy, [])


async def test_another_series_is_not_found_by_the_share_s_name(tmp_path: Path) -> None:
    series = replace(INFY, symbol="NSE:INFY-BE", broker_symbol="INFY")
    master = await loaded(tmp_path, series)

    assert master.find("NSE:INFY") is None
    assert "NSE:INFY-BE" in master.closest("NSE:INFY")
    assert master.by_broker_symbol(Exchange.NSE, "INFY") == series


async def test_a_security_is_found_by_its_isin(tmp_path: Path) -> None:
    infy = replace(INFY, isin="INE009A01021")
    series = replace(infy, symbol="NSE:INFY-BE", instrument_token="2")
    master = await loaded(tmp_path, infy, series, TCS)

    assert master.by_isin(Exchange.NSE, "INE009A01021") == [infy, series]
    assert master.by_isin(Exchange.BSE, "INE009A01021") == []


async def test_a_name_of_ours_is_looked_for_before_the_broker_s(tmp_path: Path) -> None:
    ours = equity("A-EQ", "1")
    theirs = equity("A", "2")

    master = await loaded(tmp_path, theirs, ours)

    assert master.find("NSE:A-EQ") == ours


instruments = st.builds(
    Instrument,
    exchange=st.sampled_from(Exchange),
    symbol=st.text(st.characters(codec="utf-8")),
    broker_symbol=st.text(st.characters(codec="utf-8")),
    instrument_token=st.text(st.characters(codec="utf-8"), min_size=1),
    kind=st.sampled_from(InstrumentKind),
    tick_size=st.decimals(0, 10**6, places=4),
    lot_size=st.none() | st.integers(1, 2**62),
    name=st.text(st.characters(codec="utf-8")),
    expiry=st.none() | st.dates(),
    strike=st.none() | st.decimals(0, 10**6, places=2),
    freeze_quantity=st.none() | st.integers(1, 2**62),
    lower_circuit=st.none() | st.decimals(0, 10**6, places=2),
    upper_circuit=st.none() | st.decimals(0, 10**6, places=2),
    isin=st.none() | st.just("INE009A01021"),
)


@settings(max_examples=25)
@given(instruments)
def test_no_contract_is_changed_by_being_stored(
    tmp_path_factory: pytest.TempPathFactory, instrument: Instrument
) -> None:
    tables = tables_in(tmp_path_factory.mktemp("state"))

    anyio.run(tables.load, "banyan", Broker(instrument), b"", MONDAY)
    found = tables.master("banyan").by_token(instrument.instrument_token)

    assert found == instrument


# Closest, search


async def test_the_closest_names_are_those_one_may_have_meant(tmp_path: Path) -> None:
    names = ("INFY", "INFIBEAM", "INDIGO", "TCS", "ZOMATO")
    strikes = range(23000, 26000, 50)
    master = await loaded(
        tmp_path, *(equity(name, name) for name in names), *(option(strike) for strike in strikes)
    )

    assert master.closest("NSE:INFYY")[0] == "NSE:INFY"
    assert master.closest("infy")[0] == "NSE:INFY"
    assert master.closest("NFO:INFY")[0] == "NSE:INFY"
    assert "NFO:NIFTY24NOV2624500CE" in master.closest("NFO:NIFTY24NOV2624510CE")[:2]
    assert len(master.closest("NFO:NIFTY24NOV26245")) == 5
    assert master.closest("NSE:QQQQQQ") == []
    assert master.closest("NSE:") == master.closest("") == []


async def test_a_search_finds_every_word_and_the_exact_name_first(tmp_path: Path) -> None:
    master = await loaded(
        tmp_path, equity("TCSX", "1"), TCS, option(24500), option(24600), equity("A_B", "3")
    )

    assert [found.symbol for found in await master.search("tcs limited")] == ["NSE:TCS", "NSE:TCSX"]
    assert await master.search("nifty 24500 ce") == [option(24500)]
    assert len(await master.search("nifty", limit=1)) == 1
    assert [found.symbol for found in await master.search("a_b")] == ["NSE:A_B"]
    assert await master.search("%") == await master.search("  ") == []


# A new master


async def test_the_old_table_serves_until_the_new_one_is_whole(tmp_path: Path) -> None:
    tables = tables_in(tmp_path)
    master = tables.master("banyan")
    await tables.load("banyan", Broker(INFY), b"", MONDAY)
    reached, go_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[Instrument]:
        yield TCS
        reached.set()
        assert go_on.wait(10)

    slow = Broker()
    slow.instruments = slowly()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tables.load, "banyan", slow, b"", TUESDAY)
        assert await anyio.to_thread.run_sync(reached.wait, 10)
        during = (master.find("NSE:INFY"), master.find("NSE:TCS"), master.loaded_on)
        go_on.set()

    assert during == (INFY, None, MONDAY)
    assert (master.find("NSE:INFY"), master.find("NSE:TCS")) == (None, TCS)
    assert master.loaded_on == TUESDAY


async def test_a_master_that_cannot_be_read_leaves_the_old_one(tmp_path: Path) -> None:
    tables = tables_in(tmp_path)
    await tables.load("banyan", Broker(INFY), b"", MONDAY)

    def broken() -> Iterator[Instrument]:
        yield TCS
        raise BrokerError(Fault.UNREADABLE, "row 2")

    bad = Broker()
    bad.instruments = broken()
    with pytest.raises(BrokerError, match="row 2"):
        await tables.load("banyan", bad, b"", TUESDAY)
    with pytest.raises(BrokerError, match="names no instrument"):
        await tables.load("banyan", Broker(), b"", TUESDAY)

    assert tables.master("banyan").find("NSE:INFY") == INFY
    assert tables_in(tmp_path).master("banyan").loaded_on == MONDAY
    assert _files(tmp_path) == ["banyan.json", "banyan.sqlite"]


async def test_a_load_that_is_given_up_changes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    tables = tables_in(tmp_path)
    await tables.load("banyan", Broker(INFY), b"", MONDAY)
    reached, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slowly() -> Iterator[Instrument]:
        yield TCS
        reached.set()
        go_on.wait(10)

    slow = Broker()
    slow.instruments = slowly()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tables.load, "banyan", slow, b"", TUESDAY)
        assert await anyio.to_thread.run_sync(reached.wait, 10)
        tasks.cancel_scope.cancel()
    go_on.set()
    while len(_files(tmp_path)) > 2:
        await anyio.to_thread.run_sync(ended.wait, 0.01)

    assert tables.master("banyan").find("NSE:INFY") == INFY
    assert tables_in(tmp_path).master("banyan").loaded_on == MONDAY


async def test_a_disk_that_says_no_is_a_disk_error_and_the_old_one_serves(tmp_path: Path) -> None:
    tables = tables_in(tmp_path)
    await tables.load("banyan", Broker(INFY), b"", MONDAY)
    for file in (tmp_path / "instruments").iterdir():
        file.unlink()
    (tmp_path / "instruments").rmdir()

    with pytest.raises(DiskError, match="No such file"):
        await tables.load("banyan", Broker(TCS), b"", TUESDAY)

    assert tables.master("banyan").find("NSE:INFY") == INFY


async def test_a_disk_that_fills_up_is_a_disk_error_and_leaves_the_old_one(tmp_path: Path) -> None:
    tables = tables_in(tmp_path)
    await tables.load("banyan", Broker(INFY), b"", MONDAY)
    many = Broker()
    many.instruments = (option(strike) for strike in range(20_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, before[1]))
    try:
        with pytest.raises(DiskError):
            await tables.load("banyan", many, b"", TUESDAY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert tables.master("banyan").find("NSE:INFY") == INFY
    assert tables_in(tmp_path).master("banyan").loaded_on == MONDAY
    assert _files(tmp_path) == ["banyan.json", "banyan.sqlite"]


# The next start


async def test_the_next_start_finds_the_table_with_its_date(tmp_path: Path) -> None:
    await loaded(tmp_path, INFY)

    master = tables_in(tmp_path).master("banyan")

    assert master.loaded_on == MONDAY
    assert master.find("NSE:INFY") == INFY


async def test_the_files_are_nobody_else_s(tmp_path: Path) -> None:
    await loaded(tmp_path / "state", INFY)

    folder = tmp_path / "state/instruments"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


async def test_one_flipped_bit_anywhere_is_damage(tmp_path: Path) -> None:
    await loaded(tmp_path, INFY, TCS, NIFTY)
    file = tmp_path / "instruments/banyan.sqlite"
    label = tmp_path / "instruments/banyan.json"
    content, label_content = file.read_bytes(), label.read_bytes()

    believed = []
    for place in range(0, len(content), 997):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        label.write_bytes(label_content)
        believed.append(tables_in(tmp_path).master("banyan").loaded_on)

    assert len(believed) > 20
    assert set(believed) == {None}
    assert _files(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "no label", "torn label", "no table", "other table"])
async def test_what_a_crash_leaves_is_thrown_away_and_fetched_again(
    tmp_path: Path, damage: str
) -> None:
    await loaded(tmp_path, INFY)
    await loaded(tmp_path / "other", TCS)
    file, label = tmp_path / "instruments/banyan.sqlite", tmp_path / "instruments/banyan.json"
    match damage:
        case "cut":
            file.write_bytes(file.read_bytes()[:-100])
        case "no label":
            label.unlink()
        case "torn label":
            label.write_bytes(label.read_bytes()[:-9])
        case "no table":
            file.unlink()
        case _:
            (tmp_path / "other/instruments/banyan.sqlite").replace(file)

    tables = tables_in(tmp_path)
    before = tables.master("banyan").find("NSE:INFY")
    await tables.load("banyan", Broker(INFY), b"", TUESDAY)

    assert before is None
    assert tables.master("banyan").find("NSE:INFY") == INFY


async def test_what_a_killed_load_left_behind_is_removed(tmp_path: Path) -> None:
    await loaded(tmp_path, INFY)
    (tmp_path / "instruments/banyan.abc.new").write_bytes(b"half")

    tables_in(tmp_path)

    assert _files(tmp_path) == ["banyan.json", "banyan.sqlite"]


def test_a_folder_that_cannot_be_made_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "state").touch()

    with pytest.raises(DiskError, match="File exists"):
        tables_in(tmp_path / "state")


# Size


async def test_rows_are_streamed_and_not_gathered(tmp_path: Path) -> None:
    tables = tables_in(tmp_path)
    many = Broker()
    many.instruments = (option(strike) for strike in range(20_000))

    tracemalloc.start()
    count = await tables.load("banyan", many, b"", MONDAY)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 20_000
    assert peak_bytes < 4 * 2**20


def _files(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "instruments").iterdir())


@pytest.mark.parametrize("typed", ["infosis", "INFOSSYS", "infsoys limited"])
async def test_a_misspelt_word_is_taken_for_the_known_one(tmp_path: Path, typed: str) -> None:
    infosys = replace(INFY, name="INFOSYS LIMITED")
    master = await loaded(tmp_path, infosys, TCS, NIFTY)

    assert await master.search(typed) == [infosys]


@pytest.mark.parametrize("typed", ["qwertz", "inf0sys", "xys", "infy nonsense"])
async def test_a_word_that_is_like_none_finds_nothing(tmp_path: Path, typed: str) -> None:
    master = await loaded(tmp_path, replace(INFY, name="INFOSYS LIMITED"), TCS)

    assert await master.search(typed) == []


# Contracts of an underlying


def contract(symbol: str, kind: InstrumentKind, expiry: date, strike: str | None) -> Instrument:
    exchange, _, name = symbol.partition(":")
    return Instrument(
        exchange=Exchange(exchange),
        symbol=symbol,
        broker_symbol=name,
        instrument_token=symbol,
        kind=kind,
        tick_size=Decimal("0.05"),
        lot_size=65,
        expiry=expiry,
        strike=Decimal(strike) if strike else None,
    )


async def test_the_contracts_of_an_underlying_are_found_by_its_name_and_no_longer_one(
    tmp_path: Path,
) -> None:
    near, far = date(2026, 11, 24), date(2026, 12, 29)
    call = contract("NFO:NIFTY24NOV2624500CE", InstrumentKind.CALL, near, "24500")
    put = contract("NFO:NIFTY24NOV2624500PE", InstrumentKind.PUT, near, "24500")
    future = contract("NFO:NIFTY29DEC26FUT", InstrumentKind.FUTURE, far, None)
    others = [
        contract("NFO:NIFTYNXT5024NOV26FUT", InstrumentKind.FUTURE, near, None),
        contract("BFO:NIFTY24NOV26FUT", InstrumentKind.FUTURE, near, None),
        contract("NFO:BANKNIFTY24NOV26FUT", InstrumentKind.FUTURE, near, None),
    ]
    master = await loaded(tmp_path, future, put, call, *others, INFY)

    assert master.expiries(Exchange.NFO, "NIFTY") == [
        (near, InstrumentKind.CALL),
        (near, InstrumentKind.PUT),
        (far, InstrumentKind.FUTURE),
    ]
    assert master.contracts(Exchange.NFO, "NIFTY", near) == [call, put]
    assert master.contracts(Exchange.NFO, "NIFTY", date(2026, 12, 1)) == []
    assert master.expiries(Exchange.NFO, "NIFTYNXT") == []
    assert master.expiries(Exchange.NFO, "NIFTYNXT50") == [(near, InstrumentKind.FUTURE)]
