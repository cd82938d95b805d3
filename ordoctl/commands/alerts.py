"""alert test."""

from ordoctl import requests
from ordoctl.commands import tables
from ordoctl.commands.terminal import DONE, NO, Terminal

__all__ = ["test"]


def test(terminal: Terminal) -> int:
    """Done where there is a receiver and every one of them was reached."""
    request = requests.alert_test(terminal.args.receiver)
    tried = terminal.show(request, lambda result: tables.tried(result))
    if not tried and not terminal.is_json:
        terminal.say(
            "ordoctl: the configuration has no receiver: add one as [alerts.NAME], then reload"
        )
    return DONE if tried and all(one.delivered for one in tried) else NO
