"""The daemon at a glance, its kill switch, its logins, its journal."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ordoctl.issuing import Issued
from ordoctl.models import (
    Account,
    KillAnswer,
    KillScope,
    KillStatus,
    LoginState,
    Status,
    TriedReceiver,
)
from ordoctl.offline import Report
from ordoctl.render.grid import Grid
from ordoctl.render.words import NOTHING, flat, text, told, when, word
from ordoctl.stored import Kept

__all__ = ["journal", "killed", "login", "released", "secrets", "status", "tokens", "tried"]


def status(status: Status) -> RenderableType:
    journal = status.journal
    facts = [f"ordod {status.version}".strip(), status.state]
    if status.started_at:
        facts.append(f"since {when(status.started_at)}")
    if journal and journal.seq is not None:
        facts.append(f"journal at {journal.seq}:{journal.hash or ''}".rstrip(":"))
    parts: list[RenderableType] = [text(" · ".join(facts))]
    if journal and journal.failed:
        why = f": {journal.why}" if journal.why else ""
        parts.append(
            text(f"THE DISK FAILED{why}. Nothing more is sent; cancels and kill go on.", "bold red")
        )
    if status.kill and status.kill.engaged:
        parts.append(_kill(status.kill))
    parts.append(_accounts(status.accounts))
    for doubt in status.doubts:
        order = doubt.order
        words = f"IN DOUBT: {order.order_id} {order.side} {order.quantity} {order.symbol} at {order.account}"
        parts.append(text(f"{words}: {doubt.why}" if doubt.why else words, "bold yellow"))
    parts += [
        text(f"{one.receiver} gets NO ALERTS: {one.problem}", "bold yellow")
        for one in (status.alerts.receivers if status.alerts else ())
        if one.problem
    ]
    if status.todo:
        parts.append(text(f"→ {status.todo}", "bold"))
    return Group(*parts)


def _accounts(accounts: Sequence[Account]) -> RenderableType:
    if not accounts:
        return Text("no accounts")
    table = Grid("account", "broker?", "user?", "session", "until?", "trades", "why not~", "to do~")
    for one in accounts:
        trades = {True: "yes", False: "NO", None: NOTHING}[one.can_trade]
        table.row(
            one.account,
            one.broker,
            one.user or NOTHING,
            word(one.state),
            when(one.expires_at),
            word(trades, {"yes": "green", "NO": "bold red"}),
            one.why or "",
            one.todo or "",
        )
    return table


def _kill(kill: KillStatus) -> RenderableType:
    lines = [text(f"KILLED: {_scope(scope)}", "bold red") for scope in kill.scopes]
    if not lines:
        lines = [text("KILLED", "bold red")]
    if kill.sweep and kill.sweep.running:
        sofar = {name: count for name, count in told(kill.sweep).items() if name != "running"}
        lines.append(text(f"cancelling goes on: {flat(sofar)}", "yellow"))
    return Group(*lines)


def _scope(scope: KillScope) -> str:
    where = [f"account {scope.account}"] if scope.account else []
    where += [f"strategy {scope.strategy}"] if scope.strategy else []
    by = [f"by {scope.caller}"] if scope.caller else []
    by += [f"at {when(scope.at)}"] if scope.at else []
    why = f" ({scope.reason})" if scope.reason else ""
    return f"{', '.join(where) or 'everything'}{why} {' '.join(by)}".rstrip()


def killed(answer: KillAnswer) -> RenderableType:
    facts = told(answer)
    del facts["durable"]
    took = f" in {answer.took_ms} ms" if facts.pop("took_ms", None) is not None else ""
    return Group(
        text(f"KILLED{took}", "bold red"), *(text(f"  {_counted(n, v)}") for n, v in facts.items())
    )


def _counted(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"{name}: {len(value)}" + "".join(f"\n    {flat(one)}" for one in value)
    return f"{name}: {value}"


def released(answer: Mapping[str, Any]) -> RenderableType:
    return text(f"released: {flat(answer)}")


def login(state: LoginState) -> RenderableType:
    line = Text.assemble(f"{state.account}: ", word(state.state))
    return Group(line, text(state.message)) if state.message else line


def journal(report: "Report") -> RenderableType:
    parts = [text(f"{report.records} records in {report.segments} files, head {report.head}")]
    if report.torn:
        parts.append(
            text(f"unfinished at its end (a power cut leaves this): {report.torn}", "yellow")
        )
    parts += [text(f"set aside: {lost}", "yellow") for lost in report.lost]
    if report.damage:
        parts.append(text(report.damage.message, "bold red"))
    if report.tampered:
        parts.append(text(report.tampered, "bold red"))
    if report.good:
        parts.append(text("whole", "green"))
    return Group(*parts)


def exported(head: str, rows: Mapping[str, int]) -> RenderableType:
    lines = [text(f"{file}: {count} rows") for file, count in rows.items()]
    return Group(*lines, text(f"the journal is whole up to {head}", "green"))


def tried(receivers: Sequence[TriedReceiver]) -> RenderableType:
    if not receivers:
        return Text("no receivers")
    table = Grid("receiver", "reached", "why not~")
    for one in receivers:
        reached = word("yes" if one.delivered else "NO", {"yes": "green", "NO": "bold red"})
        table.row(one.receiver, reached, one.problem)
    return table


def secrets(kept: Sequence[Kept]) -> RenderableType:
    if not kept:
        return Text("no secrets")
    table = Grid("secret", "set")
    for one in kept:
        table.row(one.name, when(one.set_at))
    return table


def tokens(issued: Sequence[Issued], now: datetime) -> RenderableType:
    if not issued:
        return Text("no tokens")
    table = Grid("token", "may", "where", "until", "made")
    for one in issued:
        until = f"{one.expires_at:%d %b %Y %H:%M}" if one.expires_at else "for ever"
        if one.expires_at and one.expires_at <= now:
            until = f"EXPIRED {until}"
        may = sorted({one.role, *one.accounts.values()} - {"nobody"})
        where = ", ".join(one.accounts) if one.role == "nobody" else "every account"
        if len(may) > 1:
            where = ", ".join(f"{account}={role}" for account, role in one.accounts.items())
        table.row(one.name, "/".join(may), where, until, f"{one.created_at:%d %b %Y}")
    return table
