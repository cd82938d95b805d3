"""Keys, fingerprints and tags: how an order is recognised again, by its client, by us, at the broker. Pure."""

from functools import cache
from hashlib import blake2b

from ordod.adapter import Tag
from ordod.core.orders.states import OrderState
from ordod.domain.money import canonical
from ordod.domain.orders import OrderTerms

__all__ = ["differing", "fingerprint", "fingerprint_of", "key_mark", "make_tag", "tag_prefix"]

OUR_CHARACTERS = 2  # at the front of each tag: the installation's
OUR_CHARACTERS_LONG = (
    4  # where the tag is long: two installations at one user are told apart but once in a million
)
LONG = 16


def fingerprint(terms: OrderTerms, strategy: str | None) -> str:
    """Everything a caller may set but the symbol, which is compared as written and as resolved (a master may rename it)."""
    return fingerprint_of(
        terms.side,
        str(terms.quantity),
        terms.type,
        terms.product or "",
        canonical(terms.price) if terms.price is not None else "",
        canonical(terms.trigger_price) if terms.trigger_price is not None else "",
        terms.validity,
        _count(terms.validity_minutes),
        terms.variety,
        _count(terms.iceberg_legs),
        _count(terms.disclosed_quantity),
        canonical(terms.market_protection) if terms.market_protection is not None else "",
        strategy or "",
    )


def fingerprint_of(*parts: str) -> str:
    """One text for the parts, in order; no two lists of parts share one."""
    # Lengths and not separators: a part may hold any character, a GTT's id at the broker is the caller's text.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


def differing(order: OrderState, terms: OrderTerms, strategy: str | None) -> list[str]:
    """The names of the fields in which a second call with this key differs from the first; empty: the same order."""
    names = [
        name
        for name in terms.__struct_fields__
        if name != "symbol" and getattr(terms, name) != getattr(order.terms, name)
    ]
    if terms.symbol not in (order.symbol_written, order.terms.symbol):
        names.insert(0, "symbol")
    if strategy != order.strategy:
        names.append("strategy")
    return names


@cache
def tag_prefix(installation: str, tag: Tag) -> str:
    """What all tags of this installation begin with."""
    count = OUR_CHARACTERS_LONG if tag.length >= LONG else OUR_CHARACTERS
    return _digits(installation.encode(), tag.alphabet, count)


@cache
def _mark_length(installation: str, tag: Tag) -> int:
    ours = len(tag_prefix(installation, tag))
    return ours + (tag.length - ours) // 2


def key_mark(installation: str, user: str, key: str, tag: Tag) -> str:
    """What the tags of this key begin with, whatever the terms."""
    prefix = tag_prefix(installation, tag)
    count = _mark_length(installation, tag) - len(prefix)
    return prefix + _digits(f"{user}\x1f{key}".encode(), tag.alphabet, count)


def make_tag(installation: str, user: str, key: str, variant: str, tag: Tag) -> str:
    """The tag of an order: the installation, the key, and the terms.

    A key that was free again (nothing was sent) has the same tag for the same order and another for another, so that a start
    from an old copy of the state neither sends the one twice nor takes the other for it.

    Args:
        variant: the fingerprint, and more where that tag is taken.
    """
    mark = key_mark(installation, user, key, tag)
    seed = f"{user}\x1f{key}\x1f{variant}".encode()
    return mark + _digits(seed, tag.alphabet, tag.length - len(mark))


def _digits(seed: bytes, alphabet: str, count: int) -> str:
    base = len(alphabet)
    # A byte more than the digits hold: the bias of the last one stays below a 256th.
    size = (count * (base - 1).bit_length() + 7) // 8 + 1
    number = int.from_bytes(blake2b(seed, digest_size=size).digest())
    digits = []
    for _ in range(count):
        number, digit = divmod(number, base)
        digits.append(alphabet[digit])
    return "".join(digits)
