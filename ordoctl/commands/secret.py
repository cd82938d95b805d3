"""secret set, list, rm: in the daemon's encrypted store, with or without a daemon. Values come in, and never out."""

import re
import sys
from getpass import getpass

from ordoctl.commands import tables
from ordoctl.commands.terminal import DONE, NO, Misuse, Terminal
from ordoctl.stored import Stored, StoredError

__all__ = ["kept", "remove", "store"]

NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}")
LINE_MAX = 64 * 1024  # what the store takes


def store(terminal: Terminal) -> int:
    name = _name(terminal)
    try:
        stored = Stored(terminal.args.config)
        stored.check()
        value = _asked(name) if sys.stdin.isatty() else _piped()
        done = stored.put(name, value, terminal.say)
    except StoredError as why:
        return _no(terminal, why)
    if terminal.is_json:
        terminal.print_value(done)
    else:
        terminal.say(f'{name} is set; the configuration refers to it by "store:{name}"')
    return DONE


def kept(terminal: Terminal) -> int:
    try:
        secrets = Stored(terminal.args.config).listed()
    except StoredError as why:
        return _no(terminal, why)
    if terminal.is_json:
        terminal.print_value({"secrets": secrets})
    else:
        terminal.print(tables.secrets(secrets))
    return DONE


def remove(terminal: Terminal) -> int:
    name = _name(terminal)
    try:
        stored = Stored(terminal.args.config)
        stored.remove(name)
        references = stored.references(name)
    except StoredError as why:
        return _no(terminal, why)
    if terminal.is_json:
        terminal.print_value({"name": name})
    else:
        terminal.say(f"{name} is removed")
    for place in references:
        terminal.say(f"ordoctl: {place} still refers to store:{name}: its next login will fail")
    return DONE


def _name(terminal: Terminal) -> str:
    name: str = terminal.args.name
    if not NAME.fullmatch(name):
        # Not repeated: somebody may have typed the secret.
        raise Misuse("a secret's name has 1 to 64 of A-Z a-z 0-9 . _ -")
    return name


def _asked(name: str) -> str:
    """What a person types, twice the same."""
    try:
        value = getpass(f"{name}: ", sys.stderr)
        again = getpass("once more: ", sys.stderr)
    except (EOFError, UnicodeDecodeError):
        raise Misuse("nothing was typed that could be read") from None
    if value != again:
        raise Misuse("the two are not the same; nothing was changed")
    return _checked(value)


def _piped() -> str:
    """One line of standard input."""
    line = sys.stdin.buffer.readline(LINE_MAX + 2)
    try:
        return _checked(line.decode().rstrip("\r\n"))
    except UnicodeDecodeError:
        raise Misuse("standard input is not UTF-8 text") from None


def _checked(value: str) -> str:
    if not value:
        raise Misuse("the secret is empty; nothing was changed")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Misuse("the secret is not UTF-8 text") from None
    if size > LINE_MAX:
        raise Misuse(f"the secret is longer than {LINE_MAX} bytes")
    return value


def _no(terminal: Terminal, why: StoredError) -> int:
    terminal.say(f"ordoctl: {why}")
    return NO
