"""status, login, logout."""

from ordoctl import requests
from ordoctl.commands import tables
from ordoctl.commands.terminal import DONE, NO, Misuse, Terminal
from ordoctl.models import LoginState

__all__ = ["log_in", "login", "logout", "status"]

ANSWERS_MAX = 5  # a login asks once or twice; one that goes on asking is going round


def status(terminal: Terminal) -> int:
    terminal.show(requests.status(), lambda result: tables.status(result))
    return DONE


def login(terminal: Terminal) -> int:
    """Only a session is success: a script must not go on with a login that still waits."""
    return _told(terminal, log_in(terminal, terminal.account()))


def log_in(terminal: Terminal, account: str) -> LoginState:
    """Log in, as often asking the person as the broker does, and say how far it came."""
    from ordoctl import asking

    state = terminal.ask_daemon(requests.login(account))
    for _ in range(ANSWERS_MAX):
        if state.ask is None:
            break
        answer = asking.answer(
            state.ask, say=terminal.say, listen=terminal.args.listen, opens=_opens(terminal)
        )
        if not answer:
            raise Misuse(f"{account} still waits: {state.ask.prompt or state.ask.kind}")
        state = terminal.ask_daemon(requests.otp(account, answer))
    return state


def logout(terminal: Terminal) -> int:
    request = requests.logout(terminal.account())
    terminal.show(request, lambda result: tables.login(result))
    return DONE


def _opens(terminal: Terminal) -> bool:
    return terminal.is_interactive and not terminal.args.no_browser


def _told(terminal: Terminal, state: LoginState) -> int:
    if terminal.is_json:
        terminal.print_value(state)
    else:
        terminal.print(tables.login(state))
    return DONE if state.state == "ACTIVE" else NO
