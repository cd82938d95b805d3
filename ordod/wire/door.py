"""What strangers may cost: how many connections nobody knows yet, how fast they come, how often they fail. It decides; `tcp`
does.

What is bounded here can be used up by those who share an address with a good client, so nothing of it touches a connection that
is known already, nor the Unix socket; and a good token gets in however often others have failed: that costs a hash. Only the
answer to a wrong one waits, longer each time.
"""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from msgspec import Struct

__all__ = [
    "KNOWN_WITHIN_S",
    "PAUSE_MAX_S",
    "UNKNOWN_MAX",
    "UNKNOWN_OF_ADDRESS_MAX",
    "Door",
    "Visit",
    "plain_address",
]

KNOWN_WITHIN_S = 10.0  # from the first byte of TCP to a token: a handshake over a bad line takes 2
UNKNOWN_MAX = 64  # connections whose token was not seen yet; the oldest makes room
UNKNOWN_OF_ADDRESS_MAX = 16
ARRIVALS_AT_ONCE = (
    64  # of one address, then so many a second: a handshake costs up to 1 ms of the one thread
)
ARRIVALS_PER_S = 16.0
PAUSE_S = 0.1  # before the answer to an address' first wrong token; doubled with each
PAUSE_MAX_S = 10.0  # a client that waits for its no has a time limit of its own
FORGOTTEN_AFTER_S = 600.0
ADDRESSES_MAX = 1024  # remembered; of more the one longest unheard of is forgotten


class Visit:
    """A connection over TCP, from `accept` on. `heard`: how often something came, and when last."""

    def __init__(self, address: str, now: float) -> None:
        self.address = address
        self.is_known = False
        self.heard = 0
        self.heard_at = now
        self.known_by = now + KNOWN_WITHIN_S


class _Count(Struct):
    """A bucket of arrivals, or the failures so far; and as of when."""

    value: float
    at: float


class Door:
    """All that are inside, and what is remembered of addresses.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.visits: dict[Visit, None] = {}  # the oldest first
        self._arrivals: OrderedDict[str, _Count] = OrderedDict()
        self._failures: OrderedDict[str, _Count] = OrderedDict()

    def knock(self, address: str) -> tuple[Visit | None, Visit | None]:
        """The visit that begins, or None; and one that has to end for it, or None (it has left already)."""
        unknown = [each for each in self.visits if not each.is_known]
        of_address = [each for each in unknown if each.address == address]
        leaves: Visit | None = None
        if len(of_address) >= UNKNOWN_OF_ADDRESS_MAX:
            leaves = of_address[0]
        elif len(unknown) >= UNKNOWN_MAX:
            leaves = unknown[0]
        if not self._may_arrive(address):
            return None, None
        if leaves is not None:
            self.left(leaves)
        visit = Visit(address, self._clock())
        self.visits[visit] = None
        return visit, leaves

    @property
    def known_count(self) -> int:
        return sum(visit.is_known for visit in self.visits)

    def known(self, visit: Visit) -> None:
        """It has shown a good token."""
        visit.is_known = True
        self._failures.pop(_group(visit.address), None)

    def failed(self, visit: Visit) -> float:
        """It has shown a wrong token, or none: how many seconds the answer waits."""
        now = self._clock()
        count = _entry(self._failures, _group(visit.address), _Count(0.0, now))
        if now - count.at > FORGOTTEN_AFTER_S:
            count.value = 0.0
        count.value, count.at = min(count.value + 1, 32.0), now
        pause: float = min(PAUSE_S * 2 ** (count.value - 1), PAUSE_MAX_S)
        visit.known_by = max(visit.known_by, now + pause + 1.0)
        return pause

    def left(self, visit: Visit) -> None:
        self.visits.pop(visit, None)

    def overdue(self) -> list[Visit]:
        """Those that should have shown a token by now."""
        now = self._clock()
        return [each for each in self.visits if not each.is_known and now > each.known_by]

    def idle(self, idle_s: float) -> list[Visit]:
        """Those that are known, and of which nothing was heard for so long."""
        since = self._clock() - idle_s
        return [each for each in self.visits if each.is_known and each.heard_at < since]

    def _may_arrive(self, address: str) -> bool:
        if ip_address(
            address
        ).is_loopback:  # every user of this machine has it, and it costs no handshake
            return True
        now = self._clock()
        count = _entry(self._arrivals, _group(address), _Count(float(ARRIVALS_AT_ONCE), now))
        grown = count.value + (now - count.at) * ARRIVALS_PER_S
        count.value, count.at = min(grown, float(ARRIVALS_AT_ONCE)), now
        if count.value < 1:
            return False
        count.value -= 1
        return True


def plain_address(address: str) -> str:
    """Without a zone; an IPv4 address as itself, also where it came to a socket of IPv6."""
    found = ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


def _group(address: str) -> str:
    """Of IPv6 a host has at least a /64."""
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return address


def _entry(table: OrderedDict[str, _Count], name: str, new: _Count) -> _Count:
    found = table.setdefault(name, new)
    table.move_to_end(name)
    if len(table) > ADDRESSES_MAX:
        table.popitem(last=False)
    return found
