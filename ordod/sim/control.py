"""The simulator's back door, for tests only: trouble, time, and the truth. JSON below `/_sim/` on the same port.

| request | does |
| --- | --- |
| `GET /_sim/deeds` | everything carried out, and every refused change: the ground truth |
| `GET /_sim/requests` | every request that arrived whole, what became of it, which fault befell it |
| `GET`, `POST`, `DELETE /_sim/faults` | faults waiting; one more (a `Fault` object, or a list of them); none any more |
| `POST /_sim/chance` `{"text": "lose=0.25"}` | faults by chance, as on the command line |
| `GET`, `POST /_sim/clock` `{"step_s": 1}` or `{"at": "..."}` | the broker's time; moved |
| `POST /_sim/feed_faults` | trouble with streams (a `FeedFault` object): cut, duplicate, reorder, silence, disconnect, refuse |
| `POST /_sim/new_day` | the book of the day is emptied |
| `GET /_sim/scopes` | which requests are which change: `{"place": ["POST", "/orders/"], ...}` |
| `GET /_sim/config` | what an account's configuration says to be the first user here |
| `GET /_sim/secrets` | every text that must never be seen |
| `POST /_sim/place` `{"user_id", ...}` | an order by hand in another app, in the broker's own fields; answers its id |
| `POST /_sim/access_token` `{"user_id"}` | a new session, as a login gives it |
| `POST /_sim/request_token` `{"user_id"}` | what a login in a browser ends with, where the broker has such a page |
| `POST /_sim/end_sessions` `{"user_id"}` | a master logout |

`user_id` may be left out: the first there is. A broker may have more (its `controls`).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import orjson

from ordod.sim.broker import BrokerSim, SimError
from ordod.sim.clock import Clock
from ordod.sim.faults import Fault
from ordod.sim.feeds import FeedFault
from ordod.sim.message import Answer

__all__ = ["Control"]

JSON = (("content-type", "application/json"),)


class Control:
    """Answers requests below `/_sim/`."""

    def __init__(self, sim: BrokerSim, clock: Clock) -> None:
        self._sim = sim
        self._clock = clock
        self._calls: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "deeds"): lambda _: sim.orders.deeds,
            ("GET", "requests"): lambda _: sim.requests,
            ("GET", "faults"): lambda _: sim.faults.waiting,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): lambda _: sim.faults.clear(),
            ("POST", "feed_faults"): lambda asked: sim.feed_faults.add(
                msgspec.convert(asked, FeedFault), clock.now()
            ),
            ("POST", "chance"): lambda asked: sim.faults.chance(asked["text"]),
            ("GET", "clock"): lambda _: {"at": clock.now()},
            ("POST", "clock"): self._move_clock,
            ("POST", "new_day"): lambda _: sim.new_day(clock.now()),
            ("POST", "place"): self._place,
            ("GET", "scopes"): lambda _: sim.scopes,
            ("GET", "config"): lambda _: sim.config(),
            ("GET", "secrets"): lambda _: sim.secrets(),
            ("POST", "access_token"): self._access_token,
            ("POST", "request_token"): self._request_token,
            ("POST", "end_sessions"): lambda asked: sim.end_sessions(self._user(asked)),
            **sim.controls(),
        }

    def handle(self, method: str, target: str, body: bytes) -> Answer:
        """200 with the result as JSON; 400 with the reason, 404 for what there is not."""
        call = self._calls.get((method, target.removeprefix("/_sim/")))
        if call is None:
            return Answer(404, JSON, b'{"error":"no such control request"}')
        try:
            result = call(orjson.loads(body) if body else {})
        except (ValueError, KeyError, TypeError, msgspec.ValidationError, SimError) as error:
            return Answer(400, JSON, orjson.dumps({"error": f"{type(error).__name__}: {error}"}))
        return Answer(200, JSON, msgspec.json.encode(result))

    def _add_faults(self, asked: Any) -> None:
        for fault in asked if isinstance(asked, list) else [asked]:
            self._sim.faults.add(**msgspec.structs.asdict(msgspec.convert(fault, Fault)))

    def _move_clock(self, asked: Any) -> dict[str, datetime]:
        if "at" in asked:
            self._clock.set(datetime.fromisoformat(asked["at"]))
        else:
            self._clock.step(float(asked["step_s"]))
        self._sim.advance(self._clock.now())
        return {"at": self._clock.now()}

    def _place(self, asked: Any) -> dict[str, str]:
        user = self._user(asked)
        asked.pop("user_id", None)
        return {"order_id": self._sim.place_by_hand(user, asked, self._clock.now())}

    def _access_token(self, asked: Any) -> dict[str, str]:
        return {"access_token": self._sim.access_token(self._user(asked), self._clock.now())}

    def _request_token(self, asked: Any) -> dict[str, str]:
        return {"request_token": self._sim.request_token(self._user(asked), self._clock.now())}

    def _user(self, asked: Any) -> str:
        return asked.get("user_id") or self._sim.users[0]
