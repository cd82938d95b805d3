"""doctor: everything looked at, one line each, and the command that mends what is wrong."""

import os
import sys
from pathlib import Path

from msgspec.structs import replace

from ordoctl.commands.terminal import DONE, NO, Terminal
from ordoctl.doctor.examining import Asked, examine
from ordoctl.doctor.findings import Finding, Result, is_good, told
from ordoctl.doctor.machine import Machine
from ordoctl.doctor.reaching import Way
from ordoctl.folding import folded, width

__all__ = ["doctor"]

SECTIONS = (
    ("Configuration", ("config", "config_file", "calendar", "secret_file", "secret", "store_key", "certificate", "tokens")),
    ("State", ("state_dir", "filesystem", "space", "inodes", "disk_sync", "journal")),
    ("Daemon", ("service", "boot", "watchdog", "socket", "version", "kill", "doubts", "core_dumps", "open_files")),
    ("Accounts", ("session", "skew", "source_address", "dns", "reach", "address")),
    ("Machine", ("clock", "memory")),
)  # fmt: skip
NAMES_MAX = 24  # a longer one pushes its own line only
WORDS = {Result.OK: "ok", Result.WARNING: "warning", Result.PROBLEM: "PROBLEM", Result.SKIPPED: "-"}
COLOURS = {Result.OK: "32", Result.WARNING: "33", Result.PROBLEM: "1;31", Result.SKIPPED: "2"}


def doctor(terminal: Terminal) -> int:
    args = terminal.args
    asked = Asked(
        config=Path(args.config).expanduser() if args.config else None,
        socket=args.socket,
        offline=args.offline,
        deep=args.deep,
    )
    findings = list(examine(asked, Machine(), Way()))
    if terminal.is_json:
        terminal.print_value(told(findings))
    else:
        is_coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print("\n".join(lines(findings, width(sys.stdout), is_coloured=is_coloured)))
    return DONE if is_good(findings) else NO


def lines(findings: list[Finding], columns: int, *, is_coloured: bool = False) -> list[str]:
    """As a person reads it: by sections, each finding's line folded, its command on a line of its own that can be copied.

    What was skipped for one reason stands together.
    """
    shown: list[str] = []
    names = min(max(len(_name(finding)) for finding in findings), NAMES_MAX)
    for title, checks in SECTIONS:
        of_it = sorted(
            (finding for finding in findings if finding.check in checks),
            key=lambda finding: checks.index(finding.check),
        )
        if not of_it:
            continue
        shown.append(f"\n{title}" if shown else title)
        reasons: dict[tuple[str, str], list[str]] = {}
        for finding in of_it:
            if finding.result is Result.SKIPPED:
                reasons.setdefault((finding.message, finding.mend), []).append(_name(finding))
            else:
                shown += _shown(finding, _name(finding), names, columns, is_coloured=is_coloured)
        for (message, mend), skipped in reasons.items():
            one = Finding(check="", result=Result.SKIPPED, message=message, mend=mend)
            if len(skipped) > 1:
                one = replace(one, message=f"{', '.join(skipped)}: {message}")
            name = skipped[0] if len(skipped) == 1 else ""
            shown += _shown(one, name, names, columns, is_coloured=is_coloured)
    counts = told(findings)["counts"]
    words = [f"{count} {name}" for name, count in counts.items() if count]
    return [*shown, f"\n{len(findings)} checks: {', '.join(words)}"]


def _shown(
    finding: Finding, name: str, names: int, columns: int, *, is_coloured: bool
) -> list[str]:
    word = f"{WORDS[finding.result]:<7}"
    head = f"  {word}  {name:<{names}}  " if name else f"  {word}  "
    whole = folded(f"{head}{_plain(finding.message)}", columns=columns, hanging=len(head))
    if is_coloured:
        whole = whole.replace(word, f"\x1b[{COLOURS[finding.result]}m{word}\x1b[0m", 1)
    return [whole, f"{'':11}→ {_plain(finding.mend)}"] if finding.mend else [whole]


def _name(finding: Finding) -> str:
    return f"{finding.check} {finding.about}".strip()


def _plain(text: str) -> str:
    """One line without control characters: a broker's words must not steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
