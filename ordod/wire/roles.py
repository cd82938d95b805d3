"""Whether a caller may make a call, and what would help where not (WIRE 7)."""

from ordod.errors import Kind, OrdoError
from ordod.service.methods import BY_TOKEN, Caller, Method, Role

__all__ = ["NEW_TOKEN", "check_role", "is_stranger", "stranger"]


NEW_TOKEN = "whoever runs this ordod makes another with `ordoctl token new`"  # noqa: S105 - words


def is_stranger(caller: Caller) -> bool:
    """Nobody gave this caller any role, anywhere."""
    return caller.role is Role.NOBODY and not any(caller.roles.values())


def stranger(caller: Caller) -> OrdoError:
    if caller.name.startswith(BY_TOKEN):
        return OrdoError(
            Kind.UNAUTHENTICATED, f"{caller.name} was revoked or has expired: {NEW_TOKEN}"
        )
    return OrdoError(
        Kind.UNAUTHENTICATED,
        f"{caller.name} has no access here: name this user, or a group of theirs, under [access] in ordod.conf and reload",
    )


def check_role(caller: Caller, method: Method, accounts: tuple[str | None, ...]) -> None:
    """Raise FORBIDDEN unless the caller has the method's role for every account it touches (None: for all there are).

    A method that touches no account asks for the caller's general role; to read, a role at any account will do.
    """
    if not accounts:
        may_read = any(role >= Role.READ for role in caller.roles.values())
        role = max(caller.role, Role.READ if may_read else Role.NOBODY)
        if role < method.role:
            raise _forbidden(caller, method, role, None)
    for account in accounts:
        if account is not None:
            role = caller.role_for(account)
        else:
            role = min(caller.role, *caller.roles.values()) if caller.roles else caller.role
        if role < method.role:
            raise _forbidden(caller, method, role, account)


def _forbidden(caller: Caller, method: Method, role: Role, account: str | None) -> OrdoError:
    where = f"for account `{account}`" if account else "for every account"
    other = any(each >= method.role for each in (caller.role, *caller.roles.values()))
    if other and account is None:
        way_out = "name an account you have it for"
    elif caller.name.startswith(BY_TOKEN):
        way_out = NEW_TOKEN
    else:
        way_out = "whoever runs this ordod can grant it under [access]"
    return OrdoError(
        Kind.FORBIDDEN,
        f"`{method.name}` needs the role {method.role.name.lower()} {where}, and {caller.name} has "
        f"{role.name.lower()}: {way_out}",
        account=account,
    )
