"""Answers as a person wants to read them: tables, IST, rupees grouped as in India.

What comes from outside is put in as plain text, never as markup, and without control characters.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ordoctl.ist import IST
from ordoctl.models import (
    Account,
    AccountFunds,
    AccountHoldings,
    AccountPositions,
    CancelResult,
    Candle,
    Change,
    Failure,
    Gtt,
    GttChange,
    Instrument,
    KillAnswer,
    KillScope,
    KillStatus,
    Level,
    LoginState,
    Order,
    OrderPage,
    Quotes,
    Status,
    TradePage,
)

if TYPE_CHECKING:
    from ordoctl.offline import Report

__all__ = [
    "cancelled",
    "candles",
    "change",
    "console",
    "depth",
    "funds",
    "gtt_change",
    "gtts",
    "history",
    "holdings",
    "instruments",
    "journal",
    "killed",
    "login",
    "order",
    "orders",
    "positions",
    "quotes",
    "released",
    "rupees",
    "status",
    "trades",
    "when",
]

NOTHING = "-"
FOLDED_COLUMNS = 20  # a column that may fold gets at least so many
PIPE_COLUMNS = 1000  # into a file or a pipe nothing is cut or folded
_OF_THE_JOURNAL = (
    "seq",
    "at",
    "type",
    "hash",
    "batch",
)  # in a column of their own, or of no interest
STYLES = {
    "BUY": "green",
    "SELL": "red",
    "FILLED": "green",
    "PARTIALLY_FILLED": "cyan",
    "OPEN": "cyan",
    "TRIGGER_PENDING": "cyan",
    "PENDING": "cyan",
    "REJECTED": "red",
    "NOT_PLACED": "red",
    "CANCELLED": "dim",
    "EXPIRED": "dim",
    "IN_DOUBT": "bold yellow",
    "ACTIVE": "green",
    "TRIGGERED": "green",
    "DENIED": "bold red",
    "DISABLED": "dim",
}


def console(file: TextIO) -> Console:
    """Where tables go. A pipe gets them whole and plain."""
    width = None if file.isatty() else PIPE_COLUMNS
    return _Console(file=file, width=width, markup=False, emoji=False, highlight=False)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Left to `main`, as with everything else that is printed; rich would exit with 1, the daemon's no."""
        raise BrokenPipeError


# Orders


def order(order: Order) -> RenderableType:
    facts: list[tuple[str, RenderableType]] = [
        ("order", _text(order.order_id)),
        ("status", _word(order.status)),
        ("", _text(order.status_message or "")),
        ("what", _what(order)),
        ("filled", _text(_filled(order))),
        ("account", _text(order.account)),
        ("strategy", _text(order.strategy or "")),
        ("key", _text(order.key or "placed elsewhere")),
        ("tag", _text(order.tag or "")),
        ("broker's id", _text(order.broker_order_id or "")),
        ("exchange's id", _text(order.exchange_order_id or "")),
        ("placed", _text(when(order.placed_at, exactly=True))),
        ("updated", _text(when(order.updated_at, exactly=True))),
        ("in doubt since", _text(when(order.since, exactly=True))),
        ("looked for at", _text(when(order.next_check, exactly=True))),
        ("", _text("this key had been sent before" if order.replayed else "")),
    ]
    table = Table.grid(padding=(0, 2))
    for name, fact in facts:
        if str(fact) not in ("", NOTHING):
            table.add_row(Text(name, style="dim"), fact)
    return table


def change(change: Change) -> RenderableType:
    return order(change.order)


def orders(page: OrderPage) -> RenderableType:
    if not page.orders:
        return Text("no orders")
    several, strategies = _several(page), any(one.strategy for one in page)
    table = _Grid(
        "time?",
        "account?" if several else None,
        "order",
        "strategy?" if strategies else None,
        "side",
        "quantity>",
        "symbol",
        "price>",
        "product?",
        "status",
        "average>?",
    )
    for one in page:
        table.row(
            _day_or_clock(one.placed_at),
            one.account if several else None,
            one.order_id,
            (one.strategy or "") if strategies else None,
            _word(one.side),
            _filled_of(one),
            one.symbol,
            _price_asked(one),
            one.product or NOTHING,
            _word(one.status),
            rupees(one.average_price),
        )
    notes = [_text(f"{o.order_id}: {o.status_message}", "dim") for o in page if o.status_message]
    return Group(table, *notes)


