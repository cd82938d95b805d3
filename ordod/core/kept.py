"""A session as it is kept over a restart. The bytes hold its secrets: they go to the vault, which encrypts them, and nowhere else."""

from datetime import datetime

import msgspec
from msgspec import Struct

from ordod.adapter import Secret, Session

__all__ = ["read_session", "written"]


class _Kept(Struct):
    user_id: str
    access_token: str
    api_key: str
    extra: dict[str, str]
    expires_at: datetime | None
    options: dict[str, str] = {}


def written(session: Session) -> bytes:
    return msgspec.json.encode(
        _Kept(
            user_id=session.user_id,
            access_token=session.access_token.reveal(),
            api_key=session.api_key,
            extra={name: secret.reveal() for name, secret in session.extra.items()},
            expires_at=session.expires_at,
            options=dict(session.options),
        )
    )


def read_session(content: bytes, now: datetime) -> Session | None:
    """The session, if these bytes are one that has not ended by the clock."""
    try:
        kept = msgspec.json.decode(content, type=_Kept)
    except msgspec.MsgspecError:
        return None
    if kept.expires_at is not None and kept.expires_at <= now:
        return None
    return Session(
        user_id=kept.user_id,
        access_token=Secret(kept.access_token),
        api_key=kept.api_key,
        extra={name: Secret(text) for name, text in kept.extra.items()},
        expires_at=kept.expires_at,
        options=kept.options,
    )
