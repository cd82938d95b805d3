"""kill and release."""

from pathlib import Path

from ordoctl import requests
from ordoctl.commands import tables
from ordoctl.commands.terminal import DONE, NO, Misuse, Terminal
from ordoctl.discovery import default_state_dir
from ordoctl.errors import NoDaemon, TryAgain

__all__ = ["kill", "release"]


def kill(terminal: Terminal) -> int:
    """Never asks: a second of thought too many can cost more than a kill too many."""
    args = terminal.args
    if args.local:
        return _kill_locally(terminal)
    if args.state:
        raise Misuse("--state goes with --local")
    request = requests.kill_engage(
        args.account,
        args.strategy,
        mode="reduce" if args.reduce else None,
        cancel_open=False if args.keep_open else None,
        square_off=args.square_off or None,
        cancel_gtt=args.cancel_gtt or None,
        reason=args.reason,
    )
    try:
        answer = terminal.show(request, lambda result: tables.killed(result))
    except (NoDaemon, TryAgain):
        terminal.say("ordoctl: to stop it without the daemon's help: ordoctl kill --local")
        raise
    if not answer.durable:
        terminal.say("it is NOT on any disk: it will not outlive the daemon")
    return DONE


def release(terminal: Terminal) -> int:
    args = terminal.args
    terminal.show(
        requests.kill_release(args.reason, args.account, args.strategy),
        lambda result: tables.released(result),
    )
    return DONE


def _kill_locally(terminal: Terminal) -> int:
    from ordoctl.local import GateError, close_gate

    args = terminal.args
    if args.account or args.strategy:
        raise Misuse("--local stops everything; narrower scopes need the daemon")
    state = Path(args.state) if args.state else default_state_dir()
    try:
        closed = close_gate(state, args.reason or "ordoctl kill --local")
    except GateError as why:
        terminal.say(f"ordoctl: {why}")
        return NO
    if terminal.is_json:
        terminal.print_value(closed)
    else:
        terminal.say(
            f"{closed.gate} is closed: no new order leaves. Open orders are NOT cancelled."
        )
        if closed.why_no_file:
            terminal.say(f"but no reason could be left beside it: {closed.why_no_file}")
    return DONE
