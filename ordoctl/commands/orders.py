"""place, modify, cancel, order, orders, trades, resolve."""

from ordoctl import requests
from ordoctl.commands import tables
from ordoctl.commands.terminal import DONE, IN_DOUBT, NO, Misuse, Terminal
from ordoctl.models import Change, Order

__all__ = ["cancel", "modify", "order", "orders", "place", "resolve", "trades"]


def place(terminal: Terminal) -> int:
    args = terminal.args
    account = terminal.account()
    kind = args.type or _type_of(args.price, args.trigger_price)
    request = requests.place(
        account,
        args.symbol,
        args.side,
        args.quantity,
        kind,
        args.product,
        price=args.price,
        trigger_price=args.trigger_price,
        validity=args.validity,
        validity_minutes=args.validity_minutes,
        variety=args.variety,
        iceberg_legs=args.iceberg_legs,
        disclosed_quantity=args.disclosed_quantity,
        market_protection=args.market_protection,
        strategy=args.strategy,
        key=args.key,
        dry_run=args.dry_run or None,
    )
    prices = [f"at {args.price}" if args.price else "", _trigger(args.trigger_price)]
    words = [args.side, str(args.quantity), args.symbol, kind, *prices, args.product]
    if not args.dry_run and not is_agreed(terminal, account, " ".join(filter(None, words))):
        terminal.say("nothing was placed")
        return NO
    if args.key is None and not terminal.is_json:
        terminal.say(f"key {request.key}")
    placed = terminal.show(request, lambda result: tables.order(result))
    if placed.unchecked and not terminal.is_json:
        terminal.say(f"passed for want of a fresh price: {', '.join(placed.unchecked)}")
    return _status(placed)


def modify(terminal: Terminal) -> int:
    args = terminal.args
    order_id, account, key = _which(terminal)
    changes = {
        "price": args.price,
        "trigger_price": args.trigger_price,
        "quantity": args.quantity,
        "type": args.type,
        "validity": args.validity,
        "disclosed_quantity": args.disclosed_quantity,
    }
    if not any(changes.values()):
        raise Misuse("say what to change: --price, --trigger, --quantity, --type, --validity")
    request = requests.modify(order_id, account=account, key=key, **changes)
    return _changed(terminal, terminal.show(request, lambda result: tables.change(result)))


def cancel(terminal: Terminal) -> int:
    args = terminal.args
    if not args.all:
        if args.strategy or args.symbol:
            raise Misuse("--strategy and --symbol go with --all")
        order_id, account, key = _which(terminal)
        request = requests.cancel(order_id, account=account, key=key)
        return _changed(terminal, terminal.show(request, lambda result: tables.change(result)))
    if args.order_id or args.key:
        raise Misuse("either one order or --all")
    results = terminal.show(
        requests.cancel_all(args.account, args.strategy, args.symbol),
        lambda result: tables.cancelled(result),
    )
    if any(result.error for result in results):
        return NO
    return IN_DOUBT if any(result.change == "in_doubt" for result in results) else DONE


def order(terminal: Terminal) -> int:
    args = terminal.args
    order_id, account, key = _which(terminal)
    if args.history:
        request = requests.order_history(order_id, account=account, key=key)
        terminal.show(request, lambda result: tables.history(result))
        return DONE
    wait_ms = int(args.wait * 1000) if args.wait else None
    return _status(
        terminal.show(
            requests.order_get(order_id, account=account, key=key, wait_ms=wait_ms),
            lambda result: tables.order(result),
        )
    )


def orders(terminal: Terminal) -> int:
    args = terminal.args
    page = terminal.show(
        requests.order_list(
            args.account, args.strategy, args.symbol, args.status, args.limit, args.after
        ),
        lambda result: tables.orders(result),
    )
    _say_more(terminal, page.next)
    return DONE


def trades(terminal: Terminal) -> int:
    args = terminal.args
    page = terminal.show(
        requests.order_trades(args.account, args.strategy, args.symbol, args.limit, args.after),
        lambda result: tables.trades(result),
    )
    _say_more(terminal, page.next)
    return DONE


def resolve(terminal: Terminal) -> int:
    args = terminal.args
    if (args.outcome == "placed") != bool(args.broker_order_id):
        raise Misuse("--broker-order-id goes with placed, and only with it")
    request = requests.order_resolve(
        terminal.account(),
        args.key,
        args.outcome,
        args.reason,
        broker_order_id=args.broker_order_id,
    )
    return _status(terminal.show(request, lambda result: tables.order(result)))


def is_agreed(terminal: Terminal, account: str, what: str) -> bool:
    """Whether it may go out: asked only of a person, and only where it costs money."""
    if terminal.args.yes or terminal.is_json or not terminal.is_interactive:
        return True
    known = next((one for one in terminal.accounts() if one.account == account), None)
    if known is not None and known.is_real is False:
        return True
    return terminal.confirm(f"{what}, at {account} ({known.broker if known else 'unknown'})?")


def _type_of(price: str | None, trigger_price: str | None) -> str:
    if trigger_price is not None:
        return "SL-M" if price is None else "SL"
    return "MARKET" if price is None else "LIMIT"


def _trigger(trigger_price: str | None) -> str:
    return f"when {trigger_price} is reached" if trigger_price else ""


def _which(terminal: Terminal) -> tuple[str | None, str | None, str | None]:
    """order_id, or account and key."""
    args = terminal.args
    if (args.order_id is None) == (args.key is None):
        raise Misuse("name the order: its order_id, or --key KEY")
    if args.order_id is not None:
        return args.order_id, None, None
    return None, terminal.account(), args.key


def _status(order: Order) -> int:
    return IN_DOUBT if order.is_in_doubt else DONE


def _changed(terminal: Terminal, change: Change) -> int:
    if change.change != "in_doubt":
        return DONE
    terminal.say("asked for, and not seen yet; `ordoctl order` tells when it is")
    return IN_DOUBT


def _say_more(terminal: Terminal, after: str | int | None) -> None:
    if after is not None and not terminal.is_json:
        terminal.say(f"there are more: --after {after}")
