"""What the running daemon says of itself, and its process."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ordoctl.doctor.findings import Finding, counted, ok, problem, skipped, warning
from ordoctl.doctor.machine import Limits
from ordoctl.folding import short
from ordoctl.ist import IST
from ordoctl.models import Account, Status

__all__ = [
    "doubts",
    "journal_head",
    "kill",
    "memory",
    "process",
    "service",
    "sessions",
    "skews",
    "socket_dead",
    "socket_missing",
    "user_service",
    "version",
]

MIB = 1024 * 1024
SKEW_S = 5.0  # as `account.status` tells people; a TOTP code lives 30 s
OPEN_FILES_LEAST = 256
OPEN_FILES_GOOD = 1024  # a connection each of bots, brokers, segments
MEMORY_LEAST = 64 * MIB
MEMORY_GOOD = 256 * MIB


def socket_missing(path: Path | None, start: str) -> Finding:
    where = f" at {short(path)}" if path else ""
    return warning("socket", f"no daemon runs: there is no socket{where}", start)


def socket_dead(path: Path, why: str, start: str) -> Finding:
    return problem("socket", f"{short(path)} is there and nobody answers: {why}", start)


def version(daemon: str, ours: str, python: str, restart: str) -> Finding:
    if daemon != ours:
        return warning(
            "version",
            f"the daemon is {daemon or 'older'}, and what is installed is {ours}",
            restart,
        )
    return ok("version", f"{ours}, as the daemon; Python {python}")


def sessions(accounts: tuple[Account, ...]) -> Iterator[Finding]:
    for account in accounts:
        name = account.account
        until = (
            f" until {account.expires_at.astimezone(IST):%d %b %H:%M} IST"
            if account.expires_at
            else ""
        )
        todo = account.todo or ""
        if account.state == "ACTIVE" and account.can_trade:
            told = f"{account.state}{until}"
            if todo:
                yield warning("session", f"{told}; {todo}", _command(todo, name), about=name)
            else:
                yield ok("session", told, about=name)
        elif account.state == "DENIED" or todo.startswith("ordoctl login"):
            yield problem(
                "session", f"{account.state}: {account.why}", f"ordoctl login {name}", about=name
            )
        else:
            yield warning(
                "session",
                f"{account.state}: {account.why}",
                todo or f"ordoctl status; it may mend itself, else: ordoctl login {name}",
                about=name,
            )


def _command(todo: str, account: str) -> str:
    return todo if todo.startswith("ordoctl ") else f"ordoctl login {account}"


def skews(accounts: tuple[Account, ...]) -> Iterator[Finding]:
    """Against the brokers' own clocks, where the daemon measured them of late."""
    for account in accounts:
        if account.is_real is False and account.broker == "paper":
            continue
        off = account.clock_skew_s
        if off is None:
            yield skipped(
                "skew",
                f"{account.broker}'s clock was not measured in the last minutes",
                about=account.account,
            )
        elif abs(float(off)) > SKEW_S:
            yield problem(
                "skew",
                f"this clock is {abs(float(off)):.0f} s {'behind' if off > 0 else 'ahead of'} {account.broker}'s: codes are refused, and wrong codes lock accounts",
                "sudo timedatectl set-ntp true",
                about=account.account,
            )
        else:
            yield ok(
                "skew",
                f"within {max(1.0, abs(float(off))):.0f} s of {account.broker}'s clock",
                about=account.account,
            )


def kill(status: Status) -> Finding:
    if status.kill is None or not status.kill.engaged:
        return ok("kill", "released")
    reasons = "; ".join(filter(None, (scope.reason for scope in status.kill.scopes)))
    why = f" ({reasons})" if reasons else ""
    return problem(
        "kill",
        f"the kill switch is engaged{why}: no new order leaves",
        "ordoctl release --reason WHY",
    )


def doubts(status: Status) -> Finding:
    count = len(status.doubts)
    if not count:
        return ok("doubts", "none open")
    keys = ", ".join(str(doubt.order.key) for doubt in status.doubts[:5])
    stuck = (status.todo or "").startswith("look at the broker")
    if stuck:
        command = (status.todo or "").rpartition("tell: ")[2]
        return problem(
            "doubts",
            f"{counted(count, 'order')} in doubt, of which a person has to look for one: {status.todo}",
            command,
        )
    return warning(
        "doubts", f"{counted(count, 'order')} in doubt, being settled: {keys}", "ordoctl status"
    )


