"""quote, candles, chain, market, search."""

from datetime import datetime, timedelta

from ordoctl import requests
from ordoctl.commands import tables
from ordoctl.commands.terminal import DONE, NO, Misuse, Terminal
from ordoctl.ist import IST

__all__ = ["candles", "chain", "market", "quote", "search"]


def quote(terminal: Terminal) -> int:
    args = terminal.args
    ask = requests.depth if args.depth else requests.quote
    quotes = terminal.show(
        ask(args.symbols, args.account),
        lambda found: (tables.depth if args.depth else tables.quotes)(found),
    )
    if not quotes.missing:
        return DONE
    terminal.say(f"nothing known of {', '.join(quotes.missing)}")
    return NO


def candles(terminal: Terminal) -> int:
    args = terminal.args
    end = _instant(args.end) if args.end else datetime.now(IST)
    start = _instant(args.start) if args.start else _usual_start(args.interval, end)
    with terminal.progress("asking the broker") as told:
        terminal.show(
            requests.candles(args.symbol, args.interval, start, end, args.account, progress=told),
            lambda result: tables.Plot(result) if args.plot else tables.candles(result),
        )
    return DONE


def chain(terminal: Terminal) -> int:
    args = terminal.args
    underlying = args.underlying.upper()
    found = terminal.show(
        requests.option_chain(
            underlying if ":" in underlying else f"NFO:{underlying}",
            expiry=args.expiry,
            strikes=args.strikes,
            rate_percent=args.rate_percent,
            account=args.account,
        ),
        lambda answer: tables.chain(answer),
    )
    if not found.missing:
        return DONE
    terminal.say(f"nothing known of {', '.join(found.missing)}")
    return NO


def market(terminal: Terminal) -> int:
    args = terminal.args
    if not args.holidays:
        status = terminal.show(
            requests.market_status(args.exchanges or None), lambda found: tables.markets(found)
        )
        _tell_problem(terminal, status.problem)
        return DONE
    if len(args.exchanges) > 1:
        raise Misuse("--holidays takes one exchange, or none for all")
    exchange = args.exchanges[0] if args.exchanges else None
    days = terminal.show(
        requests.holidays(args.year, exchange), lambda found: tables.holidays(found)
    )
    _tell_problem(terminal, days.problem)
    return DONE


def _tell_problem(terminal: Terminal, problem: str | None) -> None:
    if problem:
        terminal.say(f"{problem}. Until it is mended the built-in calendar serves")


def search(terminal: Terminal) -> int:
    args = terminal.args
    found = terminal.show(
        requests.instrument_search(" ".join(args.words), account=args.account, limit=args.limit),
        lambda result: tables.instruments(result),
    )
    return DONE if found else NO


def _instant(text: str) -> datetime:
    """A date or a time; IST where it has no offset."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Misuse(f"{text!r} is no time: 2026-11-23 or 2026-11-23T09:15") from None
    if not 1900 < instant.year < 2200:
        raise Misuse(f"{text!r}: there are no prices of that year")
    return instant if instant.tzinfo else instant.replace(tzinfo=IST)


def _usual_start(interval: str, end: datetime) -> datetime:
    if interval == "1d":
        return end - timedelta(days=365)
    return end.astimezone(IST).replace(hour=0, minute=0, second=0, microsecond=0)
