"""What comes from the command line and from standard input. No value that may be a secret is repeated."""

import sys

from ordoctl.commands.terminal import Misuse
from ordoctl.setup import brokers
from ordoctl.setup.asking import SECRET_BYTES_MAX
from ordoctl.setup.brokers import Broker

__all__ = ["STDIN", "named", "piped", "totp_secret"]

REFERENCES = ("file:", "env:", "credential:", "store:")
STDIN = "-"


def named(
    pairs: list[str] | None, option: str, broker: Broker, *, is_secret: bool
) -> dict[str, str]:
    """`name=value` by name. Never repeats a value: somebody may have typed the secret itself."""
    found = {}
    known = (*brokers.SECRETS, *broker.secrets) if is_secret else tuple(broker.options)
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if name not in known:
            raise Misuse(
                f"{option}: {broker.name} knows no such name; it has {', '.join(known) or 'none'}"
            )
        if not equals or not value:
            raise Misuse(f"{option} {name}=...: there is no value")
        if is_secret and value != STDIN and not value.startswith(REFERENCES):
            raise Misuse(
                f"{option} {name}=...: every user of a machine sees arguments, so it takes - (a line of standard input), file:PATH, env:NAME, "
                "credential:NAME or store:NAME. If that was the secret, change it at the broker"
            )
        found[name] = value
    return found


def piped(key: str) -> str:
    line = sys.stdin.buffer.readline(SECRET_BYTES_MAX + 2)
    try:
        value = line.decode().strip()
    except UnicodeDecodeError:
        raise Misuse(f"--secret {key}=-: standard input is not UTF-8 text") from None
    if not value:
        raise Misuse(f"--secret {key}=-: standard input has no line for it")
    if len(line) > SECRET_BYTES_MAX:
        raise Misuse(f"--secret {key}=-: longer than {SECRET_BYTES_MAX} bytes")
    return value


def totp_secret(value: str) -> str:
    """A TOTP secret as it can be used, without the blanks some brokers show it with. Raises ValueError, without the value."""
    import pyotp

    plain = "".join(value.split())
    try:
        pyotp.TOTP(plain).now()
    except ValueError:
        raise ValueError(
            "no code can be made of it: it is the base32 text beside the QR code (A-Z, 2-7), not a code of six digits"
        ) from None
    return plain