def journal_head(status: Status) -> Finding | None:
    """A problem where the disk has failed; else nothing to say beside the look at the journal itself."""
    head = status.journal
    if head is None or not head.failed:
        return None
    return problem(
        "journal",
        f"the disk failed ({head.why}): nothing more is sent",
        "mend the disk, then restart the daemon",
    )


def process(limits: Limits | None, *, is_service: bool) -> Iterator[Finding]:
    """Of the daemon's process."""
    if limits is None:
        yield skipped("core_dumps", "this user is not shown the daemon's process")
        yield skipped("open_files", "this user is not shown the daemon's process")
        return
    if limits.core_bytes == 0:
        yield ok("core_dumps", "off")
    else:
        yield problem(
            "core_dumps",
            "the daemon may leave a core, with every session in it",
            "restart the daemon: it turns them off when it starts",
        )
    count = limits.open_files
    yield open_files(count, is_service=is_service)


def open_files(count: int | None, *, is_service: bool) -> Finding:
    mend = "ulimit -n 65536   # in the shell that starts the daemon"
    if is_service:
        mend = "sudo systemctl edit ordod   # [Service] LimitNOFILE=65536; then restart it"
    if count is None or count >= OPEN_FILES_GOOD:
        return ok("open_files", f"up to {'any number' if count is None else count}")
    told = f"only {count}: each bot and each broker takes some"
    if count < OPEN_FILES_LEAST:
        return problem("open_files", told, mend)
    return warning("open_files", told, mend)


def memory(left: int | None, taken: int | None) -> Finding:
    if left is None:
        return skipped("memory", "the kernel does not say")
    told = f"{left // MIB:,} MiB left" + (f"; the daemon has {taken // MIB} MiB" if taken else "")
    mend = "ps aux --sort=-rss | head   # end what is not needed, or add memory"
    if left < MEMORY_LEAST:
        return problem("memory", f"{told}: the kernel may kill the daemon", mend)
    if left < MEMORY_GOOD:
        return warning("memory", told, mend)
    return ok("memory", told)


def service(unit: dict[str, str]) -> Iterator[Finding]:
    """The system's service, by `systemctl show`."""
    state = unit.get("ActiveState", "")
    if state == "active":
        restarts = unit.get("NRestarts", "0")
        if restarts not in ("", "0"):
            yield warning(
                "service",
                f"active, and was restarted {restarts} times since it was started",
                "journalctl -u ordod -p warning",
            )
        else:
            yield ok("service", "active")
    else:
        why = unit.get("Result" if state == "failed" else "SubState", "")
        yield problem("service", f"{state or 'unknown'} ({why})", start(unit))
    if unit.get("UnitFileState") in ("enabled", "enabled-runtime", "static"):
        yield ok("boot", "starts with the machine")
    else:
        yield warning(
            "boot",
            f"does not start with the machine ({unit.get('UnitFileState')})",
            "sudo systemctl enable ordod.socket ordod.service",
        )
    if unit.get("WatchdogUSec", "0") in ("0", "infinity", ""):
        yield warning(
            "watchdog",
            "off: a daemon that hangs is not restarted",
            "sudo systemctl edit ordod   # [Service] WatchdogSec=30; then restart it",
        )
    else:
        yield ok("watchdog", unit["WatchdogUSec"])


def start(unit: Mapping[str, str]) -> str:
    """The command. What failed, or was restarted, too often systemd does not start before that is reset."""
    units = "ordod.socket ordod.service"
    resets = f"sudo systemctl reset-failed {units}; " if unit.get("ActiveState") == "failed" else ""
    return f"{resets}sudo systemctl start {units}"


def user_service(unit: dict[str, str] | None, lingers: bool | None, user: str) -> Iterator[Finding]:
    """A service of this user's own systemd, where somebody made one."""
    if unit is None or unit.get("LoadState") != "loaded":
        yield skipped(
            "service",
            "this daemon is no service: nothing restarts it, and it does not start with the machine",
            "sudo sh systemd/install.sh",
        )
        return
    state = unit.get("ActiveState", "")
    if state == "active":
        yield ok("service", "active, of the user's own systemd")
    else:
        yield problem(
            "service",
            f"{state} ({unit.get('SubState', '')})",
            "systemctl --user start ordod.service",
        )
    if lingers:
        yield ok("boot", "starts with the machine (the user lingers)")
    elif lingers is None:
        yield skipped("boot", "loginctl does not say whether the user lingers")
    else:
        yield warning(
            "boot",
            f"ends when {user} logs out, and starts when they log in",
            f"sudo loginctl enable-linger {user}",
        )
