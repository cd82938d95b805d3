"""Where a secret is kept, as the configuration writes it."""

from enum import StrEnum

__all__ = ["REFERRING", "SecretReference", "SecretSource"]


class SecretSource(StrEnum):
    CREDENTIAL = "credential"  # systemd: a file in $CREDENTIALS_DIRECTORY
    ENV = "env"  # a variable of the daemon's environment
    FILE = "file"  # a path; read again when it changes
    STORE = "store"  # Ordo's encrypted store
    LITERAL = "literal"  # the secret itself


REFERRING = tuple(source for source in SecretSource if source is not SecretSource.LITERAL)


class SecretReference:
    """A secret's place. Shows itself as it was written; a literal shows `***`, also in `repr`.

    Not a struct on purpose: an encoder that meets one fails instead of writing a literal down.

    Args:
        name: the credential, variable, path or entry; of a literal the secret itself.
    """

    __slots__ = ("name", "source")

    def __init__(self, source: SecretSource, name: str) -> None:
        self.source = source
        self.name = name

    @classmethod
    def read(cls, text: str) -> "SecretReference":
        """`env:NAME` and the like; whatever begins with none of the sources is a literal."""
        source, colon, name = text.partition(":")
        if colon and source in REFERRING:
            return cls(SecretSource(source), name)
        return cls(SecretSource.LITERAL, text)

    def __str__(self) -> str:
        return "***" if self.source is SecretSource.LITERAL else f"{self.source}:{self.name}"

    def __repr__(self) -> str:
        return f"SecretReference({self})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SecretReference)
            and self.source is other.source
            and self.name == other.name
        )

    def __hash__(self) -> int:
        return hash((self.source, self.name))
