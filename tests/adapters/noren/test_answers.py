"""What the samples say in our words, value for value."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordo_adapters.noren import FLATTRADE, SHOONYA, ZEBU
from ordod.adapter import (
    IST,
    BrokerError,
    Depth,
    Exchange,
    Fault,
    GttLeg,
    HttpResponse,
    Instrument,
    InstrumentKind,
    Level,
    NewOrder,
    OrderType,
    Product,
    Side,
    Status,
    Variety,
)
from ordod.adapter.suite import Bench, Listed, load

SAMPLES = {
    adapter: load(Path(__file__).parents[1] / adapter.spec.id / "samples")
    for adapter in (SHOONYA, FLATTRADE)
}
S = SAMPLES[SHOONYA]
INFY = S.instruments["NSE:INFY"]
DAY = date(2026, 1, 5)
at = datetime(2026, 1, 5, 9, 41, 10, tzinfo=IST)


def told(operation: str, about: str = "") -> Any:
    bench = Bench(SHOONYA, S, "")
    one = next(c for c in S.of(operation) if about in c.about)
    played = bench.play(one)
    assert played.error is None
    return played.value


def test_an_order_row_is_read_field_for_field() -> None:
    first, second = told("orders").good

    assert (first.broker_order_id, first.status) == ("26010500000417", Status.PARTIALLY_FILLED)
    assert (first.symbol, first.side, first.product) == ("NSE:INFY", Side.BUY, Product.MIS)
    assert (first.quantity, first.filled_quantity) == (3, 1)
    assert (first.price, first.average_price) == (Decimal("1510.5"), Decimal("1510.45"))
    assert (first.tags, first.exchange_order_id) == (("a7f3a91c2dk5m7q2w3xy",), "1100000012345678")
    assert (first.placed_at, first.updated_at) == (at, at)
    assert (second.status, second.tags) == (Status.FILLED, ())


def test_statuses_types_and_times_that_are_odd() -> None:
    by_number = {row.broker_order_id[-2:]: row for row in told("orders", "every status").good}

    assert by_number["01"].updated_at is None  # 1980: unset
    assert by_number["02"].trigger_price == 1500
    assert (by_number["03"].status, by_number["03"].filled_quantity) == (Status.CANCELLED, 1)
    assert by_number["04"].status_message == "RED:Margin Shortfall"
    assert (by_number["07"].status, by_number["08"].status) == (Status.OPEN, Status.OPEN)
    assert (by_number["09"].status, by_number["09"].variety) == (Status.PENDING, Variety.AMO)
    assert (by_number["10"].product, by_number["10"].variety) == (None, None)  # a cover order
    assert by_number["10"].parent_order_id == "26010500000409"
    assert (by_number["11"].validity, by_number["11"].updated_at) == (None, at)  # EOS


def test_a_trail_is_told_oldest_first() -> None:
    statuses = [row.status for row in told("trail").good]

    assert statuses == [Status.OPEN, Status.PARTIALLY_FILLED]


def test_a_fill_is_read() -> None:
    (fill,) = told("trades").good

    assert (fill.trade_id, fill.quantity, fill.price) == ("75001", 1, Decimal("1510.45"))
    assert fill.at == at.replace(second=11)


def test_triggers_are_read_by_ascending_price_and_alerts_left_out() -> None:
    one, two = told("gtts").good

    below = GttLeg(trigger_price=Decimal(1475), side=Side.SELL, quantity=2, price=Decimal(1470))
    assert one.legs == (below,)
    assert [leg.trigger_price for leg in two.legs] == [1480, 1560]


def test_a_portfolio_is_reckoned() -> None:
    short, carried = told("positions").good
    (held,) = told("holdings").good
    (funds,) = told("funds")

    assert (short.quantity, short.realised, short.pnl) == (-3, 4, Decimal("11.5"))
    assert (short.buy_quantity, short.sell_value) == (2, 7555)
    assert (carried.overnight_quantity, carried.product) == (75, Product.NRML)
    assert (held.symbol, held.quantity) == ("NSE:INFY", 10 + 4 + 5 + 3 - 1)
    assert (held.t1_quantity, held.collateral_quantity, held.used_quantity) == (3, 5, 1)
    assert (funds.available, funds.used) == (Decimal("40499.5"), Decimal("12500.5"))


def test_a_margin_is_what_is_left_after_hedges() -> None:
    assert told("margin", "one").needed == Decimal("1510.5")
    assert told("margin", "basket").needed == 120_000


def test_a_quote_has_its_levels_and_an_index_none() -> None:
    quotes = told("quotes")
    quote, index = quotes["NSE:INFY"], quotes["NSE_INDEX:NIFTY"]

    assert (quote.last_price, quote.close_price, quote.volume) == (Decimal("1510.5"), 1498, 902113)
    assert (quote.lower_circuit, quote.upper_circuit) == (Decimal("1348.2"), Decimal("1647.8"))
    assert quote.depth.buy[0] == Level(Decimal("1510.4"), 40, 2)
    assert (len(quote.depth.buy), len(quote.depth.sell)) == (5, 4)  # one is empty
    assert (index.depth, index.volume) == (Depth((), ()), None)


def test_candles_come_without_empty_ones_and_days_are_at_midnight() -> None:
    second, first = told("candles", "5m")
    days = told("candles", "1d")

    assert (first.at, second.at) == (
        at.replace(minute=15, second=0, hour=9),
        at.replace(minute=20, second=0),
    )
    assert (second.open, second.close, second.volume) == (1500, 1502, 900)
    assert [day.at for day in days] == [datetime(2026, 1, day, tzinfo=IST) for day in (5, 2)]


def sent(adapter: Any, operation: str, about: str) -> bytes:
    one = next(c for c in S.of(operation) if about in c.about)
    return bytes(Bench(adapter, S, "").play(one).requests[-1].body()[1])


def test_a_market_order_goes_out_as_a_limit_on_a_tick_of_the_quotes() -> None:
    assert b'"prc":"1555.8"' in sent(
        SHOONYA, "place", "MARKET: a limit"
    )  # 3 % above, a tick of 0.1
    assert b'"prc":"1348.2"' in sent(SHOONYA, "place", "band cut")  # the day's lower limit
    assert b'"prc":"1455"' in sent(SHOONYA, "place", "SL-M")


def test_the_token_goes_where_the_member_wants_it() -> None:
    bench = Bench(FLATTRADE, SAMPLES[FLATTRADE], "")
    keyed = bench.play(S.of("orders")[0]).requests[0]
    bearer = Bench(ZEBU, S, "").play(S.of("orders")[0]).requests[0]

    assert keyed.body()[1].endswith(b"}&jKey=the-session-token")
    assert keyed.headers == ()
    assert b"jKey" not in bearer.body()[1]
    assert bearer.headers == (("Authorization", "Bearer the-session-token"),)


def test_an_ampersand_never_cuts_the_body() -> None:
    body = sent(SHOONYA, "place", "ampersand")

    assert b'"tsym":"M%26M-EQ"' in body
    assert b"&" not in body


@pytest.mark.parametrize("about", ["a life in seconds", "the broker's page"])
def test_a_session_tells_its_end(about: str) -> None:
    ends = {"a life in seconds": (5, 9, 45), "the broker's page": (6, 6, 0)}[about]
    day, hour, minute = ends

    assert told("login", about).expires_at == datetime(2026, 1, day, hour, minute, tzinfo=IST)


# The instrument files


def listed(adapter: Any) -> dict[str, Instrument]:
    content = SAMPLES[adapter].bytes_of("instruments.csv")
    return {one.symbol: one for one in adapter.parse_master(content, DAY)}


def test_names_lots_and_ticks_of_the_files() -> None:
    found = listed(SHOONYA)

    assert set(found) == {
        "NSE:INFY",
        "NSE:M&M",
        "NSE:XYZ-BE",
        "NSE_INDEX:NIFTY",
        "BSE:INFY",
        "BSE_INDEX:SENSEX",
        "NFO:NIFTY27JAN26FUT",
        "NFO:NIFTY27JAN2625000CE",
        "NFO:NIFTY27JAN2625000PE",
        "BFO:SENSEX29JAN2682000CE",
        "CDS:USDINR28JAN26FUT",
        "CDS:EURINR28JAN26FUT",
        "MCX:CRUDEOIL19JAN26FUT",
    }
    assert found["NSE:INFY"].tick_size == Decimal("0.1")  # paise in the file
    assert found["NFO:NIFTY27JAN26FUT"].tick_size == Decimal("0.1")  # rupees
    assert found["NFO:NIFTY27JAN2625000CE"].strike == 25_000
    assert found["NFO:NIFTY27JAN26FUT"].instrument_token == "NFO|52175"
    assert found["NSE_INDEX:NIFTY"].broker_symbol == "Nifty 50"
    assert found["NSE_INDEX:NIFTY"].kind is InstrumentKind.INDEX


def test_a_size_that_the_exchanges_table_does_not_confirm_is_none() -> None:
    found = listed(SHOONYA)

    assert (found["MCX:CRUDEOIL19JAN26FUT"].lot_size, found["CDS:USDINR28JAN26FUT"].lot_size) == (
        100,
        1000,
    )
    assert found["CDS:EURINR28JAN26FUT"].lot_size is None


def test_flattrades_files_have_other_columns_and_no_ticks() -> None:
    found = listed(FLATTRADE)

    assert len(found) == 8
    assert found["NFO:NIFTY27JAN2625000CE"].tick_size == Decimal("0.01")
    assert found["CDS:USDINR28JAN26FUT"].tick_size == Decimal("0.0025")
    assert found["BSE:INFY"].exchange is Exchange.BSE


@pytest.mark.parametrize(
    "spoil", [lambda zip_: zip_[:200], lambda zip_: b"PK" + b"\0" * 40], ids=["cut", "empty"]
)
def test_a_zip_that_is_cut_is_no_file(spoil: Callable[[bytes], bytes]) -> None:
    dialogue = SHOONYA.master(S.session)
    next(dialogue)

    with pytest.raises(BrokerError) as error:
        dialogue.send(HttpResponse(200, (), spoil(S.bytes_of("NSE_symbols.txt.zip"))))

    assert error.value.fault is Fault.UNREADABLE


def test_a_zip_that_is_damaged_within_is_no_file() -> None:
    content = bytearray(S.bytes_of("NSE_symbols.txt.zip"))
    content[60] ^= 0xFF
    dialogue = SHOONYA.master(S.session)
    next(dialogue)

    with pytest.raises(BrokerError) as error:
        dialogue.send(HttpResponse(200, (), bytes(content)))

    assert error.value.fault is Fault.UNREADABLE


def test_an_order_whose_quantity_nobody_understands_is_unreadable() -> None:
    row = (
        S.bytes_of("orders.json").replace(b'"NSE"', b'"MCX"').replace(b"INFY-EQ", b"UNHEARD19JAN26")
    )
    dialogue = SHOONYA.orders(S.session, Listed(()))
    next(dialogue)

    with pytest.raises(StopIteration) as end:
        dialogue.send(HttpResponse(200, (), row))

    assert (len(end.value.value.good), len(end.value.value.bad)) == (0, 2)


def test_a_protection_of_nothing_is_refused_before_anything_is_asked() -> None:
    order = NewOrder(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=1,
        type=OrderType.MARKET,
        product=Product.CNC,
        tag=None,
        market_protection=Decimal(0),
    )

    with pytest.raises(BrokerError, match="above 0"):
        next(SHOONYA.place(S.session, order, INFY))
