"""A broker session that keeps itself alive.

NEW → LOGGING_IN → (WAITING_OTP) → ACTIVE → EXPIRED | DENIED. One login at a time; whoever needs a session waits for it.

When: at the start, unless a kept session lives; on the morning of each trading day where the session is dead or would die
before the day is over; and whenever somebody needs one. A session that the broker refuses is renewed at once; one that ends
by the clock, at night, rests until one of these. A renewal that fails leaves a session alone that still lives.

An account is never locked out by us: only one set of credentials is tried once; a login's own AUTH_DENIED, or three logins
in ten minutes, ends in DENIED, which is durable and ended by a person alone. A TOTP step is written down before its code is
used, by the broker's clock, and no step is used twice.
"""

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum

import anyio
import pyotp
import structlog
from anyio.abc import TaskGroup
from msgspec.structs import replace

from ordod.adapter import (
    Adapter,
    Ask,
    BrokerError,
    Credentials,
    Fault,
    HttpRequest,
    Secret,
    Session,
    supports,
)
from ordod.core.kept import read_session, written
from ordod.core.mornings import DAY_ENDS, Mornings
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.records import AccountNote
from ordod.core.ports import Clock, Line, Lost, Unsent, Vault
from ordod.core.skew import SKEW_S, Skew
from ordod.errors import Kind, OrdoError

__all__ = ["LOGIN_OUTCOMES", "SessionKeeper", "SessionState"]

LOGINS_MAX = 3  # that the broker answered, in LOGINS_WITHIN, successes too: more means that somebody else uses the session
LOGINS_WITHIN = timedelta(minutes=10)
LOGGED_OUT = "logged out by a person"  # as the note of it says, also after a restart
LOGIN_OUTCOMES = ("made", "kept", "failed", "denied")
ANSWER_WAIT_S = 600.0  # a person looks for the phone; the broker's own page lives a few minutes
REQUEST_S = 10.0
RETRY_S = (2.0, 5.0, 15.0, 30.0, 60.0)  # after a login that did not reach the broker
TOTP_STEP_S = 30
TOTP_LEFT_S = 3.0  # of a step, at least, when its code leaves
NOT_ABOUT_US = (Fault.BROKER_UNAVAILABLE, Fault.RATE_LIMITED)  # a login did not get to be judged
LOOK_S = 20.0  # how late the end of a session, or the morning, may be noticed; a refused call notices at once
PROBE_S = 5.0  # for the broker's time, where a code needs it
GOODBYE_S = 3.0  # for the broker's answer to the logout of an account that goes

log = structlog.get_logger()


class _WantsPerson(Exception):  # noqa: N818 - the end of a renewal, not a failure
    """A renewal by itself came to a question that only a person can answer."""


class SessionState(StrEnum):
    NEW = "NEW"
    LOGGING_IN = "LOGGING_IN"
    WAITING_OTP = "WAITING_OTP"
    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    DENIED = "DENIED"


LEVELS = {  # of the log, where it is no news
    SessionState.LOGGING_IN: logging.DEBUG,
    SessionState.WAITING_OTP: logging.WARNING,
    SessionState.EXPIRED: logging.WARNING,
    SessionState.DENIED: logging.ERROR,
}