def trades(page: TradePage) -> RenderableType:
    if not page.trades:
        return Text("no trades")
    several = _several(page)
    table = _Grid(
        "time?",
        "account?" if several else None,
        "trade?",
        "order",
        "side",
        "quantity>",
        "symbol",
        "price>",
        "value>?",
        "product?",
    )
    for one in page:
        table.row(
            _day_or_clock(one.at),
            one.account if several else None,
            one.trade_id,
            one.order_id or one.broker_order_id or NOTHING,
            _word(one.side),
            _grouped(one.quantity),
            one.symbol,
            rupees(one.price),
            rupees(one.price * one.quantity),
            one.product or NOTHING,
        )
    return table


def cancelled(results: Sequence[CancelResult]) -> RenderableType:
    if not results:
        return Text("nothing was open")
    table = _Grid("order", "account", "cancel", "status", "note~")
    for one in results:
        outcome = "refused" if one.error else (one.change or NOTHING)
        table.row(
            one.order_id,
            one.account,
            _word(outcome, {"done": "green", "in_doubt": "bold yellow", "refused": "red"}),
            _word(one.order.status) if one.order else NOTHING,
            _failure(one.error) if one.error else "",
        )
    return table


def history(records: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Records or journal entries: what all have in columns, the rest in words."""
    if not records:
        return Text("nothing")
    table = _Grid("seq>", "time", "type", "what~")
    for one in records:
        rest = {name: value for name, value in one.items() if name not in _OF_THE_JOURNAL}
        at = one.get("at")
        table.row(
            str(one.get("seq", NOTHING)),
            _written_when(at) if isinstance(at, str) else NOTHING,
            str(one.get("type", NOTHING)),
            _flat(rest),
        )
    return table


# Portfolio


def positions(accounts: Sequence[AccountPositions]) -> RenderableType:
    return _by_account(accounts, "positions", _positions)


def _positions(account: AccountPositions) -> RenderableType:
    if not account.positions:
        return Text("no positions")
    total = sum((one.pnl for one in account.positions if one.pnl is not None), Decimal(0))
    table = _Grid(
        "symbol",
        "product",
        "quantity>",
        "average>",
        "last>",
        "P&L>",
        footer={"symbol": "total", "P&L": _gain(total)},
    )
    for one in account.positions:
        table.row(
            one.symbol,
            one.product or NOTHING,
            _grouped(one.quantity),
            rupees(one.average_price),
            rupees(one.last_price),
            _gain(one.pnl),
        )
    return table


def holdings(accounts: Sequence[AccountHoldings]) -> RenderableType:
    return _by_account(accounts, "holdings", _holdings)


def _holdings(account: AccountHoldings) -> RenderableType:
    if not account.holdings:
        return Text("no holdings")
    values = [
        one.last_price * one.quantity if one.last_price is not None else None
        for one in account.holdings
    ]
    total = sum((value for value in values if value is not None), Decimal(0))
    gain = sum((one.pnl for one in account.holdings if one.pnl is not None), Decimal(0))
    table = _Grid(
        "symbol",
        "quantity>",
        "T1>?",
        "pledged>?",
        "average>",
        "last>",
        "value>",
        "P&L>",
        footer={"symbol": "total", "value": _text(rupees(total)), "P&L": _gain(gain)},
    )
    for one, value in zip(account.holdings, values, strict=True):
        table.row(
            one.symbol,
            _grouped(one.quantity),
            str(one.t1_quantity or ""),
            str(one.collateral_quantity or ""),
            rupees(one.average_price),
            rupees(one.last_price),
            rupees(value),
            _gain(one.pnl),
        )
    return table


def funds(accounts: Sequence[AccountFunds]) -> RenderableType:
    return _by_account(accounts, "funds", _funds)


def _funds(account: AccountFunds) -> RenderableType:
    table = _Grid("segment", "available>", "used>", "cash>", "collateral>?", "opening>?")
    for one in account.funds:
        table.row(
            one.segment,
            Text(rupees(one.available), style="bold"),
            rupees(one.used),
            rupees(one.cash),
            rupees(one.collateral),
            rupees(one.opening),
        )
    return table


# Market


def quotes(answer: Quotes) -> RenderableType:
    table = _Grid(
        "symbol",
        "last>",
        "change>",
        "%>",
        "open>?",
        "high>?",
        "low>?",
        "close>?",
        "volume>?",
        "time?",
    )
    for symbol, one in answer.quotes.items():
        moved = one.last_price - one.close_price if one.last_price and one.close_price else None
        percent = moved / one.close_price * 100 if moved is not None and one.close_price else None
        table.row(
            symbol,
            Text(rupees(one.last_price), style="bold"),
            _gain(moved),
            _gain(percent),
            rupees(one.open_price),
            rupees(one.high_price),
            rupees(one.low_price),
            rupees(one.close_price),
            _grouped(one.volume),
            when(one.at),
        )
    return table


def depth(answer: Quotes) -> RenderableType:
    ladders: list[RenderableType] = []
    for symbol, one in answer.quotes.items():
        buy, sell = (one.depth.buy, one.depth.sell) if one.depth else (one.buy, one.sell)
        title = f"{symbol}  {rupees(one.last_price)}" if one.last_price else symbol
        table = _Grid("orders>", "quantity>", "buy>", "sell", "quantity>", "orders>", title=title)
        for level in range(max(len(buy), len(sell))):
            table.row(
                *_level(buy, level, "green"),
                *reversed(_level(sell, level, "red")),
            )
        ladders.append(table)
    return Group(*ladders)


def _level(side: Sequence[Level], at: int, style: str) -> tuple[str, str, RenderableType]:
    if at >= len(side):
        return "", "", ""
    level = side[at]
    orders = _grouped(level.orders) if level.orders is not None else ""
    return orders, _grouped(level.quantity), Text(rupees(level.price), style=style)


def candles(candles: Sequence[Candle]) -> RenderableType:
    if not candles:
        return Text("no candles")
    interest = any(one.oi is not None for one in candles)
    table = _Grid(
        "time", "open>", "high>", "low>", "close>", "volume>", "interest>" if interest else None
    )
    for one in candles:
        table.row(
            _day_and_minute(one.at),
            rupees(one.open),
            rupees(one.high),
            rupees(one.low),
            rupees(one.close),
            _grouped(one.volume),
            _grouped(one.oi) if interest else None,
        )
    return table


def instruments(found: Sequence[Instrument]) -> RenderableType:
    if not found:
        return Text("nothing found")
    table = _Grid("symbol", "kind?", "name~", "lot>", "tick>?", "expiry", "strike>", "freeze>?")
    for one in found:
        table.row(
            one.symbol,
            one.kind,
            one.name,
            _grouped(one.lot_size),
            rupees(one.tick_size),
            f"{one.expiry:%d %b %Y}" if one.expiry else "",
            rupees(one.strike) if one.strike is not None else "",
            _grouped(one.freeze_quantity) if one.freeze_quantity is not None else "",
        )
    return table


# GTT


def gtts(found: Sequence[Gtt]) -> RenderableType:
    if not found:
        return Text("no GTTs")
    table = _Grid(
        "gtt",
        "symbol",
        "status",
        "side",
        "quantity>",
        "trigger>",
        "price>",
        "product",
        "note~",
    )
    for one in found:
        for number, leg in enumerate(one.legs):
            table.row(
                (one.gtt_id or NOTHING) if not number else "",
                one.symbol if not number else "",
                _word(one.status) if not number else "",
                _word(leg.side),
                _grouped(leg.quantity),
                rupees(leg.trigger_price),
                rupees(leg.price),
                leg.product,
                (one.status_message or "") if not number else "",
            )
    return table


def gtt_change(change: GttChange) -> RenderableType:
    outcome = _word(change.change, {"done": "green", "in_doubt": "bold yellow"})
    return Group(outcome, gtts([change.gtt])) if change.gtt else outcome


# Accounts, kill, journal


def status(status: Status) -> RenderableType:
    journal = status.journal
    facts = [f"ordod {status.version}".strip(), status.state]
    if status.started_at:
        facts.append(f"since {when(status.started_at)}")
    if journal and journal.seq is not None:
        facts.append(f"journal at {journal.seq}:{journal.hash or ''}".rstrip(":"))
    parts: list[RenderableType] = [_text(" · ".join(facts))]
    if journal and journal.failed:
        why = f": {journal.why}" if journal.why else ""
        parts.append(
            _text(
                f"THE DISK FAILED{why}. Nothing more is sent; cancels and kill go on.", "bold red"
            )
        )
    if status.kill and status.kill.engaged:
        parts.append(_kill(status.kill))
    parts.append(_accounts(status.accounts))
    for doubt in status.doubts:
        order = doubt.order
        words = f"IN DOUBT: {order.order_id} {order.side} {order.quantity} {order.symbol} at {order.account}"
        parts.append(_text(f"{words}: {doubt.why}" if doubt.why else words, "bold yellow"))
    if status.todo:
        parts.append(_text(f"→ {status.todo}", "bold"))
    return Group(*parts)


def _accounts(accounts: Sequence[Account]) -> RenderableType:
    if not accounts:
        return Text("no accounts")
    table = _Grid(
        "account", "broker?", "user?", "session", "until?", "trades", "why not~", "to do~"
    )
    for one in accounts:
        trades = {True: "yes", False: "NO", None: NOTHING}[one.can_trade]
        table.row(
            one.account,
            one.broker,
            one.user or NOTHING,
            _word(one.state),
            when(one.expires_at),
            _word(trades, {"yes": "green", "NO": "bold red"}),
            one.why or "",
            one.todo or "",
        )
    return table


def _kill(kill: KillStatus) -> RenderableType:
    lines = [_text(f"KILLED: {_scope(scope)}", "bold red") for scope in kill.scopes]
    if not lines:
        lines = [_text("KILLED", "bold red")]
    if kill.sweep and kill.sweep.running:
        sofar = {name: count for name, count in _told(kill.sweep).items() if name != "running"}
        lines.append(_text(f"cancelling goes on: {_flat(sofar)}", "yellow"))
    return Group(*lines)


def _scope(scope: KillScope) -> str:
    where = [f"account {scope.account}"] if scope.account else []
    where += [f"strategy {scope.strategy}"] if scope.strategy else []
    by = [f"by {scope.caller}"] if scope.caller else []
    by += [f"at {when(scope.at)}"] if scope.at else []
    why = f" ({scope.reason})" if scope.reason else ""
    return f"{', '.join(where) or 'everything'}{why} {' '.join(by)}".rstrip()


def killed(answer: KillAnswer) -> RenderableType:
    told = _told(answer)
    del told["durable"]
    took = f" in {answer.took_ms} ms" if told.pop("took_ms", None) is not None else ""
    return Group(
        _text(f"KILLED{took}", "bold red"), *(_text(f"  {_counted(n, v)}") for n, v in told.items())
    )


def _counted(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"{name}: {len(value)}" + "".join(f"\n    {_flat(one)}" for one in value)
    return f"{name}: {value}"


def released(answer: Mapping[str, Any]) -> RenderableType:
    return _text(f"released: {_flat(answer)}")


def login(state: LoginState) -> RenderableType:
    line = Text.assemble(f"{state.account}: ", _word(state.state))
    return Group(line, _text(state.message)) if state.message else line


def journal(report: "Report") -> RenderableType:
    parts = [_text(f"{report.records} records in {report.segments} files, head {report.head}")]
    if report.torn:
        parts.append(
            _text(f"unfinished at its end (a power cut leaves this): {report.torn}", "yellow")
        )
    parts += [_text(f"set aside: {lost}", "yellow") for lost in report.lost]
    if report.damage:
        parts.append(_text(report.damage.message, "bold red"))
    if report.tampered:
        parts.append(_text(report.tampered, "bold red"))
    if report.good:
        parts.append(_text("whole", "green"))
    return Group(*parts)


# Words and numbers


def rupees(amount: Decimal | None) -> str:
    """12,34,567.50: grouped as in India, two decimals, more where there are more."""
    if amount is None:
        return NOTHING
    sign, text = ("-" if amount < 0 else ""), f"{abs(amount):f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")[:4].ljust(2, "0")
    return f"{sign}{_in_groups(whole)}.{fraction}"


def when(at: datetime | None, *, exactly: bool = False) -> str:
    """IST; the day only where it is not today."""
    if at is None:
        return NOTHING
    there = _in_ist(at)
    clock = f"{there:%H:%M:%S}" + (f".{there.microsecond // 1000:03d}" if exactly else "")
    today = datetime.now(UTC).astimezone(IST).date()
    return clock if there.date() == today else f"{there:%d %b} {clock}"


def _in_ist(at: datetime) -> datetime:
    try:
        return at.astimezone(IST)
    except OverflowError:  # the first or the last day there is
        return at


def _day_or_clock(at: datetime | None) -> str:
    """In lists: the time for today, the day and minute for others."""
    if at is None:
        return NOTHING
    there, today = _in_ist(at), datetime.now(UTC).astimezone(IST).date()
    return f"{there:%H:%M:%S}" if there.date() == today else f"{there:%d %b %H:%M}"


def _written_when(text: str) -> str:
    try:
        return when(datetime.fromisoformat(text), exactly=True)
    except ValueError:
        return text


def _day_and_minute(at: datetime) -> str:
    there = _in_ist(at)
    is_day = (there.hour, there.minute) == (0, 0)
    return f"{there:%d %b %Y}" if is_day else f"{there:%d %b %H:%M}"


def _in_groups(digits: str) -> str:
    head, tail = digits[:-3], digits[-3:]
    groups = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(groups), tail])


def _grouped(number: int | None) -> str:
    if number is None:
        return NOTHING
    return ("-" if number < 0 else "") + _in_groups(str(abs(number)))


def _gain(amount: Decimal | None) -> Text:
    if amount is None:
        return Text(NOTHING)
    shown = Decimal(f"{amount:.2f}")
    style = "green" if shown > 0 else "red" if shown < 0 else ""
    return Text(f"{'+' if shown > 0 else ''}{rupees(shown)}", style=style)


def _what(order: Order) -> Text:
    terms = [order.product, order.validity, order.variety]
    return Text.assemble(
        _word(order.side),
        _plain(f" {order.quantity} {order.symbol} {_price_asked(order)} "),
        _plain(" ".join(term for term in terms if term and term != "REGULAR")),
    )


def _price_asked(order: Order) -> str:
    price = rupees(order.price) if order.price else order.type
    return f"{price} at {rupees(order.trigger_price)}" if order.trigger_price else price


def _filled_of(order: Order) -> str:
    if not order.filled_quantity:
        return _grouped(order.quantity)
    return f"{_grouped(order.filled_quantity)}/{_grouped(order.quantity)}"


def _filled(order: Order) -> str:
    if not order.filled_quantity:
        return ""
    return f"{order.filled_quantity} of {order.quantity} at {rupees(order.average_price)}"


def _failure(failure: Failure) -> str:
    kind = failure.data.get("kind", failure.code)
    return f"{kind}: {failure.message}"


def _told(value: Any) -> dict[str, Any]:
    told = {name: getattr(value, name) for name in value.__struct_fields__}
    return {name: value for name, value in told.items() if value is not None}


def _flat(value: Any) -> str:
    """A value in one line: `a=1 b=x`, nested objects by dotted names."""
    if isinstance(value, Mapping):
        return " ".join(
            _flat_item(str(name), one) for name, one in value.items() if one is not None
        )
    if isinstance(value, list | tuple):
        return ", ".join(_flat(one) for one in value)
    return str(value)


def _flat_item(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(
            _flat_item(f"{name}.{inner}", one) for inner, one in value.items() if one is not None
        )
    return f"{name}={_flat(value)}"


def _several(things: Iterable[Any]) -> bool:
    return len({one.account for one in things}) > 1


def _by_account(accounts: Sequence[Any], what: str, table: Any) -> RenderableType:
    """One table an account, with the time of reading; or why there is none."""
    if not accounts:
        return Text("no accounts")
    parts: list[RenderableType] = []
    for number, one in enumerate(accounts):
        if number:
            parts.append(Text(""))
        read = f", read at {when(one.read_at)}" if one.read_at else ""
        parts.append(_text(f"{one.account}{read}", "bold"))
        if one.error:
            parts.append(_text(f"{what} could not be read: {_failure(one.error)}", "red"))
        else:
            parts.append(table(one))
    return Group(*parts)


# Cells


def _plain(text: str) -> str:
    """Without control characters: a broker's words must not steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _text(text: str, style: str = "") -> Text:
    return Text("\n".join(_plain(line) for line in text.split("\n")), style=style)


def _word(word: str, styles: Mapping[str, str] = STYLES) -> Text:
    return _text(word, styles.get(word, ""))


class _Grid:
    """A table that leaves columns out where it would not fit, and says so.

    A column's name ends in `>` for numbers, in `~` where it may fold, in `?` where it may be left out, from the right. A column None
    is not there; then its cells are None too.
    """

    def __init__(
        self,
        *columns: str | None,
        title: str | None = None,
        footer: Mapping[str, RenderableType] | None = None,
    ) -> None:
        self._columns = [column for column in columns if column is not None]
        self._rows: list[list[RenderableType]] = []
        self._title = title
        self._footer = footer

    def row(self, *cells: RenderableType | None) -> None:
        row: list[RenderableType] = [
            _text(cell) if isinstance(cell, str) else cell for cell in cells if cell is not None
        ]
        assert len(row) == len(self._columns), "a cell for each column"
        self._rows.append(row)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = list(range(len(self._columns)))
        spare = [at for at in reversed(shown) if self._columns[at].endswith("?")]
        table = self._table(shown)
        while (
            spare
            and table.__rich_measure__(console, _unlimited(options)).maximum > options.max_width
        ):
            shown.remove(spare.pop(0))
            table = self._table(shown)
        # What cannot be left out is not cut either (half an order_id is of no use): the terminal folds such lines.
        width = max(options.max_width, self._least_width(shown))
        yield from console.render(table, options.update(max_width=width))
        left_out = [_name(name) for at, name in enumerate(self._columns) if at not in shown]
        if left_out:
            yield Text(f"no room for: {', '.join(left_out)}", style="dim")

    def _least_width(self, shown: Sequence[int]) -> int:
        widths = [
            FOLDED_COLUMNS
            if "~" in self._columns[at]
            else max(
                len(str(cell)) for cell in (_name(self._columns[at]), *(r[at] for r in self._rows))
            )
            for at in shown
        ]
        return sum(widths) + 2 * len(widths)

    def _table(self, shown: Sequence[int]) -> Table:
        table = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            header_style="dim",
            footer_style="bold",
            title=_text(self._title, "bold") if self._title else None,
            title_justify="left",
            show_footer=self._footer is not None,
        )
        for at in shown:
            column = self._columns[at]
            table.add_column(
                Text(_name(column)),
                footer=(self._footer or {}).get(_name(column), ""),
                justify="right" if ">" in column else "left",
                no_wrap="~" not in column,
                overflow="fold",
            )
        for row in self._rows:
            table.add_row(*(row[at] for at in shown))
        return table


def _name(column: str) -> str:
    return column.rstrip(">~?")


def _unlimited(options: ConsoleOptions) -> ConsoleOptions:
    return options.update(max_width=PIPE_COLUMNS)
