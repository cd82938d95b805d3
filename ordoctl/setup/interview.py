"""What is to be done, from options and answers. Nothing here changes anything."""

import re
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from ordoctl.commands.terminal import Misuse
from ordoctl.setup import brokers
from ordoctl.setup.asking import Asker
from ordoctl.setup.brokers import PAPER, Broker, Mode
from ordoctl.setup.given import STDIN, named, piped, totp_secret

__all__ = ["Wanted", "interview"]

ACCOUNT = re.compile(r"[a-z0-9_-]{1,32}")


class Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for. `values`: the keys of the account's table, empty where the file has the account already.

    `typed`: secrets for the store, by the name there; it never shows them. `papers`: accounts at the paper broker that are to be
    added. `order_at`: the paper account of the first order.
    """

    account: str
    broker: str
    broker_name: str
    values: dict[str, str]
    typed: dict[str, str]
    papers: tuple[str, ...]
    order_at: str

    def __repr__(self) -> str:
        return f"Wanted({self.account}, {self.broker}, ***)"

    @property
    def is_new(self) -> bool:
        return bool(self.values)

    @property
    def accounts(self) -> dict[str, dict[str, str]]:
        """What is added to the file, paper first."""
        added = {name: {"broker": PAPER} for name in self.papers}
        return {**added, self.account: self.values} if self.is_new else added


def interview(
    args: Namespace,
    asker: Asker,
    known: Mapping[str, Any],
    kept: Callable[[str], bool],
    say: Callable[[str], None],
) -> Wanted:
    """Ask what the options do not say.

    Args:
        known: the accounts that the file has (`ordod.config.AccountSettings`).
        kept: whether the store has a secret of this name.
    Raises:
        Misuse, Stop.
    """
    broker = _broker(args, asker, known)
    name = asker.text(
        "\nThe account's name, yours to choose",
        "--account",
        args.account,
        default=broker.id,
        check=_account_name,
    )
    secrets = named(args.secrets, "--secret", broker, is_secret=True)
    if name in known:
        values, typed = _of_known(args, asker, known[name], broker, secrets, kept, say)
    else:
        values, typed = _of_new(args, asker, name, broker, secrets, kept, say)
    names = {*known, name}
    papers = [one for one, account in known.items() if account.broker == PAPER]
    if broker.id == PAPER:
        papers.insert(0, name)
    added = () if papers else (_free_name(names),)
    return Wanted(
        account=name,
        broker=broker.id,
        broker_name=broker.name,
        values=values,
        typed=typed,
        papers=added,
        order_at=(*papers, *added)[0],
    )


def _broker(args: Namespace, asker: Asker, known: Mapping[str, Any]) -> Broker:
    given = args.broker
    if given is None and args.account in known:
        given = known[args.account].broker
    choices = []
    if given is None and asker.asks:
        for name in brokers.every():
            found = brokers.load(name)
            choices.append((name, found.name if isinstance(found, Broker) else "cannot be loaded"))
        choices[0] = (PAPER, "an exchange inside the daemon: no network, no money")
    else:
        choices = [(name, "") for name in brokers.every()]
    chosen = asker.one_of("Which broker", "--broker", given, choices=choices, default=PAPER)
    broker = brokers.load(chosen)
    if isinstance(broker, str):
        raise Misuse(broker)
    return broker


def _of_new(
    args: Namespace,
    asker: Asker,
    name: str,
    broker: Broker,
    given: Mapping[str, str],
    kept: Callable[[str], bool],
    say: Callable[[str], None],
) -> tuple[dict[str, str], dict[str, str]]:
    """The account's table, and the secrets that were typed."""
    mode = _mode(args, asker, broker)
    values = {"broker": broker.id}
    if user_id := _user_id(args, asker, broker, mode):
        values["user_id"] = user_id
    values |= {"login": mode.name} if mode.name else {}
    values |= _options(args, asker, broker, mode)
    for key in ("base_url", "source_address"):
        if text := getattr(args, key):
            values[key] = text
    asked = broker.secrets_of(mode)
    names = [key for key, _ in asked] + [key for key in given if key not in dict(asked)]
    if asked and asker.asks and not all(key in given for key, _ in asked):
        say("\nSecrets are not shown as you type, and go into the encrypted store.")
    typed = {}
    for key in names:
        stored = f"{name}_{key}"
        reference = given.get(key)
        if reference and reference != STDIN:
            values[key] = reference
            continue
        value = _secret(
            asker, key, reference, needed=dict(asked).get(key, False), is_kept=kept(stored), say=say
        )
        if value is not None:
            typed[stored] = value
        if value is not None or kept(stored):
            values[key] = f"store:{stored}"
    return values, typed