class SessionKeeper:
    """The session of one account.

    `counts`: of LOGIN_OUTCOMES, how often since the start: a session was made, an earlier one (or a ready-made token) found to
    live, none was had this time, the broker said no. `renewals`: sessions that took the place of an earlier one.

    Args:
        credentials: read anew at each login, so that a changed secret file counts.
        welcome: called with the broker user of a login, before it serves; why it may not, "" if it may.
        learned: called with each secret a login yields, so that no log shows it.
        changed: called after each change of state.
        skew: the broker's clock against ours.
        vault: where sessions are kept over a restart; None: nowhere.
    """

    def __init__(
        self,
        name: str,
        *,
        adapter: Adapter,
        line: Line,
        ledger: Ledger,
        clock: Clock,
        credentials: Callable[[], Credentials],
        skew: Skew | None = None,
        mornings: Mornings | None = None,
        vault: Vault | None = None,
        user_id: str = "",
        welcome: Callable[[str], str] = lambda user: "",
        learned: Callable[[Secret], None] = lambda secret: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.state = SessionState.NEW
        self.session: Session | None = None
        self._rests = (
            False  # its session ended by the clock; the morning or a caller begins another
        )
        self.ask: Ask | None = None
        self.message = ""
        self.user = user_id
        self._pinned = bool(user_id)
        self._adapter = adapter
        self._line = line
        self._ledger = ledger
        self._clock = clock
        self.skew = skew or Skew(clock)
        self._mornings = mornings or Mornings()
        self._vault = vault
        self._credentials = credentials
        self._may_serve = welcome
        self._learned = learned
        self._on_change = changed
        self._moved = anyio.Event()  # set and replaced at every change of state
        self.counts: Counter[str] = Counter()
        self.renewals = 0
        self._has_served = False
        self._answer = ""
        self._answered = anyio.Event()
        self._logins: list[datetime] = []
        self._is_counted = False  # the login under way makes a session; looking whether a ready-made token lives does not
        self._totp_step = 0
        self._dead_tokens: set[Secret] = set()
        self._failures = 0
        self._needs_person = (
            False  # an unanswered question is not asked again by itself: it may send an SMS
        )
        self._wants_person_by = (
            ""  # a renewal came to a question; the session of before still lives
        )
        self._attempted_at: datetime | None = None  # the last login's begin
        self._is_trying = False  # a login is under way
        self._is_renewal = (
            False  # it is one that nobody waits for: the session of before still lives
        )
        self._has_looked = self._vault is None  # for a kept session, once in a life
        self._tasks: TaskGroup | None = None
        self._attempt = anyio.CancelScope()  # of the login that is under way
        self._has_asked_broker = False  # this login sent something
        self._is_ours = (
            False  # a login of ours made the session: it is kept, and ended when the account goes
        )

    def remember(self, note: AccountNote, at: datetime) -> None:
        """What the journal tells of this account from before a restart, oldest first."""
        match note.event:
            case "active" if note.message:
                self._logins.append(at)
            case "refused":
                self._logins.append(at)
            case "totp":
                self._totp_step = max(self._totp_step, int(note.message))
            case _:
                pass
        if note.user and not self._pinned:
            self.user = note.user
        if note.event == "released":
            self._logins.clear()  # a person answers for the next ones
        if note.event == "denied":
            self.state, self.message = SessionState.DENIED, note.message
        elif note.event in ("active", "released") and self.state is SessionState.DENIED:
            self.state, self.message = SessionState.NEW, ""

    async def run(self) -> None:
        """Log in, and again whenever the session is dead and a login is possible; until cancelled."""
        if self.state in (SessionState.LOGGING_IN, SessionState.WAITING_OTP):
            # The supervisor begins again after a bug in a login: nobody is at work on it any more.
            self._failures += 1
            self._move(SessionState.EXPIRED, "the login broke off; the log tells why")
        async with anyio.create_task_group() as self._tasks:
            while True:
                self._end_by_clock()
                waits_for_retry = self.state is SessionState.EXPIRED and self._failures > 0
                if self._is_morning():
                    self._begin(renews=self.session is not None)
                elif not waits_for_retry and not self._rests and self._is_idle():
                    self._begin()
                moved = self._moved
                pause_s = LOOK_S
                if waits_for_retry:
                    pause_s = RETRY_S[min(self._failures, len(RETRY_S)) - 1]
                with anyio.move_on_after(pause_s) as waited:
                    await moved.wait()
                if waits_for_retry and waited.cancelled_caught and not self._needs_person:
                    self._begin()

    def _is_idle(self) -> bool:
        return self.state in (SessionState.NEW, SessionState.EXPIRED)

    def _end_by_clock(self) -> None:
        """A session whose hour has come is dead. Where no exchange is open nobody logs in for nothing."""
        session, now = self.session, self._clock.now()
        if session is None or session.expires_at is None or session.expires_at > now:
            return
        rests = not self._mornings.is_wanted(now)
        self.died(session, "the broker ends all sessions at this hour", rests=rests)

    def _is_morning(self) -> bool:
        """It is past LOGIN_AT of a trading day, no login was tried since, and the session is dead or dies before the day is over."""
        now = self._clock.now()
        due = self._mornings.last_login(now)
        if self._attempted_at is None or self._attempted_at >= due or now.date() != due.date():
            return False
        if self.session is None:
            return self._is_idle() and not self._failures
        ends = self.session.expires_at
        return ends is not None and ends < datetime.combine(now.date(), DAY_ENDS, now.tzinfo)

    # For those who need it

    async def ensure(self, deadline: float) -> Session:
        """The living session; waits for a login that is under way, and begins one where the session rests.

        Raises:
            OrdoError: SESSION_REQUIRED (what to do stands in the message), AUTH_DENIED.
        """
        self._end_by_clock()
        while self.state is not SessionState.ACTIVE or self.session is None:
            if self.state is SessionState.DENIED:
                raise OrdoError(Kind.AUTH_DENIED, self.advice, account=self.name)
            if self.state is SessionState.WAITING_OTP or self._failures:
                raise OrdoError(Kind.SESSION_REQUIRED, self.advice, account=self.name)
            if self._rests:
                self._begin()
            left = deadline - self._clock.boot()
            if left <= 0:
                raise OrdoError(Kind.SESSION_REQUIRED, self.advice, account=self.name)
            moved = self._moved
            with anyio.move_on_after(left):
                await moved.wait()
        return self.session

    async def moves(self) -> None:
        """Wait for the next change of state, without asking for one."""
        await self._moved.wait()

    def is_resting(self) -> bool:
        """Its session ended with the day, and nobody needed another one yet."""
        self._end_by_clock()
        return self._rests

    @property
    def advice(self) -> str:
        """Why this account cannot trade and what to do; "" where it can."""
        match self.state:
            case SessionState.ACTIVE:
                return ""
            case SessionState.EXPIRED if self._rests:
                morning = self._mornings.next_login(self._clock.now())
                return (
                    f"{self.name} has no session: {self.message}. It logs in with the next call, "
                    f"or by itself on {morning:%a %d %b at %H:%M}"
                )
            case SessionState.NEW | SessionState.LOGGING_IN:
                return f"{self.name} is logging in; ask again in a moment"
            case SessionState.WAITING_OTP:
                prompt = self.ask.prompt if self.ask else "an answer is wanted"
                return f"{self.name} waits for a person: {prompt}. Run: ordoctl login {self.name}"
            case SessionState.EXPIRED:
                return f"{self.name} has no session: {self.message}. Run: ordoctl login {self.name}"
            case SessionState.DENIED if self.message == LOGGED_OUT:
                return f"{self.name} was logged out by a person and is stopped. Run: ordoctl login {self.name}"
            case SessionState.DENIED:
                return (
                    f"{self.name} was refused by its broker and is stopped: {self.message}. "
                    f"Mend the credentials, then run: ordoctl login {self.name}"
                )

    async def still_lives(self, session: Session) -> bool:
        """Whether the broker knows this session after all, though it refused a write in it: some say so of a wrong address too."""
        if self.session is not session or not supports(self._adapter, "user"):
            return False
        try:
            return await self._user_of(session) == session.user_id
        except (BrokerError, Unsent, Lost):
            return False

    @property
    def needs_person(self) -> bool:
        """It has no session and will get none, or not for certain, without a person."""
        return not self._rests and self.state in (
            SessionState.WAITING_OTP,
            SessionState.DENIED,
            SessionState.EXPIRED,
        )

    @property
    def reminder(self) -> str:
        """What a person should do soon though the account can trade; "" where nothing."""
        if self.state is not SessionState.ACTIVE:
            return ""
        if self._wants_person_by:
            return (
                f"{self.name}'s session ends at {self._wants_person_by} and only a person can renew it; "
                f"run: ordoctl login {self.name}"
            )
        off = self.skew.seconds
        if off is not None and abs(off) > SKEW_S:
            return (
                f"this machine's clock is {abs(off):.0f} s {'behind' if off > 0 else 'ahead of'} "
                f"{self._adapter.spec.name}'s; let NTP keep it (timedatectl set-ntp true)"
            )
        return ""

    def died(self, session: Session, message: str, *, rests: bool = False) -> None:
        """The broker no longer knows this session. A session that was already replaced is left alone.

        Args:
            rests: nobody needs another one now.
        """
        if self.session is not session:
            return
        self._dead_tokens.add(session.access_token)
        self.session = None
        self._failures = 0
        self._rests, self._wants_person_by = rests, ""
        self._move(SessionState.EXPIRED, message)
        self._ledger.write(AccountNote(account=self.name, event="expired", message=message[:200]))

    # For people

    async def login(self) -> None:
        """Begin a login that a person asked for, and return when it is through, waits for an answer, or failed.

        Raises:
            OrdoError: JOURNAL_FAILED.
        """
        if self.state is SessionState.DENIED:
            try:
                await self._note("released", "a person asked for a login")
            except JournalFailed as error:
                raise OrdoError(Kind.JOURNAL_FAILED, f"nothing was done: {error}") from error
            self._logins.clear()
            self._move(SessionState.NEW, "")
        if self.state is not SessionState.WAITING_OTP:
            self._failures, self._needs_person, self._rests = 0, False, False
            self._begin()
        await self._rest()

    async def answer(self, text: str) -> None:
        """What a person typed, or where the broker sent the browser. Told twice, the second finds the session active.

        Raises:
            OrdoError: INVALID_PARAMS where nothing was asked and there is no session.
        """
        if self.state is SessionState.ACTIVE:
            return
        if self.state is not SessionState.WAITING_OTP:
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"{self.name} is {self.state} and waits for no answer; run: ordoctl login {self.name}",
                field="otp",
                account=self.name,
            )
        self._answer = text
        self._move(SessionState.LOGGING_IN, "")
        self._answered.set()
        await self._rest()

    async def logout(self) -> None:
        """End the session at the broker, and here whatever the broker says. A person logs in again."""
        self._attempt.cancel()
        session, self.session = self.session, None
        if self._vault is not None:
            await self._vault.keep(self.name, None)
        if session is not None:
            self._dead_tokens.add(session.access_token)
            await self._log_out(session)
        await self._stop(LOGGED_OUT)

    async def _log_out(self, session: Session) -> None:
        """The token is forgotten here in any case, and dies at the broker by itself."""
        try:
            dialogue = self._adapter.logout(session)
            request = next(dialogue)
            while True:
                deadline = self._clock.boot() + REQUEST_S
                request = dialogue.send(await self._line.send(request, deadline=deadline))
        except (StopIteration, BrokerError, Unsent, Lost):
            pass

    def try_again(self) -> None:
        """What it logs in with was changed: where the last login failed, now is the time for the next. A denial stands."""
        if self.state is SessionState.EXPIRED and not self._rests:
            self._failures, self._needs_person = 0, False
            self._begin()

    async def close(self, heir: str | None = None) -> None:
        """The account goes; `run` was ended before. Whoever waits for a session hears that there is none.

        A session that a login of ours made is ended at the broker too; a ready-made token is somebody else's.

        Args:
            heir: the account that the same user is from now on; it finds the session where there is a vault.
        """
        self._tasks = None
        session, self.session = self.session, None
        self._failures, self._rests = 1, False
        self._move(SessionState.EXPIRED, "it was taken out of the configuration, or begins anew")
        if self._vault is not None:
            await self._vault.keep(self.name, None)
        if session is None or not self._is_ours:
            return
        if heir is not None and self._vault is not None:
            await self._vault.keep(heir, written(session))
            return
        with anyio.move_on_after(GOODBYE_S):
            await self._log_out(session)

    async def _rest(self) -> None:
        while self.state is SessionState.LOGGING_IN:
            await self._moved.wait()

    # The login

    def _begin(self, *, renews: bool = False) -> None:
        if self._is_trying or self._tasks is None:
            return
        self._is_trying, self._is_renewal, self._rests = True, renews, False
        self._attempted_at = self._clock.now()
        if not renews:
            self._move(SessionState.LOGGING_IN, "")
        self._attempt = anyio.CancelScope()
        self._tasks.start_soon(self._login, self._attempt)

    async def _login(self, attempt: anyio.CancelScope) -> None:
        try:
            with attempt:  # a logout ends it
                await self._try()
        finally:
            self._is_trying = False

    async def _try(self) -> None:
        now = self._clock.now()
        self._logins = [at for at in self._logins if now - at < LOGINS_WITHIN]
        try:
            session = await self._kept(now)
            is_kept = self._is_ours = session is not None
            if session is None:
                if len(self._logins) >= LOGINS_MAX:
                    await self._spent()
                    return
                session = await self._converse(now)
        except BrokerError as error:
            await self._failed(error)
        except (Unsent, Lost) as error:
            self._fails(f"the broker could not be reached: {error}")
        except TimeoutError:
            self._fails("nobody answered the login's question", needs_person=True)
        except JournalFailed:
            self._fails("the journal failed, and a TOTP is not used unwritten", needs_person=True)
        except _WantsPerson:
            ends = self.session.expires_at if self.session else None
            self._wants_person_by = f"{ends:%H:%M}" if ends else "its hour"
            self._on_change()
        else:
            await self._welcome(session, is_kept=is_kept)
        finally:
            if self.state in (
                SessionState.LOGGING_IN,
                SessionState.WAITING_OTP,
            ):  # a bug, or the end
                self.counts["failed"] += 1
                self._failures += 1
                self._move(SessionState.EXPIRED, "the login broke off")

    def _fails(self, message: str, *, needs_person: bool = False) -> None:
        """This login came to nothing. A session that is only being renewed goes on."""
        self.counts["failed"] += 1
        if self.state is SessionState.ACTIVE:
            return
        self._failures = 1 if needs_person else self._failures + 1
        self._needs_person = needs_person or self._needs_person
        self._move(SessionState.EXPIRED, message)

    async def _spent(self) -> None:
        if self.state is SessionState.ACTIVE:
            return
        await self._deny(
            f"{LOGINS_MAX} logins in {LOGINS_WITHIN.seconds // 60} minutes; someone else uses this session"
        )

    async def _kept(self, now: datetime) -> Session | None:
        """The session of before the start, if its broker still knows it. Raises Unsent, Lost, BrokerError: ask again."""
        if self._has_looked or self._vault is None:
            return None
        if self._credentials().access_token:
            self._has_looked = True  # a ready-made token is the configuration's word
            return None
        content = await self._vault.find(self.name)
        session = read_session(content, now) if content else None
        if session is not None and (not self._pinned or session.user_id == self.user):
            for secret in (session.access_token, *session.extra.values()):
                self._learned(secret)
            try:
                user = await self._user_of(session)
            except BrokerError as error:
                if error.fault in NOT_ABOUT_US:
                    raise
                user = ""
            if user == session.user_id:
                self._has_looked, self._is_counted = True, False
                return session
        self._has_looked = True
        return None

    async def _user_of(self, session: Session) -> str:
        """Whose the broker says this session is. Where it cannot be asked the session is believed until a call is refused."""
        if not supports(self._adapter, "user"):
            return session.user_id
        dialogue = self._adapter.user(session)
        try:
            request = next(dialogue)
            while True:
                deadline = self._clock.boot() + REQUEST_S
                request = dialogue.send(await self._line.send(request, deadline=deadline))
        except StopIteration as end:
            return str(end.value)

    async def _converse(self, now: datetime) -> Session:
        self._is_counted = False
        credentials = self._credentials()
        self._has_asked_broker = False
        if credentials.access_token in self._dead_tokens:
            credentials = replace(credentials, access_token=None)
        dialogue = self._adapter.login(credentials, now)
        host = next(iter(self._adapter.spec.hosts), "")
        try:
            item = next(dialogue)
            while True:
                if isinstance(item, HttpRequest):
                    is_look = item.method == "GET" or item.looks
                    self._is_counted = self._is_counted or not is_look
                    deadline = self._clock.boot() + REQUEST_S
                    self._has_asked_broker, host = True, item.host
                    item = dialogue.send(await self._line.send(item, deadline=deadline))
                elif item.kind == "totp" and credentials.totp_secret:
                    await self._learn_time(host)
                    item = dialogue.send(await self._totp(credentials.totp_secret))
                else:
                    item = dialogue.send(await self._asked(item))
        except StopIteration as end:
            session = end.value
            assert isinstance(session, Session)
            return session

    async def _learn_time(self, host: str) -> None:
        """Any answer of the broker's tells its time: a code of another time is a wrong code, and wrong codes lock accounts."""
        if self.skew.is_known:
            return
        with suppress(Unsent, Lost):
            ask = HttpRequest("GET", host, "/", "login")
            await self._line.send(ask, deadline=self._clock.boot() + PROBE_S)

    async def _asked(self, ask: Ask) -> str:
        if self._is_renewal and self.session is not None:
            raise _WantsPerson
        self.ask = ask
        self._answered = anyio.Event()
        self._move(SessionState.WAITING_OTP, ask.prompt)
        with anyio.fail_after(ANSWER_WAIT_S):
            await self._answered.wait()
        self.ask = None
        return self._answer

    async def _totp(self, secret: Secret) -> str:
        """The code of now by the broker's clock, of a step that was never used and does not end while it is on its way."""
        now = self.skew.broker_time()
        step = int(now) // TOTP_STEP_S
        while step <= self._totp_step or (step + 1) * TOTP_STEP_S - now < TOTP_LEFT_S:
            begins = (max(step, self._totp_step) + 1) * TOTP_STEP_S
            await anyio.sleep(max(0.1, begins - now))
            now = self.skew.broker_time()
            step = int(now) // TOTP_STEP_S
        self._totp_step = step
        await self._note("totp", str(step))
        try:
            return pyotp.TOTP(secret.reveal()).generate_otp(step)
        except ValueError:
            raise BrokerError(
                Fault.AUTH_DENIED,
                "totp_secret is not base32 text of at least 26 characters, as the broker shows it",
            ) from None

    async def _welcome(self, session: Session, *, is_kept: bool) -> None:
        for secret in (session.access_token, *session.extra.values()):
            self._learned(secret)
        if self._pinned and session.user_id != self.user:
            await self._deny(
                f"the login is of user {session.user_id}, the account says {self.user}"
            )
            return
        if why := self._may_serve(session.user_id):
            # The configuration's mistake, not the broker's word.
            self._fails(why, needs_person=True)
            return
        if self._is_counted:
            self._logins.append(self._clock.now())
        lived = is_kept or session.access_token == self._credentials().access_token
        self.counts["kept" if lived else "made"] += 1
        self.renewals += self._has_served
        self._has_served = True
        self._failures, self._wants_person_by = 0, ""
        self.user = session.user_id
        with suppress(JournalFailed):  # reads and cancels go on; orders fail at their own intent
            await self._note("active", "login" if self._is_counted else "")
        self.session = session
        self._move(SessionState.ACTIVE, "")
        is_made = self._is_counted and not self._credentials().access_token
        self._is_ours = self._is_ours or is_made
        if self._vault is not None and is_made:
            await self._vault.keep(self.name, written(session))

    async def _failed(self, error: BrokerError) -> None:
        is_slip = error.fault is Fault.INVALID_INPUT and not self._is_counted
        if is_slip or not self._has_asked_broker:
            # What a person typed, or what the configuration lacks, is no word of the broker's. The configuration is read anew
            # at each try: a token in a file may come.
            self._fails(error.message)
            return
        if error.fault in (Fault.AUTH_DENIED, Fault.INVALID_INPUT, Fault.UNSUPPORTED):
            self._logins.append(self._clock.now())
            await self._deny(error.message)
            return
        if error.fault is Fault.AUTH_EXPIRED and (token := self._credentials().access_token):
            self._dead_tokens.add(token)  # a ready-made token is used as long as it lives
        event = "expired"
        if error.fault not in NOT_ABOUT_US:
            # It may be a "wrong password" in words we do not know: it counts against the budget.
            self._logins.append(self._clock.now())
            event = "refused"
        self._fails(error.message)
        with suppress(JournalFailed):
            await self._note(event, error.message)

    async def _deny(self, message: str) -> None:
        self.counts["denied"] += 1
        await self._stop(message)

    async def _stop(self, message: str) -> None:
        # What is told of it must outlive a crash: a person mends the credentials because of it. Where the disk is dead it
        # stands in memory; a restart finds the dead disk first.
        with suppress(JournalFailed):
            await self._note("denied", message)
        self.session = None
        self._move(SessionState.DENIED, message)

    async def _note(self, event: str, message: str) -> None:
        note = AccountNote(account=self.name, event=event, user=self.user, message=message[:200])
        await self._ledger.write(note).durable()

    def _move(self, state: SessionState, message: str) -> None:
        self.state, self.message = state, message
        _tell(self.name, self._adapter.spec.id, state, message, rests=self._rests)
        if state is not SessionState.WAITING_OTP:
            self.ask = None
        moved, self._moved = self._moved, anyio.Event()
        moved.set()
        self._on_change()


def _tell(account: str, broker: str, state: SessionState, why: str, *, rests: bool) -> None:
    """In the log, as loud as a person should hear it."""
    level = LEVELS.get(state, logging.INFO) if not rests else logging.INFO
    log.log(level, "session_moved", account=account, broker=broker, state=state.value, why=why)
