"""From `[alerts.NAME]` to whoever is told: one outlet a receiver, made anew only where its settings changed."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ordod.adapter import Secret
from ordod.config import AlertSettings, ReceiverSettings
from ordod.core.alerts.outlet import Outlet
from ordod.core.ports import Clock, Receiver
from ordod.domain.references import SecretReference
from ordod.io.commands import CommandReceiver
from ordod.io.receivers import HttpReceiver
from ordod.secrets import SecretError, Secrets

__all__ = ["Receivers", "problems"]


class Receivers:
    """Makes outlets; what they read of the configuration's secrets is read at each alert."""

    def __init__(
        self,
        clock: Clock,
        secrets: Secrets,
        environment: Mapping[str, str],
        hide: Callable[[str], str],
    ) -> None:
        self._clock = clock
        self._secrets = secrets
        self._environment = environment
        self._hide = hide
        self._made: dict[str, tuple[ReceiverSettings, Outlet]] = {}

    def outlets(self, settings: AlertSettings) -> list[Outlet]:
        """Of these settings; those whose own are as they were are the same as before."""
        before, self._made = self._made, {}
        for name, receiver in settings.receivers.items():
            known = before.get(name)
            outlet = known[1] if known and known[0] == receiver else self._outlet(receiver)
            self._made[name] = (receiver, outlet)
        return [outlet for _, outlet in self._made.values()]

    def _outlet(self, settings: ReceiverSettings) -> Outlet:
        return Outlet(
            settings.name, self._receiver(settings), clock=self._clock, kinds=settings.kinds
        )

    def _receiver(self, settings: ReceiverSettings) -> Receiver:
        if settings.command:
            return CommandReceiver(
                command=settings.command, environment=self._environment, hide=self._hide
            )
        token = settings.token
        return HttpReceiver(
            url=settings.url,
            headers=settings.headers,
            body=settings.body,
            token=None if token is None else lambda: self._read(token),
            hide=self._hide,
        )

    def _read(self, token: SecretReference) -> Secret:
        """Raises ValueError."""
        try:
            return self._secrets.read(token)
        except SecretError as error:
            raise ValueError(str(error)) from None


def problems(settings: AlertSettings, secrets: Secrets) -> Iterator[str]:
    """What keeps receivers from being told, as far as it can be seen without telling them."""
    for name, receiver in settings.receivers.items():
        if receiver.command and shutil.which(receiver.command[0]) is None:
            program = Path(receiver.command[0])
            why = "cannot be run by this user" if program.exists() else "is not there"
            yield f"alerts.{name}: the command {program} {why}"
        if receiver.token is not None:
            try:
                secrets.read(receiver.token)
            except SecretError as error:
                yield f"alerts.{name}: token: {error}"
