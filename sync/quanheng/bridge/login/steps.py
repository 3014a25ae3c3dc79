"""The steps of a login: each asks the platform once, or changes the store in one transaction, or both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from anyio import CapacityLimiter, to_thread
from sqlalchemy import Connection

from quanheng.bridge.card.port import CardPlatform, PlatformAnswerError
from quanheng.bridge.recognition import Recogniser
from quanheng.bridge.values import (
    FINAL,
    OPEN,
    Card,
    Login,
    LoginId,
    LoginRecord,
    LoginState,
    Recognised,
    Refusal,
    RefusalReason,
    ScanAnswer,
    ScanState,
)
from quanheng.clock import Clock
from quanheng.model.ids import PersonId
from quanheng.model.sensitive import Sensitive
from quanheng.store.card_logins import (
    StoredLogin,
    accept_login,
    advance,
    expire_login,
    read_login,
    read_logins,
    refuse_login,
    set_code,
)
from quanheng.store.database import Database
from quanheng.store.faults import StoreConflictError

_CODE_BYTES: Final = 1000
"""More than any code has, and what a phone still reads from a screen."""
_THREADS: Final = 8
"""That use the store at once; SQLAlchemy's pool has fifteen connections."""
_UNDER_WAY: Final = frozenset({LoginState.WAITING, LoginState.SCANNED})
CANCELLED_ON_PHONE: Final = "cancelled"
ACCEPTED: Final = "accepted"
LATE: Final = "late"
"""Confirmed on the phone, and over before it was known who it was."""
_STALE: Final = timedelta(seconds=30)

