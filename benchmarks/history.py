"""A journal of many days, written by the real code for records and lines, only without a sync for each batch.

A day has 5,000 orders, what a broker lets through: asked for, taken, filled whole, shown as filled, four records each. The
last day is yesterday, so that no book of today has to hold any of them.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from ordod.adapter import IST
from ordod.core.orders.format import Codec, body
from ordod.core.orders.journal import SEGMENT_BYTES_MAX
from ordod.core.orders.keys import fingerprint, make_tag
from ordod.core.orders.records import (
    FORMAT,
    Accepted,
    AccountNote,
    Close,
    Filled,
    Intent,
    Open,
    Record,
    Seal,
    Update,
)
from ordod.core.orders.segments import path_of
from ordod.domain.orders import BrokerOrder, Fill, OrderTerms, OrderType, Product, Side, Status
from ordod.io.files import Files
from ordod.paper import PAPER

__all__ = ["write"]

ORDERS_A_DAY = 5_000
RECORDS_AN_ORDER = 4
ORDERS_A_BATCH = 10  # a bot that sends in bursts; a batch is at most this and a seal
SYMBOLS = ("NSE:INFY", "NSE:SBIN", "NSE:TCS", "NFO:NIFTY24NOV26FUT")
INSTALLATION = "0123456789abcdef"
USER = "paper"  # an account's name, at the paper broker


def write(state: Path, records: int) -> None:
    """A state directory whose journal has at least so many records; none: not even a journal."""
    if not records:
        return
    disk = Files(state)
    try:
        identity = disk.identity()
        opening = Open(
            format=FORMAT,
            epoch="fedcba9876543210",
            machine=identity.machine,
            inode=identity.inode,
            installation=INSTALLATION,
        )
        (state / "journal").mkdir(mode=0o700)
        orders = records // RECORDS_AN_ORDER
        _write_days(state, opening, -(-orders // ORDERS_A_DAY), min(orders, ORDERS_A_DAY))
    finally:
        disk.close()


def _write_days(state: Path, opening: Open, days: int, orders_a_day: int) -> None:
    codec = Codec(None)
    seq, batch, digest = 0, 0, ""
    nine = datetime.now(IST).replace(hour=9, minute=15, second=0, microsecond=0)
    pending: list[bytes] = []
    for day in range(days):
        begin = nine - timedelta(days=days - day)
        first, size = seq + 1, 0
        for at, records in _day(begin, day, orders_a_day):
            if size > SEGMENT_BYTES_MAX:
                _store(state, first, pending)
                first, size, pending = seq + 1, 0, []
            if not pending:
                goes_on = [body(_opened(opening, digest))]
                data, digest = codec.lines(
                    goes_on, seq=seq + 1, batch=batch + 1, at=at, previous=digest
                )
                seq, batch, size = seq + 1, batch + 1, size + len(data)
                pending.append(data)
            bodies = [body(record) for record in records]
            data, digest = codec.lines(bodies, seq=seq + 1, batch=batch + 1, at=at, previous=digest)
            seq, batch, size = seq + len(bodies), batch + 1, size + len(data)
            pending.append(data)
        _store(state, first, pending)
        pending = []


def _opened(opening: Open, previous: str) -> Open:
    return Open(
        format=opening.format,
        epoch=opening.epoch,
        machine=opening.machine,
        inode=opening.inode,
        installation=opening.installation,
        previous=previous,
    )


def _store(state: Path, first: int, parts: list[bytes]) -> None:
    path = state / path_of(first)
    path.touch(mode=0o600)
    path.write_bytes(b"".join(parts))


def _day(begin: datetime, day: int, orders: int) -> Iterator[tuple[datetime, list[Record]]]:
    """Batches of one day, each with its time."""
    yield begin, [AccountNote(account=USER, event="active", user=USER)]
    step = timedelta(hours=6) / orders
    batch: list[Record] = []
    for number in range(orders):
        at = begin + step * number
        batch += _order(at, day * ORDERS_A_DAY + number)
        if len(batch) >= ORDERS_A_BATCH * RECORDS_AN_ORDER:
            yield at, batch
            batch = []
    end = begin + timedelta(hours=6)
    yield end, [*batch, Close()]
    yield end, [Seal()]


def _order(at: datetime, number: int) -> list[Record]:
    order_id = f"o{int(at.timestamp() * 1000):011x}01234567{number:04x}"
    key = f"momentum-{at:%Y%m%d}-{number:08d}"
    broker_id = f"{at:%y%m%d}{number:09d}"
    symbol, side = SYMBOLS[number % len(SYMBOLS)], (Side.BUY, Side.SELL)[number % 2]
    price = Decimal(1_400_00 + number % 5_000 * 5) / 100
    quantity = 1 + number % 100
    terms = OrderTerms(
        symbol=symbol,
        side=side,
        quantity=quantity,
        type=OrderType.LIMIT,
        product=Product.MIS,
        price=price,
    )
    assert PAPER.spec.tag is not None
    tag = make_tag(INSTALLATION, USER, key, "", PAPER.spec.tag)
    fill = Fill(
        trade_id=f"{number}",
        broker_order_id=broker_id,
        symbol=symbol,
        side=side,
        quantity=quantity,
        price=price,
        product=Product.MIS,
        at=at,
    )
    row = BrokerOrder(
        broker_order_id=broker_id,
        status=Status.FILLED,
        symbol=symbol,
        side=side,
        quantity=quantity,
        type=OrderType.LIMIT,
        product=Product.MIS,
        validity=terms.validity,
        variety=terms.variety,
        price=price,
        filled_quantity=quantity,
        average_price=price,
        exchange_order_id=f"1{number:015d}",
        tags=(tag,),
        placed_at=at,
        updated_at=at,
    )
    intent = Intent(
        id=order_id,
        operation="place",
        account=USER,
        user=USER,
        key=key,
        fingerprint=fingerprint(terms, "momentum"),
        caller="uid 1000",
        tag=tag,
        strategy="momentum",
        symbol_written=symbol,
        order=terms,
    )
    return [
        intent,
        Accepted(id=order_id, broker_id=broker_id),
        Filled(id=order_id, fill=fill),
        Update(id=order_id, row=row, status=Status.FILLED),
    ]
