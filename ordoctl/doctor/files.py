"""The configuration's file, the files of secrets, the state directory and its disk."""

from collections.abc import Mapping
from pathlib import Path

from ordoctl.doctor.findings import Finding, ok, problem, skipped, warning
from ordoctl.doctor.machine import FileFacts, Space
from ordoctl.folding import short

__all__ = ["config_file", "disk_sync", "filesystem", "secret_file", "space", "state_dir"]

MIB = 1024 * 1024
FREE_BYTES_LEAST = 64 * MIB  # below it a busy day's journal and tomorrow's instruments may not fit
FREE_BYTES_GOOD = 1024 * MIB
INODES_LEAST = 500
INODES_GOOD = 10_000
SLOW_SYNC_S = 0.05  # every order waits for one


def config_file(
    path: Path, facts: FileFacts, users: Mapping[int, str], *, daemon_uid: int, is_service: bool
) -> list[Finding]:
    """Who may write it may send orders; who may read it sees who trades where.

    Args:
        users: the names of the owner and of the daemon's user.
    """
    name, mode = short(path), f"{facts.mode:04o}"
    owner = users.get(facts.uid, str(facts.uid))
    if facts.uid not in (0, daemon_uid):
        wanted = "root" if is_service else users.get(daemon_uid, str(daemon_uid))
        return [
            problem(
                "config_file",
                f"it belongs to {owner}, who is neither root nor the daemon's user",
                f"sudo chown {wanted} {name}",
            )
        ]
    if facts.mode & 0o022:
        return [problem("config_file", f"others can write it (mode {mode})", f"chmod go-w {name}")]
    if facts.mode & 0o007:
        return [
            warning("config_file", f"everybody can read it (mode {mode})", f"chmod o-rwx {name}")
        ]
    return [ok("config_file", f"mode {mode}, of {owner}")]


def secret_file(
    account: str,
    key: str,
    path: Path,
    facts: FileFacts | None,
    users: Mapping[int, str],
    *,
    daemon_uid: int,
) -> Finding:
    """A file that the configuration refers to: only the daemon's user may read it."""
    about, name = f"{account}.{key}", short(path)
    if facts is None:
        return problem(
            "secret_file",
            f"{name} is not there",
            f"install -m 600 /dev/stdin {name}   # then the secret, Enter, Ctrl-D",
            about=about,
        )
    if facts.mode & 0o077:
        return problem(
            "secret_file",
            f"others can read {name} (mode {facts.mode:04o})",
            f"chmod 600 {name}",
            about=about,
        )
    if facts.uid not in (daemon_uid, 0) or (facts.uid == 0 and daemon_uid != 0):
        user = users.get(daemon_uid, str(daemon_uid))
        return problem(
            "secret_file",
            f"{name} belongs to {users.get(facts.uid, facts.uid)}, and the daemon runs as {user}",
            f"sudo chown {user} {name}",
            about=about,
        )
    return ok("secret_file", f"{name}, mode {facts.mode:04o}", about=about)


def state_dir(
    path: Path, facts: FileFacts | None, users: Mapping[int, str], *, daemon_uid: int
) -> Finding:
    name = short(path)
    user = users.get(daemon_uid, str(daemon_uid))
    if facts is None:
        return ok("state_dir", f"{name}: not there yet, the first start makes it")
    if facts.kind != "folder":
        return problem("state_dir", f"{name} is no folder", f"mv {name} {name}.old")
    if facts.uid != daemon_uid:
        return problem(
            "state_dir",
            f"{name} belongs to {users.get(facts.uid, facts.uid)}, and the daemon runs as {user}",
            f"sudo chown -R {user} {name}",
        )
    if facts.mode & 0o077:
        return problem(
            "state_dir", f"{name}: others get in (mode {facts.mode:04o})", f"chmod 700 {name}"
        )
    return ok("state_dir", f"{name}, mode {facts.mode:04o}, of {user}")


def filesystem(kind: str, refusal: str, config: Path, *, is_forgetful: bool) -> Finding:
    """`refusal`: why the daemon would not start on it (`ordod.usable.forgetful`)."""
    mend = f"${{EDITOR:-nano}} {short(config)}   # [daemon] state_dir: a folder on a local disk"
    if refusal:
        return problem("filesystem", refusal, mend)
    if is_forgetful:
        return warning(
            "filesystem",
            f"{kind} forgets or can be shared: good enough for paper, refused for a real account",
            mend,
        )
    return ok("filesystem", f"{kind}, local")


def space(path: Path, left: Space) -> list[Finding]:
    name = short(path)
    mend = f"df -h {name}   # remove what is not needed, or move [daemon] state_dir"
    free = f"{left.bytes // MIB:,} MiB free"
    found = []
    if left.bytes < FREE_BYTES_LEAST:
        found.append(
            problem(
                "space",
                f"{free}: the journal will soon have no room, and then nothing is sent",
                mend,
            )
        )
    elif left.bytes < FREE_BYTES_GOOD:
        found.append(warning("space", free, mend))
    else:
        found.append(ok("space", free))
    if left.inodes is None:
        return [*found, skipped("inodes", "this file system does not count them")]
    files, mend = (
        f"room for {left.inodes:,} files",
        f"df -i {name}   # remove files that are not needed",
    )
    if left.inodes < INODES_LEAST:
        found.append(problem("inodes", files, mend))
    elif left.inodes < INODES_GOOD:
        found.append(warning("inodes", files, mend))
    else:
        found.append(ok("inodes", files))
    return found


def disk_sync(took_s: float | None) -> Finding:
    """Information: each order waits for one, several share one."""
    if took_s is None:
        return skipped("disk_sync", "no file without a name can be made on this file system")
    told = f"one sync took {took_s * 1000:.1f} ms; every order waits for one"
    if took_s > SLOW_SYNC_S:
        return warning(
            "disk_sync",
            f"{told}, which is slow",
            "look again when the machine is quiet; else a faster disk for [daemon] state_dir",
        )
    return ok("disk_sync", told)
