"""Weekdays on which NSE does not trade, as its circulars name them. Other exchanges may: whoever needs a session then gets one."""

from datetime import date

__all__ = ["HOLIDAYS"]

HOLIDAYS = frozenset(  # NSE, equity segment
    {
        date(2026, 1, 15),  # municipal elections in Maharashtra
        date(2026, 1, 26),  # Republic Day
        date(2026, 3, 3),  # Holi
        date(2026, 3, 26),  # Ram Navami
        date(2026, 3, 31),  # Mahavir Jayanti
        date(2026, 4, 3),  # Good Friday
        date(2026, 4, 14),  # Ambedkar Jayanti
        date(2026, 5, 1),  # Maharashtra Day
        date(2026, 5, 28),  # Bakri Id
        date(2026, 6, 26),  # Muharram
        date(2026, 9, 14),  # Ganesh Chaturthi
        date(2026, 10, 2),  # Gandhi Jayanti
        date(2026, 10, 20),  # Dussehra
        date(2026, 11, 10),  # Diwali Balipratipada
        date(2026, 11, 24),  # Guru Nanak Jayanti
        date(2026, 12, 25),  # Christmas
    }
)
