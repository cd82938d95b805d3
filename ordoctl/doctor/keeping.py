"""What the daemon keeps: the encrypted store and its key, the secrets, the journal, the kill switch on the disk."""

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ordoctl.doctor.findings import Finding, counted, ok, problem, skipped, warning
from ordoctl.folding import short
from ordoctl.offline import OfflineError, Report, verify

__all__ = ["certificate", "journal", "kill_on_disk", "secret", "store_key", "tokens"]

TAIL_BYTES = 128 << 20  # what a start checks; half a second
GATE = "kill.gate"
SCOPES = "kill.d"


def store_key(settings: Any, environment: Mapping[str, str], config: Path) -> Finding:
    """Is there a key, and does it open the store that is there. Neither is shown."""
    from ordod.secrets import Redactor
    from ordod.store import NoKey, StoreError
    from ordod.store_key import open_store

    daemon = settings.daemon
    store = open_store(daemon.state_dir, daemon.store_key, environment, Redactor())
    is_there = os.path.lexists(store.path)
    is_wanted = any(
        reference.source == "store"
        for account in settings.accounts.values()
        for reference in account.secrets.values()
    )
    makes = f"ordoctl secret set NAME --config {short(config)}"
    try:
        count = len(store.names("secret/"))
        place = store.key().place
    except NoKey as why:
        if is_there or is_wanted:
            return problem(
                "store_key", str(why), makes if not is_there else "put the key back where it was"
            )
        if all(account.broker == "paper" for account in settings.accounts.values()):
            return ok("store_key", "none, and nothing here needs one")
        return warning(
            "store_key", "there is none: each start of the daemon is a login at the broker", makes
        )
    except StoreError as why:
        return problem("store_key", str(why), _way_out(str(why), daemon.state_dir))
    opens = (
        f"opens the store, which has {counted(count, 'secret')}"
        if is_there
        else "there is no store yet"
    )
    return ok("store_key", f"{_short_place(place)}: {opens}")


def certificate(
    settings: Any, environment: Mapping[str, str], *, is_ours: bool
) -> Iterator[Finding]:
    """What clients on other machines are shown, where there is any.

    Args:
        is_ours: the environment is the daemon's; a service's key may be a credential that nobody else sees.
    """
    from ordod.remote import tls_files
    from ordod.wire.tls import TlsError, load

    daemon = settings.daemon
    if daemon.tls_key is None:
        return
    if daemon.tls_key.source == "credential" and not is_ours:
        yield skipped("certificate", "its key is a credential, which the service alone sees")
        return
    try:
        files = tls_files(daemon, environment)
        assert files is not None
        tls = load(files, datetime.now(UTC))
    except TlsError as why:
        yield problem("certificate", str(why), _way_out(str(why), daemon.tls_cert))
        return
    if tls.worry:
        anew = "put the new one in its place, and: ordoctl call system.reload"
        yield warning("certificate", tls.worry, anew)
    else:
        yield ok("certificate", f"for {', '.join(sorted(tls.names))}")


def tokens(state_dir: Path) -> Iterator[Finding]:
    """Those that clients over TCP show: which have ended, or will soon. No token is known here."""
    from ordod.tokens import TokenError, TokenFile, token_path
    from ordod.wire.tls import SOON

    try:
        known = TokenFile(token_path(state_dir)).listed()
    except TokenError as why:
        yield problem("tokens", str(why), _way_out(str(why), state_dir))
        return
    soon = datetime.now(UTC) + SOON
    ends = sorted((one.expires_at, one.name) for one in known if one.expires_at is not None)
    late = [f"{name} on {at.astimezone():%Y-%m-%d}" for at, name in ends if at < soon]
    if late:
        mend = "ordoctl token new ANOTHER ROLE, and then: ordoctl token revoke NAME"
        yield warning("tokens", f"ended, or about to: {', '.join(late)}", mend)
    elif known:
        yield ok("tokens", counted(len(known), "token"))


def _short_place(place: str) -> str:
    source, colon, path = place.partition(":")
    return f"{source}:{short(path)}" if source == "file" and colon else place


def _way_out(why: str, state: Path) -> str:
    """The command that the words hold, where they do."""
    if "chmod 600 " in why:
        return f"chmod 600 {why.rpartition('chmod 600 ')[2]}"
    if "written with another key" in why:
        return "put its key back; or mv the store away, and ordoctl secret set NAME for each"
    return f"ls -l {short(state)}   # put back a copy, or as the message says"


def secret(
    account: str, key: str, reference: Any, read: Callable[[Any], object], *, is_ours: bool
) -> Finding:
    """Whether the daemon can read one of its secrets. Nothing of it is kept or shown.

    Args:
        read: `ordod.secrets.Secrets.read`.
        is_ours: the daemon's environment is this one.
    """
    from ordod.secrets import SecretError

    about = f"{account}.{key}"
    if reference.source == "literal":
        return ok("secret", "it stands in the file itself", about=about)
    if reference.source == "credential":
        return skipped(
            "secret", f"{reference}: only systemd shows it, and only to the service", about=about
        )
    if reference.source == "env" and not is_ours:
        return skipped(
            "secret",
            f"{reference} is of the service's environment, which is not this one",
            about=about,
        )
    try:
        read(reference)
    except SecretError as why:
        if reference.source == "env":
            return skipped(
                "secret",
                f"{reference} is not set here; the daemon may have been started where it is",
                about=about,
            )
        mend = f"ordoctl secret set {reference.name}"
        if reference.source == "file":
            mend = f"ls -l {short(reference.name)}"
            if "chmod 600" in str(why):
                mend = f"chmod 600 {short(reference.name)}"
        return problem("secret", str(why), mend, about=about)
    return ok("secret", _shown(reference), about=about)


def _shown(reference: Any) -> str:
    return f"file:{short(reference.name)}" if reference.source == "file" else str(reference)


def journal(state: Path, *, deep: bool) -> Finding:
    if not (state / "journal").is_dir():
        return ok("journal", "there is none yet; the first start begins it")
    try:
        report = verify(state, head=None, key=None, bytes_max=None if deep else TAIL_BYTES)
    except OfflineError as why:
        return problem("journal", str(why), f"ordoctl journal verify {short(state)}")
    return judged(report, state, deep=deep)


def judged(report: Report, state: Path, *, deep: bool) -> Finding:
    if report.damage is not None:
        return problem(
            "journal", f"damaged: {report.damage.message}", f"ordoctl journal repair {short(state)}"
        )
    extent = "whole" if deep else "its end is whole (--deep looks at all of it)"
    head = f"{counted(report.records, 'record')} in {counted(report.segments, 'file')}, {extent}"
    if report.torn:
        return ok(
            "journal",
            f"{head}; unfinished at its end, as a power cut or a running daemon leaves it",
        )
    return ok("journal", head)


def kill_on_disk(state: Path, start: str) -> Finding:
    """What a daemon that does not run now will find when it starts."""
    mend = f"{start}   # and then: ordoctl release --reason WHY"
    try:
        closed = (state / GATE).read_bytes()[:1] not in (b"", b"\x00")
        scopes = [file.name for file in (state / SCOPES).iterdir() if file.suffix == ".json"]
    except FileNotFoundError:
        return ok("kill", "released")
    if closed or scopes:
        return problem("kill", "the kill switch is engaged: the daemon will start killed", mend)
    return ok("kill", "released")
