"""The configuration's text with more in it, and its file: extended where it ends, never re-written, so that every comment stays.

That nothing else changed is not believed but looked at: the new text, read as TOML, is the old one and what was added, nothing more.
"""

import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["CannotWrite", "account_table", "extended", "quoted", "written"]

FILE_MODE = 0o600
FOLDER_MODE = 0o700
DAEMON_HEADER = re.compile(r"^[ \t]*\[[ \t]*daemon[ \t]*\][ \t]*(#[^\n]*)?\n?", re.MULTILINE)


class CannotWrite(Exception):  # noqa: N818 - a state of things
    """The file was not changed; the message says why and what to do."""


def quoted(text: str) -> str:
    """As a TOML string."""
    # JSON's escapes are TOML's, but for DEL, which JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def account_table(name: str, values: Mapping[str, str]) -> str:
    """`[accounts.NAME]` and its keys."""
    lines = [f"[accounts.{name}]", *(f"{key} = {quoted(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def extended(
    text: str, accounts: Mapping[str, Mapping[str, str]], daemon: Mapping[str, str]
) -> str:
    """The text with these accounts behind its end, and these keys in its [daemon].

    Raises:
        CannotWrite: it is written in a way that cannot be extended so, and what to add by hand.
    """
    new = text
    lines = "".join(f"{key} = {quoted(value)}\n" for key, value in daemon.items())
    if lines and (header := DAEMON_HEADER.search(new)):
        whole = header[0] if header[0].endswith("\n") else f"{header[0]}\n"
        new = f"{new[: header.start()]}{whole}{lines}{new[header.end() :]}"
    elif lines:
        new = _behind(new, f"[daemon]\n{lines}")
    for name, values in accounts.items():
        new = _behind(new, account_table(name, values))
    if not _is_only_more(text, new, accounts, daemon):
        more = [f"[daemon]\n{lines}"] if lines else []
        more += [account_table(name, values) for name, values in accounts.items()]
        raise CannotWrite(
            "the file is written in a way that cannot be added to by itself; add this by hand, and come back:\n\n"
            + "\n".join(more)
        )
    return new


def _behind(text: str, table: str) -> str:
    if not text:
        return table
    return f"{text if text.endswith(chr(10)) else text + chr(10)}\n{table}"


def _is_only_more(
    old: str,
    new: str,
    accounts: Mapping[str, Mapping[str, str]],
    daemon: Mapping[str, str],
) -> bool:
    try:
        wanted: dict[str, Any] = tomllib.loads(old)
        is_read: dict[str, Any] = tomllib.loads(new)
    except tomllib.TOMLDecodeError:
        return False
    if daemon:
        wanted.setdefault("daemon", {}).update(daemon)
    if accounts:
        wanted.setdefault("accounts", {}).update({n: dict(v) for n, v in accounts.items()})
    return is_read == wanted


def written(file: Path, before: str | None, text: str, *, mode: int, group: int | None) -> None:
    """The text in the file's place, durable, whole or not at all; an existing file's owner and mode stay.

    Args:
        before: what stood there when it was read; None: there was no file.
        mode, group: of a new file; group None: the caller's own.
    Raises:
        CannotWrite: somebody else changed it meanwhile, or the disk said no.
    """
    file = file.resolve()  # a link stays one
    try:
        if _text(file) != before:
            raise CannotWrite(
                f"{file} was changed meanwhile; nothing was written, run ordoctl setup again"
            )
        if before is None:
            file.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        _replace(file, text.encode(), is_new=before is None, mode=mode, group=group)
    except OSError as error:
        raise CannotWrite(f"{file} was not changed: {error.strerror}") from None


def _text(file: Path) -> str | None:
    try:
        return file.read_bytes().decode()  # its line ends stay as they are
    except FileNotFoundError:
        return None


def _replace(file: Path, data: bytes, *, is_new: bool, mode: int, group: int | None) -> None:
    scrap = file.with_name(f".{file.name}.{os.getpid()}.new")
    fd = os.open(scrap, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(fd, "wb") as opened:
            opened.write(data)
            opened.flush()
            if is_new:
                if group is not None:
                    os.fchown(fd, -1, group)
                os.fchmod(fd, mode)
            else:
                was = file.stat()
                if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(fd, was.st_uid, was.st_gid)
                os.fchmod(fd, stat.S_IMODE(was.st_mode))
            os.fsync(fd)
        scrap.replace(file)
    except BaseException:
        scrap.unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
