"""Who is logged in, and who is about to be: in memory, by random values that browsers hold in cookies."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from deploy.subsystem.person import Person
from deploy.subsystem.provider import Question

IDLE_SECONDS: Final = 30 * 60
LONGEST_SECONDS: Final = 10 * 3600
QUESTION_SECONDS: Final = 15 * 60
"""Keycloak waits so long for somebody to log in."""
_QUESTIONS: Final = 10_000
_PER_BROWSER: Final = 5
_TIDY_SECONDS: Final = 60


@dataclass(slots=True, kw_only=True)
class Session:
    """Somebody who is logged in."""

    person: Person
    id_token: str = field(repr=False)
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """Sent along with forms of ours."""
    began: float
    seen: float


class Sessions:
    """Sessions and questions by the hash of what the browser holds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._tidied = now()
        self._sessions: dict[str, Session] = {}
        self._questions: dict[str, dict[str, Question]] = {}
        self._ended: dict[str, float] = {}
        """Sessions of the realm that ended, by id, while a login of theirs may be under way."""

    def ask(self, browser: str) -> Question:
        """A login begins in this browser."""
        self._tidy()
        mine = self._questions.setdefault(_hash(browser), {})
        while len(mine) >= _PER_BROWSER:
            del mine[next(iter(mine))]
        question = Question(began=self._now())
        mine[question.state] = question
        return question

    def take_question(self, browser: str, state: str) -> Question | None:
        """The login of this browser and ``state``, once."""
        question = self._questions.get(_hash(browser), {}).pop(state, None)
        return None if question is None or self._now() - question.began > QUESTION_SECONDS else question

    def open(self, person: Person, id_token: str) -> str | None:
        """Somebody is logged in: a new value for the cookie. None when that ended in the meantime."""
        if person.session in self._ended:
            return None
        secret = secrets.token_urlsafe(32)
        now = self._now()
        self._sessions[_hash(secret)] = Session(person=person, id_token=id_token, began=now, seen=now)
        return secret

    def find(self, secret: str) -> Session | None:
        """Who it is, if that session still counts."""
        session = self._sessions.get(_hash(secret))
        now = self._now()
        if session is None:
            return None
        if now - session.seen > IDLE_SECONDS or now - session.began > LONGEST_SECONDS:
            self.close(secret)
            return None
        session.seen = now
        return session

    def close(self, secret: str) -> None:
        """This browser is logged out."""
        self._sessions.pop(_hash(secret), None)

    def end(self, *, session: str, subject: str) -> int:
        """The realm ended a session, or all of a person's (``session`` empty); how many that were here."""
        if session:
            self._ended[session] = self._now()
        over = [
            key
            for key, item in self._sessions.items()
            if (item.person.session == session if session else item.person.subject == subject)
        ]
        for key in over:
            del self._sessions[key]
        return len(over)

    def _tidy(self) -> None:
        now = self._now()
        if now - self._tidied < _TIDY_SECONDS and len(self._questions) < _QUESTIONS:
            return
        self._tidied = now
        for browser, questions in list(self._questions.items()):
            kept = {key: item for key, item in questions.items() if now - item.began <= QUESTION_SECONDS}
            if kept:
                self._questions[browser] = kept
            else:
                del self._questions[browser]
        while len(self._questions) >= _QUESTIONS:
            del self._questions[next(iter(self._questions))]
        self._ended = {key: at for key, at in self._ended.items() if now - at <= QUESTION_SECONDS}


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
