"""What an account at each broker needs, as its adapter says (WIRE 9)."""

from collections.abc import Mapping

from msgspec import Struct

__all__ = ["PAPER", "Broker", "Mode", "every", "load"]

PAPER = "paper"
SECRETS = ("api_key", "api_secret", "password", "pin", "totp_secret", "access_token")
BY_ITSELF = ("password", "pin")  # a login of these sends a TOTP code too


class Mode(Struct, frozen=True):
    """One way of logging in: `name` as `login = "..."` has it, "" the broker's official one."""

    name: str
    about: str
    needs: tuple[str, ...]

    @property
    def takes_totp(self) -> bool:
        return any(name in self.needs for name in BY_ITSELF)


class Broker(Struct, frozen=True, kw_only=True):
    """`options`, `secrets`: what it knows besides those of every broker, with their meaning."""

    id: str
    name: str
    modes: tuple[Mode, ...]
    options: Mapping[str, str]
    secrets: Mapping[str, str]

    def mode(self, name: str) -> Mode | None:
        return next((mode for mode in self.modes if mode.name == name), None)

    def is_secret(self, name: str) -> bool:
        return name in SECRETS or name in self.secrets

    def secrets_of(self, mode: Mode) -> tuple[tuple[str, bool], ...]:
        """What is asked for without echo, and whether the login cannot do without."""
        needed = tuple((name, True) for name in mode.needs if self.is_secret(name))
        return (*needed, ("totp_secret", False)) if mode.takes_totp else needed

    def options_of(self, mode: Mode) -> tuple[tuple[str, str, bool], ...]:
        """Name, meaning, whether the login cannot do without; those needed first."""
        known = [(name, about, name in mode.needs) for name, about in self.options.items()]
        return tuple(sorted(known, key=lambda option: not option[2]))


def every() -> tuple[str, ...]:
    """The ids of all brokers that are installed, paper first."""
    from ordod.registry import installed

    return tuple(sorted(installed(), key=lambda name: (name != PAPER, name)))


def load(broker: str) -> Broker | str:
    """The broker; or why its adapter cannot be had."""
    from ordod.registry import RegistryError, load_one

    try:
        spec = load_one(broker).spec
    except RegistryError as why:
        return str(why)
    modes = tuple(
        Mode(name, about, tuple(spec.credentials.get(name, ())))
        for name, about in spec.logins.items()
    )
    return Broker(
        id=spec.id,
        name=spec.name,
        modes=modes or (Mode("", "", tuple(spec.credentials.get("", ()))),),
        options=dict(spec.options),
        secrets=dict(spec.secrets),
    )
