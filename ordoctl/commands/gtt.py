"""gtt list, place, modify, cancel."""

import argparse
from decimal import Decimal, InvalidOperation

from ordoctl import requests
from ordoctl.commands import tables
from ordoctl.commands.orders import is_agreed
from ordoctl.commands.terminal import DONE, IN_DOUBT, NO, Misuse, Terminal
from ordoctl.models import GttChange, GttLeg
from ordoctl.requests import Request

__all__ = ["cancel", "listing", "modify", "place"]


def listing(terminal: Terminal) -> int:
    terminal.show(requests.gtt_list(terminal.account()), lambda result: tables.gtts(result))
    return DONE


def place(terminal: Terminal) -> int:
    args = terminal.args
    account, legs = terminal.account(), _legs(args)
    said = "; ".join(
        f"{leg.side} {leg.quantity} at {leg.price}, when {leg.trigger_price} is reached"
        for leg in legs
    )
    if not is_agreed(terminal, account, f"GTT of {args.symbol}: {said}"):
        terminal.say("nothing was placed")
        return NO
    return _changed(terminal, requests.gtt_place(account, args.symbol, legs, key=args.key))


def modify(terminal: Terminal) -> int:
    args = terminal.args
    account, legs = terminal.account(), _legs(args)
    request = requests.gtt_modify(account, args.gtt_id, args.symbol, legs, key=args.key)
    return _changed(terminal, request)


def cancel(terminal: Terminal) -> int:
    args = terminal.args
    return _changed(terminal, requests.gtt_cancel(terminal.account(), args.gtt_id, key=args.key))


def _changed(terminal: Terminal, request: Request[GttChange]) -> int:
    if terminal.args.key is None and not terminal.is_json:
        terminal.say(f"key {request.key}")
    change = terminal.show(request, lambda result: tables.gtt_change(result))
    return IN_DOUBT if change.change == "in_doubt" else DONE


def _legs(args: argparse.Namespace) -> list[GttLeg]:
    legs = []
    for side, quantity, trigger, price in args.legs:
        if side.upper() not in ("BUY", "SELL"):
            raise Misuse(f"--leg {side}: BUY or SELL comes first")
        if not (quantity.isascii() and quantity.isdigit() and int(quantity) > 0):
            raise Misuse(f"--leg: {quantity!r} is not a whole number above 0")
        legs.append(
            GttLeg(
                side=side.upper(),
                quantity=int(quantity),
                trigger_price=_rupees(trigger),
                price=_rupees(price),
                product=args.product,
            )
        )
    return legs


def _rupees(text: str) -> Decimal:
    try:
        amount = Decimal(text.replace(",", ""))
    except InvalidOperation:
        raise Misuse(f"--leg: {text!r} is not an amount in rupees") from None
    if not amount.is_finite() or amount < 0:
        raise Misuse(f"--leg: {text!r} is not an amount in rupees")
    return amount
