"""India's time. It has no daylight saving and no history since 1945, so that no database of zones is needed."""

from datetime import timedelta, timezone

__all__ = ["IST"]

IST = timezone(timedelta(hours=5, minutes=30), "IST")