Record = Callable[[Connection, LoginRecord], None]
"""Writes down how a login ended, within the transaction of that step."""
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A card that was confirmed, and when we heard of it."""

    essc_no: Sensitive
    at: datetime


def is_over(login: Login, now: datetime) -> bool:
    """Whether its time is past, whatever its state and the platform say."""
    if login.state in FINAL:
        return False
    if now >= login.deadline or _was_set_back(login, now):
        return True
    return login.state in _UNDER_WAY and login.expires_at is not None and now >= login.expires_at


def _was_set_back(login: Login, now: datetime) -> bool:
    """Whether the clock shows a time well before the login began."""
    return now < login.created_at - _STALE


class Steps:
    """What a login can go through, told by the login as it is afterwards in the store.

    Another process may have been quicker: then nothing is changed, and the login is as that one left it.
    """

    def __init__(
        self,
        database: Database,
        platform: CardPlatform,
        recogniser: Recogniser,
        record: Record,
        clock: Clock,
        code_seconds: int,
    ) -> None:
        self.database: Final = database
        self.clock: Final = clock
        self._platform: Final = platform
        self._recogniser: Final = recogniser
        self._record: Final = record
        self._code_life: Final = timedelta(seconds=code_seconds)
        self._writers: CapacityLimiter | None = None
        self._readers: CapacityLimiter | None = None

    async def in_thread(self, work: Callable[[], _Result], *, reads: bool = False) -> _Result:
        """Run something that uses the store; ``reads``: it waits for no writer, and for nobody who does."""
        if self._writers is None or self._readers is None:  # they belong to the running loop
            self._writers, self._readers = CapacityLimiter(_THREADS), CapacityLimiter(_THREADS)
        return await to_thread.run_sync(work, limiter=self._readers if reads else self._writers)

    async def read(self, login: LoginId) -> StoredLogin | None:
        """One login, as it is in the store."""

        def work() -> StoredLogin | None:
            with self.database.reading() as connection:
                return read_login(connection, login)

        return await self.in_thread(work, reads=True)

    async def read_many(self, logins: Sequence[LoginId]) -> Mapping[LoginId, Login]:
        """Those that there are."""

        def work() -> Mapping[LoginId, Login]:
            with self.database.reading() as connection:
                return read_logins(connection, logins)

        return await self.in_thread(work, reads=True)

    async def make_code(self, login: Login) -> Login:
        """Have the platform make a code. Raises its errors."""
        code = await self._platform.make_code()
        if not 0 < len(code.encode()) <= _CODE_BYTES:
            raise PlatformAnswerError("the code fits no QR code", remedy="look at the field of the code")
        expires_at = min(self.clock() + self._code_life, login.deadline)
        try:
            return await self._change(
                login, lambda connection: set_code(connection, login.id, code, expires_at)
            )
        except StoreConflictError:
            # Two screens with one code: whoever confirms one would log in at the other.
            raise PlatformAnswerError(
                "the card platform's code was given out before",
                remedy="an old answer was sent again, or a cache stands between",
            ) from None

    async def ask(self, login: Login) -> ScanAnswer:
        """What became of the code. Raises the platform's errors."""
        return await self._platform.ask(login.qr_code or "")

    async def note(self, login: Login, state: ScanState) -> Login:
        """Write down an answer that is not a confirmation, where it says something new."""
        match state:
            case ScanState.SCANNED if login.state is LoginState.WAITING:
                return await self.go(login, {LoginState.WAITING}, LoginState.SCANNED)
            case ScanState.CANCELLED:
                return await self._cancelled_on_phone(login)
            case ScanState.EXPIRED:
                return await self.go(login, _UNDER_WAY, LoginState.EXPIRED)
        return login

    async def expire(self, login: Login) -> Login:
        """Its time is past, by our clock. Nothing is changed when the store says that it is not."""
        now = self.clock()
        if _was_set_back(login, now):
            return await self.go(login, OPEN, LoginState.EXPIRED)
        return await self._change(login, lambda connection: expire_login(connection, login.id, now))

    async def expire_confirmed(self, login: Login) -> Login:
        """A card was confirmed, and nobody could tell in time whose it is."""

        def change(connection: Connection) -> None:
            if advance(connection, login.id, _UNDER_WAY, LoginState.EXPIRED):
                self._record(connection, self._ended(login, LATE, None, ""))

        return await self._change(login, change)

    async def cancel(self, login: Login) -> Login:
        """The browser that began wants no more."""
        return await self.go(login, OPEN, LoginState.CANCELLED)

    async def go(
        self, login: Login, from_states: set[LoginState] | frozenset[LoginState], to: LoginState
    ) -> Login:
        """Go on to another state, if it is in one of these."""
        return await self._change(login, lambda connection: advance(connection, login.id, from_states, to))

    async def identify(self, confirmed: Confirmed) -> Card:
        """Whose card it is. Raises the platform's errors."""
        return await self._platform.identify(confirmed.essc_no)

    async def decide(self, login: Login, card: Card, confirmed: Confirmed) -> Login:
        """Let the person in, or refuse: card, person and record in one step."""

        def work() -> Login:
            decision = self._recogniser.recognise(card)
            with self.database.transaction() as connection:
                if isinstance(decision, Recognised):
                    done = accept_login(
                        connection, login.id, decision, card.region, confirmed_at=confirmed.at
                    )
                    outcome = ACCEPTED
                else:
                    done = refuse_login(connection, login.id, decision, card.region)
                    outcome = decision.reason.value
                found = _found(connection, login)
                if done:
                    self._record(connection, self._ended(login, outcome, decision.person, card.region))
                elif found.state is LoginState.EXPIRED:
                    self._record(connection, self._ended(login, LATE, decision.person, card.region))
                return found

        return await self.in_thread(work)

    async def refuse_answer(self, login: Login) -> Login:
        """The platform says nothing that could be used."""
        why = Refusal(reason=RefusalReason.ANSWER)

        def change(connection: Connection) -> None:
            if refuse_login(connection, login.id, why, ""):
                self._record(connection, self._ended(login, why.reason.value, None, ""))

        return await self._change(login, change)

    async def _cancelled_on_phone(self, login: Login) -> Login:
        def change(connection: Connection) -> None:
            if advance(connection, login.id, _UNDER_WAY, LoginState.CANCELLED):
                self._record(connection, self._ended(login, CANCELLED_ON_PHONE, None, ""))

        return await self._change(login, change)

    async def _change(self, login: Login, change: Callable[[Connection], object]) -> Login:
        def work() -> Login:
            with self.database.transaction() as connection:
                change(connection)
                return _found(connection, login)

        return await self.in_thread(work)

    def _ended(self, login: Login, outcome: str, person: PersonId | None, region: str) -> LoginRecord:
        return LoginRecord(
            at=self.clock(),
            login=login.id,
            outcome=outcome,
            person=person,
            client_id=login.request.client_id,
            address=login.address,
            browser=login.browser,
            region=region,
        )


def _found(connection: Connection, login: Login) -> Login:
    found = read_login(connection, login.id)
    # A row that is gone was too old to be kept.
    return replace(login, state=LoginState.EXPIRED, qr_code=None) if found is None else found.login
