"""journal verify, repair, export, tail. All but the last read the disk, with or without a daemon."""

from pathlib import Path

from ordoctl import exporting, offline, requests
from ordoctl.commands import tables
from ordoctl.commands.terminal import DONE, NO, Misuse, Terminal
from ordoctl.discovery import default_state_dir

__all__ = ["export", "repair", "tail", "verify"]


def tail(terminal: Terminal) -> int:
    terminal.show(requests.journal_tail(terminal.args.limit), lambda result: tables.history(result))
    return DONE


def verify(terminal: Terminal) -> int:
    args = terminal.args
    state, head, key = _state(terminal), _head(args.head), _key(args.hash_key)
    try:
        return _told(terminal, offline.verify(state, head=head, key=key))
    except offline.OfflineError as why:
        terminal.say(f"ordoctl: {why}")
        return NO


def repair(terminal: Terminal) -> int:
    state, key = _state(terminal), _key(terminal.args.hash_key)
    try:
        return _told(terminal, offline.repair(state, key=key))
    except offline.OfflineError as why:
        terminal.say(f"ordoctl: {why}")
        return NO


def export(terminal: Terminal) -> int:
    args = terminal.args
    state, key = _state(terminal), _key(args.hash_key)
    try:
        report, found = offline.day_tables(state, args.day, key=key)
        files = exporting.write_tables(found, Path(args.to), args.day.isoformat(), args.format)
    except offline.OfflineError as why:
        terminal.say(f"ordoctl: {why}")
        return NO
    counts = {str(file): len(table.rows) for file, table in zip(files, found, strict=True)}
    if terminal.is_json:
        terminal.print_value({"head": report.head, "rows": counts})
    else:
        terminal.print(tables.exported(report.head, counts))
    return DONE


def _told(terminal: Terminal, report: offline.Report) -> int:
    if terminal.is_json:
        terminal.print_value(report)
    else:
        terminal.print(tables.journal(report))
    return DONE if report.good else NO


def _state(terminal: Terminal) -> Path:
    """The state directory; its journal folder is taken for it."""
    state = Path(terminal.args.state) if terminal.args.state else default_state_dir()
    if state.name == "journal" and not (state / "journal").is_dir():
        state = state.parent
    if not (state / "journal").is_dir():
        raise Misuse(f"there is no journal in {state}")
    return state


def _head(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    seq, colon, digest = text.partition(":")
    if not (colon and seq.isascii() and seq.isdigit() and digest):
        raise Misuse(f"--head {text}: SEQ:HASH, as 1842:5f0c... in the system's log")
    return int(seq), digest


def _key(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None
