"""Finds adapters, ours and others', by the entry points of group `ordod.adapters`: broker id = "module:object".

Only the brokers that the configuration names are imported: a plugin that is broken or slow harms nobody who does not use it,
and what is installed costs nothing.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

from ordod.adapter import CONTRACT, Adapter

__all__ = ["GROUP", "RegistryError", "installed", "load", "load_one", "options_of"]

GROUP = "ordod.adapters"


class RegistryError(Exception):
    """A broker that cannot be had. The message says which, why, and what to do."""


def installed() -> tuple[str, ...]:
    """The ids of all brokers whose adapters are installed, sorted. None of them is imported."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load(brokers: Iterable[str]) -> dict[str, Adapter]:
    """The adapters of these brokers, by id.

    Raises:
        RegistryError: unknown broker, broken plugin, or one written for another contract.
    """
    return {broker: load_one(broker) for broker in sorted(set(brokers))}


def load_one(broker: str) -> Adapter:
    """One broker's adapter. Raises RegistryError."""
    point = _point(broker)
    origin = _origin(point)
    try:
        adapter = point.load()
    except (ImportError, AttributeError) as error:
        raise RegistryError(f"broker {broker!r}: {origin} cannot be loaded: {error}") from error
    contract = getattr(adapter, "contract", None)
    if contract is not None and contract != CONTRACT:
        raise RegistryError(
            f"broker {broker!r}: {origin} is written for contract {contract}, this ordod speaks {CONTRACT}; "
            f"install the version of {'ordod' if contract > CONTRACT else 'the adapter'} that fits"
        )
    if not isinstance(adapter, Adapter):
        raise RegistryError(
            f"broker {broker!r}: {origin} is not an adapter but a {type(adapter).__name__}; "
            "an entry point names an object of a class derived from ordod.adapter.Adapter"
        )
    if adapter.spec.id != broker:
        raise RegistryError(
            f"broker {broker!r}: {origin} calls itself {adapter.spec.id!r}; "
            "the entry point's name and spec.id must be the same"
        )
    return adapter


def options_of(broker: str) -> dict[str, bool] | None:
    """What an account of this broker may have besides, by name, and whether it is a secret; None: no adapter has this id.

    Raises:
        RegistryError: the adapter cannot be had.
    """
    if broker not in installed():
        return None
    spec = load_one(broker).spec
    return dict.fromkeys(spec.options, False) | dict.fromkeys(spec.secrets, True)


def _point(broker: str) -> EntryPoint:
    points = list(entry_points(group=GROUP, name=broker))
    if not points:
        raise RegistryError(f"no adapter for broker {broker!r} is installed; {_advice(broker)}")
    if len({point.value for point in points}) > 1:
        origins = " and ".join(sorted(_origin(point) for point in points))
        raise RegistryError(f"broker {broker!r} is offered twice: by {origins}; uninstall one")
    return points[0]


def _advice(broker: str) -> str:
    known = installed()
    close = get_close_matches(broker.lower(), known, n=3)
    if close:
        return f"did you mean {' or '.join(repr(name) for name in close)}?"
    return f"installed are {', '.join(known) or 'none'}"


def _origin(point: EntryPoint) -> str:
    distribution = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
    return f"{point.value}{distribution}"
