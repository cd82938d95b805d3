"""What a trader types finds the thing first, among as many kinds of contracts as the exchanges list."""

from collections.abc import Iterable, Iterator
from datetime import date

import anyio
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.listing import SHARES, contracts
from ordod.adapter import Adapter, Instrument
from ordod.io.tables import SqliteMaster, SqliteTables

LISTED = list(contracts(20_000))
SYMBOLS = [one.symbol for one in LISTED]


class Exchanges(Adapter):
    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        return LISTED


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteMaster]:
    tables = SqliteTables(tmp_path_factory.mktemp("state"))
    anyio.run(tables.load, "banyan", Exchanges(), b"", date(2026, 11, 23))
    yield tables.master("banyan")
    tables.close()


def found(master: SqliteMaster, text: str, limit: int = 20) -> list[str]:
    async def search() -> list[Instrument]:
        return await master.search(text, limit)

    return [one.symbol for one in anyio.run(search)]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("infy", ["NSE:INFY", "BSE:INFY", "NFO:INFY24NOV26FUT"]),
        ("INFY-EQ", ["NSE:INFY", "BSE:INFY"]),
        ("infosys", ["NSE:INFY", "BSE:INFY"]),
        ("infosys fut", ["NFO:INFY24NOV26FUT", "NFO:INFY29DEC26FUT"]),
        ("tata motors", ["NSE:TMPV", "BSE:TMPV"]),
        ("nse nifty", ["NSE_INDEX:NIFTY"]),
        ("nifty options", ["NFO:NIFTY24NOV2616500CE", "NFO:NIFTY24NOV2616500PE"]),
        ("nse:infy", ["NSE:INFY", "NSE:INFYETF", "NSE:INFY-BE"]),
        ("bse reliance", ["BSE:RELIANCE"]),
        ("reliance", ["NSE:RELIANCE", "BSE:RELIANCE", "NFO:RELIANCE24NOV26FUT"]),
        ("reliance fut", ["NFO:RELIANCE24NOV26FUT", "NFO:RELIANCE29DEC26FUT"]),
        ("reliance w1", ["NSE:RELIANCE-W1"]),
        ("nifty", ["NSE_INDEX:NIFTY", "NFO:NIFTY24NOV26FUT"]),
        ("nifty 50", ["NSE_INDEX:NIFTY"]),
        ("nifty 24500 ce", ["NFO:NIFTY24NOV2624500CE", "NFO:NIFTY01DEC2624500CE"]),
        ("nifty24500ce", ["NFO:NIFTY24NOV2624500CE"]),
        ("nifty 24500 put", ["NFO:NIFTY24NOV2624500PE"]),
        ("nifty dec 24500", ["NFO:NIFTY01DEC2624500CE", "NFO:NIFTY01DEC2624500PE"]),
        ("nifty 29dec 24500 pe", ["NFO:NIFTY29DEC2624500PE"]),
        ("nifty 24 nov 24500 ce", ["NFO:NIFTY24NOV2624500CE"]),
        ("nifty dec 2026 fut", ["NFO:NIFTY29DEC26FUT"]),
        ("nifty jan27 fut", ["NFO:NIFTY26JAN27FUT"]),
        ("nifty december fut", ["NFO:NIFTY29DEC26FUT"]),
        ("24500 pe", ["NFO:NIFTY24NOV2624500PE"]),
        ("NFO:NIFTY24NOV26FUT", ["NFO:NIFTY24NOV26FUT"]),
        ("nifty24nov2624500ce", ["NFO:NIFTY24NOV2624500CE"]),
        ("bank nifty", ["NSE_INDEX:BANKNIFTY", "NFO:BANKNIFTY24NOV26FUT"]),
        ("nifty bank", ["NSE_INDEX:BANKNIFTY"]),
        ("hdfc bank", ["NSE:HDFCBANK"]),
        ("m&m", ["NSE:M&M", "BSE:M&M"]),
        ("bajaj auto", ["NSE:BAJAJ-AUTO"]),
        ("360one", ["NSE:360ONE", "BSE:360ONE", "NFO:360ONE24NOV26FUT"]),
        ("mcx", ["NSE:MCX", "BSE:MCX"]),
        ("mcx gold", ["MCX:GOLD24NOV26FUT"]),
        ("gold", ["MCX:GOLD24NOV26FUT"]),
        ("gold etf", ["NSE:GOLDBEES", "BSE:GOLDBEES"]),
        ("banknfty", ["NSE_INDEX:BANKNIFTY"]),
        ("banknifty fut", ["NFO:BANKNIFTY24NOV26FUT"]),
        ("nifti 24500 ce", ["NFO:NIFTY24NOV2624500CE"]),
        ("relaince fut", ["NFO:RELIANCE24NOV26FUT"]),
        ("einfosys", ["NSE:INFY"]),
    ],
)
def test_what_is_typed_finds_the_thing_first(
    master: SqliteMaster, typed: str, first: list[str]
) -> None:
    assert found(master, typed)[: len(first)] == first


def test_a_share_stands_before_its_other_series_and_the_funds(master: SqliteMaster) -> None:
    shown = found(master, "reliance", 100)

    assert shown.index("NSE:RELIANCE") < shown.index("NSE:RELIANCEETF")
    assert shown.index("NSE:RELIANCEETF") < shown.index("NSE:RELIANCE-W1")


def test_there_are_as_many_as_were_asked_for_and_each_once(master: SqliteMaster) -> None:
    shown = found(master, "nifty", 300)

    assert len(shown) == len(set(shown)) == 300
    assert len(found(master, "nifty", 1)) == 1


@pytest.mark.parametrize("typed", ["", " ", "%", "'", '"', ":", "nifty 1 2 3 4 5 6 999", "z" * 64])
def test_nothing_comes_of_nothing(master: SqliteMaster, typed: str) -> None:
    assert found(master, typed) == []


@settings(max_examples=60)
@given(st.sampled_from(SYMBOLS))
def test_every_contract_is_found_by_its_whole_name(master: SqliteMaster, symbol: str) -> None:
    assert found(master, symbol.lower())[0] == symbol


@settings(max_examples=60)
@given(st.text(max_size=64))
def test_whatever_is_typed_is_answered(master: SqliteMaster, typed: str) -> None:
    assert set(found(master, typed)) <= set(SYMBOLS)


@settings(max_examples=60)
@given(
    st.sampled_from([name for name in SHARES if len(name) > 5 and name.isalpha()]),
    st.data(),
)
def test_one_slip_of_a_finger_still_finds_the_share(
    master: SqliteMaster, name: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(1, len(name) - 2))
    slips = (
        name[:place] + name[place + 1 :],
        name[:place] + name[place + 1] + name[place] + name[place + 2 :],
        name[:place] + data.draw(st.sampled_from("AEIOUXZ")) + name[place + 1 :],
    )
    typed = data.draw(st.sampled_from(slips))
    assume(typed not in name)

    assert f"NSE:{name}" in found(master, typed)[:3]
