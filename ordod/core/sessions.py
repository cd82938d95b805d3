"""A broker session that keeps itself alive.

NEW → LOGGING_IN → (WAITING_OTP) → ACTIVE → EXPIRED | DENIED. One login at a time; whoever needs a session waits for it.

An account is never locked out by us: only one set of credentials is tried once; a login's own AUTH_DENIED, or three logins
in ten minutes, ends in DENIED, which is durable and ended by a person alone. A TOTP step is written down before its code is
used, and no step is used twice.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum

import anyio
import pyotp
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
)
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.records import AccountNote
from ordod.core.ports import Clock, Line, Lost, Unsent
from ordod.errors import Kind, OrdoError

__all__ = ["SessionKeeper", "SessionState"]

LOGINS_MAX = 3  # that the broker answered, in LOGINS_WITHIN, successes too: more means that somebody else uses the session
LOGINS_WITHIN = timedelta(minutes=10)
ANSWER_WAIT_S = 600.0  # a person looks for the phone; the broker's own page lives a few minutes
REQUEST_S = 10.0
RETRY_S = (2.0, 5.0, 15.0, 30.0, 60.0)  # after a login that did not reach the broker
TOTP_STEP_S = 30
NOT_ABOUT_US = (Fault.BROKER_UNAVAILABLE, Fault.RATE_LIMITED)  # a login did not get to be judged
LOOK_S = 20.0  # how late the end of a session may be noticed by the clock; a refused call notices at once


class SessionState(StrEnum):
    NEW = "NEW"
    LOGGING_IN = "LOGGING_IN"
    WAITING_OTP = "WAITING_OTP"
    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    DENIED = "DENIED"


class SessionKeeper:
    """The session of one account.

    Args:
        credentials: read anew at each login, so that a changed secret file counts.
        welcome: called with the broker user of a login, before it serves; why it may not, "" if it may.
        learned: called with each secret a login yields, so that no log shows it.
        changed: called after each change of state.
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
        user_id: str = "",
        welcome: Callable[[str], str] = lambda user: "",
        learned: Callable[[Secret], None] = lambda secret: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.state = SessionState.NEW
        self.session: Session | None = None
        self.ask: Ask | None = None
        self.message = ""
        self.user = user_id
        self._pinned = bool(user_id)
        self._adapter = adapter
        self._line = line
        self._ledger = ledger
        self._clock = clock
        self._credentials = credentials
        self._may_serve = welcome
        self._learned = learned
        self._on_change = changed
        self._moved = anyio.Event()  # set and replaced at every change of state
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
        self._tasks: TaskGroup | None = None
        self._attempt = anyio.CancelScope()  # of the login that is under way
        self._has_asked_broker = False  # this login sent something

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
                if self.session and self.session.expires_at:
                    left = (self.session.expires_at - self._clock.now()).total_seconds()
                    if left <= 0:
                        self.died(self.session, "the broker ends all sessions at this hour")
                waits_for_retry = self.state is SessionState.EXPIRED and self._failures > 0
                if not waits_for_retry and self.state in (SessionState.NEW, SessionState.EXPIRED):
                    self._begin()
                moved = self._moved
                pause_s = LOOK_S
                if waits_for_retry:
                    pause_s = RETRY_S[min(self._failures, len(RETRY_S)) - 1]
                with anyio.move_on_after(pause_s) as waited:
                    await moved.wait()
                if waits_for_retry and waited.cancelled_caught and not self._needs_person:
                    self._begin()

    # For those who need it

    async def ensure(self, deadline: float) -> Session:
        """The living session; waits for a login that is under way.

        Raises:
            OrdoError: SESSION_REQUIRED (what to do stands in the message), AUTH_DENIED.
        """
        while self.state is not SessionState.ACTIVE or self.session is None:
            if self.state is SessionState.DENIED:
                raise OrdoError(Kind.AUTH_DENIED, self.advice, account=self.name)
            if self.state is SessionState.WAITING_OTP or self._failures:
                raise OrdoError(Kind.SESSION_REQUIRED, self.advice, account=self.name)
            left = deadline - self._clock.boot()
            if left <= 0:
                raise OrdoError(Kind.SESSION_REQUIRED, self.advice, account=self.name)
            moved = self._moved
            with anyio.move_on_after(left):
                await moved.wait()
        return self.session

    @property
    def advice(self) -> str:
        """Why this account cannot trade and what to do; "" where it can."""
        match self.state:
            case SessionState.ACTIVE:
                return ""
            case SessionState.NEW | SessionState.LOGGING_IN:
                return f"{self.name} is logging in; ask again in a moment"
            case SessionState.WAITING_OTP:
                prompt = self.ask.prompt if self.ask else "an answer is wanted"
                return f"{self.name} waits for a person: {prompt}. Run: ordoctl login {self.name}"
            case SessionState.EXPIRED:
                return f"{self.name} has no session: {self.message}. Run: ordoctl login {self.name}"
            case SessionState.DENIED:
                return (
                    f"{self.name} was refused by its broker and is stopped: {self.message}. "
                    f"Mend the credentials, then run: ordoctl login {self.name}"
                )

    def died(self, session: Session, message: str) -> None:
        """The broker no longer knows this session. A session that was already replaced is left alone."""
        if self.session is not session:
            return
        self._dead_tokens.add(session.access_token)
        self.session = None
        self._failures = 0
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
            self._failures, self._needs_person = 0, False
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
        if session is not None:
            self._dead_tokens.add(session.access_token)
            try:
                dialogue = self._adapter.logout(session)
                request = next(dialogue)
                while True:
                    deadline = self._clock.boot() + REQUEST_S
                    request = dialogue.send(await self._line.send(request, deadline=deadline))
            except (StopIteration, BrokerError, Unsent, Lost):
                pass  # the token is forgotten here in any case, and dies at the broker by itself
        await self._deny("logged out by a person")

    async def _rest(self) -> None:
        while self.state is SessionState.LOGGING_IN:
            await self._moved.wait()

    # The login

    def _begin(self) -> None:
        if self.state is SessionState.LOGGING_IN or self._tasks is None:
            return
        self._move(SessionState.LOGGING_IN, "")
        self._attempt = anyio.CancelScope()
        self._tasks.start_soon(self._login, self._attempt)

    async def _login(self, attempt: anyio.CancelScope) -> None:
        with attempt:  # a logout ends it
            await self._try()

    async def _try(self) -> None:
        now = self._clock.now()
        self._logins = [at for at in self._logins if now - at < LOGINS_WITHIN]
        if len(self._logins) >= LOGINS_MAX:
            await self._deny(
                f"{LOGINS_MAX} logins in {LOGINS_WITHIN.seconds // 60} minutes; someone else uses this session"
            )
            return
        try:
            session = await self._converse(now)
        except BrokerError as error:
            await self._failed(error)
        except (Unsent, Lost) as error:
            self._failures += 1
            self._move(SessionState.EXPIRED, f"the broker could not be reached: {error}")
        except TimeoutError:
            self._failures, self._needs_person = 1, True
            self._move(SessionState.EXPIRED, "nobody answered the login's question")
        except JournalFailed:
            self._failures, self._needs_person = 1, True
            self._move(SessionState.EXPIRED, "the journal failed, and a TOTP is not used unwritten")
        else:
            await self._welcome(session)
        finally:
            if self.state in (
                SessionState.LOGGING_IN,
                SessionState.WAITING_OTP,
            ):  # a bug, or the end
                self._failures += 1
                self._move(SessionState.EXPIRED, "the login broke off")

    async def _converse(self, now: datetime) -> Session:
        self._is_counted = False
        credentials = self._credentials()
        self._has_asked_broker = False
        if credentials.access_token in self._dead_tokens:
            credentials = replace(credentials, access_token=None)
        dialogue = self._adapter.login(credentials, now)
        try:
            item = next(dialogue)
            while True:
                if isinstance(item, HttpRequest):
                    self._is_counted = self._is_counted or item.method != "GET"
                    deadline = self._clock.boot() + REQUEST_S
                    self._has_asked_broker = True
                    item = dialogue.send(await self._line.send(item, deadline=deadline))
                elif item.kind == "totp" and credentials.totp_secret:
                    item = dialogue.send(await self._totp(credentials.totp_secret))
                else:
                    item = dialogue.send(await self._asked(item))
        except StopIteration as end:
            session = end.value
            assert isinstance(session, Session)
            return session

    async def _asked(self, ask: Ask) -> str:
        self.ask = ask
        self._answered = anyio.Event()
        self._move(SessionState.WAITING_OTP, ask.prompt)
        with anyio.fail_after(ANSWER_WAIT_S):
            await self._answered.wait()
        self.ask = None
        return self._answer

    async def _totp(self, secret: Secret) -> str:
        """The code of now, of a step that was never used; the next step is waited for where this one was."""
        step = int(self._clock.now().timestamp()) // TOTP_STEP_S
        while step <= self._totp_step:
            begins = (self._totp_step + 1) * TOTP_STEP_S
            await anyio.sleep(max(0.1, begins - self._clock.now().timestamp()))
            step = int(self._clock.now().timestamp()) // TOTP_STEP_S
        self._totp_step = step
        await self._note("totp", str(step))
        try:
            return pyotp.TOTP(secret.reveal()).generate_otp(step)
        except ValueError:
            raise BrokerError(
                Fault.AUTH_DENIED,
                "totp_secret is not base32 text of at least 26 characters, as the broker shows it",
            ) from None

    async def _welcome(self, session: Session) -> None:
        for secret in (session.access_token, *session.extra.values()):
            self._learned(secret)
        if self._pinned and session.user_id != self.user:
            await self._deny(
                f"the login is of user {session.user_id}, the account says {self.user}"
            )
            return
        if why := self._may_serve(session.user_id):
            # The configuration's mistake, not the broker's word.
            self._failures, self._needs_person = 1, True
            self._move(SessionState.EXPIRED, why)
            return
        if self._is_counted:
            self._logins.append(self._clock.now())
        self._failures = 0
        self.user = session.user_id
        with suppress(JournalFailed):  # reads and cancels go on; orders fail at their own intent
            await self._note("active", "login" if self._is_counted else "")
        self.session = session
        self._move(SessionState.ACTIVE, "")

    async def _failed(self, error: BrokerError) -> None:
        is_slip = error.fault is Fault.INVALID_INPUT and not self._is_counted
        if is_slip or not self._has_asked_broker:
            # What a person typed, or what the configuration lacks, is no word of the broker's. The configuration is read anew
            # at each try: a token in a file may come.
            self._failures += 1
            self._move(SessionState.EXPIRED, error.message)
            return
        if error.fault in (Fault.AUTH_DENIED, Fault.INVALID_INPUT, Fault.UNSUPPORTED):
            self._logins.append(self._clock.now())
            await self._deny(error.message)
            return
        if error.fault is Fault.AUTH_EXPIRED and (token := self._credentials().access_token):
            self._dead_tokens.add(token)  # a ready-made token is used as long as it lives
        self._failures += 1
        event = "expired"
        if error.fault not in NOT_ABOUT_US:
            # It may be a "wrong password" in words we do not know: it counts against the budget.
            self._logins.append(self._clock.now())
            event = "refused"
        self._move(SessionState.EXPIRED, error.message)
        with suppress(JournalFailed):
            await self._note(event, error.message)

    async def _deny(self, message: str) -> None:
        self._move(SessionState.DENIED, message)
        with suppress(JournalFailed):  # it stands in memory; a restart finds the dead disk first
            await self._note("denied", message)

    async def _note(self, event: str, message: str) -> None:
        note = AccountNote(account=self.name, event=event, user=self.user, message=message[:200])
        await self._ledger.write(note).durable()

    def _move(self, state: SessionState, message: str) -> None:
        self.state, self.message = state, message
        if state is not SessionState.WAITING_OTP:
            self.ask = None
        moved, self._moved = self._moved, anyio.Event()
        moved.set()
        self._on_change()