def _of_known(
    args: Namespace,
    asker: Asker,
    account: Any,
    broker: Broker,
    given: Mapping[str, str],
    kept: Callable[[str], bool],
    say: Callable[[str], None],
) -> tuple[dict[str, str], dict[str, str]]:
    """The account stays as it stands in the file; only what its `store:` references lack, or shall hold, is asked for."""
    asked_for = {
        "broker": (broker.id, account.broker),
        "user_id": (args.user_id, account.user_id),
        "login": (args.login, account.login),
        "base_url": (args.base_url, account.base_url),
        "source_address": (args.source_address, account.source_address),
    }
    for key, (asked, there) in asked_for.items():
        if asked is not None and asked != (there or ""):
            raise Misuse(
                f"the file has an account {account.name} with another {key} ({there or 'none'}): choose another name, or edit the file"
            )
    say(f"\n{account.name} is in the file already and stays as it is.")
    typed = {}
    references = {key: str(reference) for key, reference in account.secrets.items()}
    for key, reference in given.items():
        if reference != STDIN and references.get(key) != reference:
            raise Misuse(f"--secret {key}: the file says otherwise for {account.name}; edit it")
        if reference == STDIN and not references.get(key, "").startswith("store:"):
            raise Misuse(f"--secret {key}: {account.name} does not take it from the store")
    for key, reference in references.items():
        source, _, stored = reference.partition(":")
        if source != "store":
            continue
        value = _secret(asker, key, given.get(key), needed=True, is_kept=kept(stored), say=say)
        if value is not None:
            typed[stored] = value
    return {}, typed


def _mode(args: Namespace, asker: Asker, broker: Broker) -> Mode:
    words = {mode.name or "official": mode for mode in broker.modes}
    if len(words) == 1 and args.login is None:
        return broker.modes[0]
    if asker.asks and args.login is None:
        asker_choices = [(word, mode.about) for word, mode in words.items()]
    else:
        asker_choices = [(word, "") for word in words]
    given = "official" if args.login == "" else args.login
    first = next(iter(words))
    return words[
        asker.one_of("How it logs in", "--login", given, choices=asker_choices, default=first)
    ]


def _user_id(args: Namespace, asker: Asker, broker: Broker, mode: Mode) -> str:
    if broker.id == PAPER:
        return args.user_id or ""
    needed = "user_id" in mode.needs

    def check(answer: str) -> str:
        if needed and not answer:
            raise ValueError(f"{broker.name} cannot do without it for this login")
        return answer

    hint = "" if needed else " (Enter: as the login says)"
    default = None if needed else ""
    return asker.text(
        f"Your user id at {broker.name}{hint}",
        "--user-id",
        args.user_id,
        default=default,
        check=check,
    )


def _options(args: Namespace, asker: Asker, broker: Broker, mode: Mode) -> dict[str, str]:
    said = named(args.options, "--option", broker, is_secret=False)
    values = {}
    for name, about, needed in broker.options_of(mode):
        if broker.id == PAPER and name not in said:
            continue  # a first account is to be a short matter

        def check(answer: str, needed: bool = needed) -> str:
            if needed and not answer:
                raise ValueError("this login cannot do without it")
            return answer

        hint = "" if needed else " (Enter: leave it out)"
        value = asker.text(
            f"{name}: {about}{hint}",
            f"--option {name}=VALUE",
            said.get(name),
            default=None if needed else "",
            check=check,
        )
        if value:
            values[name] = value
    return values


def _secret(
    asker: Asker,
    key: str,
    given: str | None,
    *,
    needed: bool,
    is_kept: bool,
    say: Callable[[str], None],
) -> str | None:
    """The value for the store; None: as it is there, or not wanted."""
    check = totp_secret if key == "totp_secret" else str
    if given == STDIN:
        value = piped(key)
        try:
            return check(value)
        except ValueError as why:
            raise Misuse(f"--secret {key}: {why}") from None
    if not asker.asks:
        if needed and not is_kept:
            raise Misuse(
                f"say it with --secret {key}=- (a line of standard input), or {key}=file:PATH, env:NAME, credential:NAME"
            )
        return None
    hint = " (in the store; Enter keeps it)" if is_kept else ""
    hint = hint or ("" if needed else " (Enter: none, each login then asks for a code)")
    while True:
        typed = asker.secret(f"{key}{hint}", needed=needed and not is_kept)
        if typed is None:
            return None
        try:
            value = check(typed)
        except ValueError as why:
            say(f"  {why}")
            continue
        if key == "totp_secret":
            say("  good: a code can be made of it")
        return value


def _account_name(answer: str) -> str:
    if not ACCOUNT.fullmatch(answer):
        raise ValueError("a name has 1 to 32 of a-z 0-9 _ -")
    return answer


def _free_name(taken: set[str]) -> str:
    return next(
        name for name in (PAPER, *(f"{PAPER}{n}" for n in range(2, 99))) if name not in taken
    )
