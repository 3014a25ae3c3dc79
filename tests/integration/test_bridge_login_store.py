"""Logins by card in the store: what leads where, and that each step is taken once, on both databases."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, insert, select

from fixtures.servers_postgres import SETTLED
from quanheng.bridge.values import (
    FINAL,
    OPEN,
    AuthorizationRequest,
    Login,
    LoginId,
    LoginState,
    Recognised,
    Refusal,
    RefusalReason,
)
from quanheng.model.ids import PersonId
from quanheng.store.card_logins import (
    accept_login,
    advance,
    count_open,
    create_login,
    expire_login,
    forget_logins,
    read_login,
    read_logins,
    refuse_login,
    set_code,
    supersede_login,
    take_login,
)
from quanheng.store.database import Database
from quanheng.store.faults import StoreConflictError
from quanheng.store.tables import card_login

HASH = "5" * 64
EXPIRES = SETTLED + timedelta(seconds=120)
WHO = Recognised(person=PersonId("1" * 32), subject="2" * 32)
MANY = 10_000
RACERS = 8


def login(number: int = 1) -> Login:
    """A new one."""
    return Login(
        id=LoginId(f"{number:032}"),
        request=AuthorizationRequest(
            client_id="shanxi",
            client_name="山西省人社统一认证",
            redirect_uri="https://keycloak.example.gov.cn/endpoint",
            state="s",
            nonce="n",
            code_challenge="c" * 43,
            scope="openid",
            locale="zh",
        ),
        state=LoginState.PREPARING,
        created_at=SETTLED,
        deadline=SETTLED + timedelta(seconds=600),
        expires_at=None,
        qr_code=None,
        refreshes=0,
        address="192.0.2.1",
        browser="Chrome · Windows",
    )


def put(database: Database, state: LoginState = LoginState.PREPARING, number: int = 1) -> Login:
    """A login in this state."""
    made = login(number)
    with database.transaction() as connection:
        assert create_login(connection, made, HASH, limit=MANY, now=SETTLED)
        if state is not LoginState.PREPARING:
            assert set_code(connection, made.id, f"code {number}", EXPIRES)
        if state in (LoginState.ACCEPTED, LoginState.DONE):
            assert accept_login(connection, made.id, WHO, "140900", confirmed_at=SETTLED)
        elif state is LoginState.REFUSED:
            why = Refusal(reason=RefusalReason.LEFT, office="忻府区", person=WHO.person)
            assert refuse_login(connection, made.id, why, "140900")
        elif state in (LoginState.SCANNED, LoginState.CANCELLED, LoginState.EXPIRED):
            assert advance(connection, made.id, OPEN, state)
        if state is LoginState.DONE:
            assert take_login(connection, made.id, HASH, SETTLED) is not None
        found = read_login(connection, made.id)
    assert found is not None
    assert found.login.state is state
    return found.login


def test_what_is_written_is_read(database: Database) -> None:
    """With the hash of what the browser holds beside it."""
    made = put(database)
    with database.reading() as connection:
        found = read_login(connection, made.id)
        assert found is not None
        assert found.login == login()
        assert found.browser_hash == HASH
        assert read_login(connection, LoginId("x" * 32)) is None
        assert read_logins(connection, [made.id, LoginId("x" * 32)]) == {made.id: login()}


@pytest.mark.parametrize("state", sorted(FINAL))
def test_final_states_stay_final(database: Database, state: LoginState) -> None:
    """No step leads out of one."""
    made = put(database, state)
    with database.transaction() as connection:
        assert not advance(connection, made.id, frozenset(LoginState), LoginState.WAITING)
        assert not set_code(connection, made.id, "other", EXPIRES)
        assert not accept_login(connection, made.id, WHO, "", confirmed_at=SETTLED)
        assert not refuse_login(connection, made.id, Refusal(reason=RefusalReason.LEFT), "")
        assert take_login(connection, made.id, HASH, SETTLED) is None
        found = read_login(connection, made.id)
    assert found is not None
    assert found.login == made
    assert found.login.qr_code is None


def test_an_accepted_login_is_taken_once_by_its_browser(database: Database) -> None:
    """Not by another, not after the deadline, not a second time."""
    made = put(database, LoginState.ACCEPTED)
    with database.transaction() as connection:
        assert take_login(connection, made.id, "6" * 64, SETTLED) is None
        assert take_login(connection, made.id, HASH, made.deadline) is None
        taken = take_login(connection, made.id, HASH, SETTLED)
        assert taken is not None
        assert taken.subject == WHO.subject
        assert taken.authenticated_at == SETTLED
        assert take_login(connection, made.id, HASH, SETTLED) is None


@pytest.mark.parametrize("state", sorted(set(LoginState) - {LoginState.ACCEPTED}))
def test_nothing_else_can_be_taken(database: Database, state: LoginState) -> None:
    """A step that is left out leaves nothing to fetch."""
    made = put(database, state)
    with database.transaction() as connection:
        assert take_login(connection, made.id, HASH, SETTLED) is None


def test_a_code_that_has_expired_is_not_accepted(database: Database) -> None:
    """Whatever was confirmed when."""
    made = put(database, LoginState.WAITING)
    with database.transaction() as connection:
        assert not accept_login(connection, made.id, WHO, "", confirmed_at=EXPIRES)
        assert accept_login(connection, made.id, WHO, "", confirmed_at=EXPIRES - timedelta(seconds=1))


def race(database: Database, step: Callable[[int], bool]) -> int:
    """How many of several threads at once took a step."""
    barrier = Barrier(RACERS)

    def run(number: int) -> bool:
        barrier.wait()
        return step(number)

    with ThreadPoolExecutor(RACERS) as pool:
        return sum(pool.map(run, range(RACERS)))


def test_of_many_that_take_one_gets_it(database: Database) -> None:
    """At the same moment, each in its own transaction."""
    made = put(database, LoginState.ACCEPTED)

    def take(_number: int) -> bool:
        with database.transaction() as connection:
            return take_login(connection, made.id, HASH, SETTLED) is not None

    assert race(database, take) == 1


def test_of_accepting_and_cancelling_one_wins(database: Database) -> None:
    """The phone confirms while the browser gives up and the clock runs out."""
    made = put(database, LoginState.SCANNED)

    def step(number: int) -> bool:
        with database.transaction() as connection:
            match number % 3:
                case 0:
                    return accept_login(connection, made.id, WHO, "", confirmed_at=SETTLED)
                case 1:
                    under_way = {LoginState.WAITING, LoginState.SCANNED}
                    return advance(connection, made.id, under_way, LoginState.CANCELLED)
                case _:
                    return refuse_login(connection, made.id, Refusal(reason=RefusalReason.LEFT), "")

    assert race(database, step) == 1


def test_a_login_is_replaced_once(database: Database) -> None:
    """By its browser alone; then no browser has it, and none that is accepted or done is replaced."""
    made = put(database, LoginState.WAITING)
    with database.transaction() as connection:
        assert not supersede_login(connection, made.id, "6" * 64)

    def replace(_number: int) -> bool:
        with database.transaction() as connection:
            return supersede_login(connection, made.id, HASH)

    assert race(database, replace) == 1
    with database.reading() as connection:
        found = read_login(connection, made.id)
    assert found is not None
    assert found.browser_hash == ""
    assert found.login.state is LoginState.CANCELLED
    for number, state in enumerate((LoginState.ACCEPTED, LoginState.DONE), start=2):
        other = put(database, state, number)
        with database.transaction() as connection:
            assert not supersede_login(connection, other.id, HASH)


def test_a_refused_login_stays_so_when_it_is_replaced(database: Database) -> None:
    """Only the browser's hold on it ends."""
    made = put(database, LoginState.REFUSED)
    with database.transaction() as connection:
        assert supersede_login(connection, made.id, HASH)
        found = read_login(connection, made.id)
    assert found is not None
    assert found.login.state is LoginState.REFUSED
    assert found.browser_hash == ""


def test_only_so_many_are_open(database: Database) -> None:
    """The one after ten thousand is not made; what has expired or is final makes room."""
    template = {
        "browser_hash": HASH,
        "client_id": "shanxi",
        "client_name": "x",
        "redirect_uri": "https://keycloak.example.gov.cn/",
        "client_state": "s",
        "nonce": "n",
        "code_challenge": "c",
        "scope": "openid",
        "locale": "zh",
        "created_at": SETTLED,
        "deadline": SETTLED + timedelta(seconds=600),
        "expires_at": EXPIRES,
        "qr_code": "code",
        "refreshes": 0,
        "address": "192.0.2.1",
        "browser": "",
        "state": "waiting",
    }
    with database.transaction() as connection:
        rows = [{**template, "id": f"{number:032}"} for number in range(MANY)]
        connection.execute(insert(card_login), rows)
    with database.transaction() as connection:
        new = dataclasses.replace(login(), id=LoginId("n" * 32))
        assert count_open(connection, SETTLED) == MANY
        assert not create_login(connection, new, HASH, limit=MANY, now=SETTLED)
        assert connection.execute(select(func.count()).select_from(card_login)).scalar_one() == MANY
        assert advance(connection, LoginId(f"{0:032}"), OPEN, LoginState.EXPIRED)
        assert create_login(connection, new, HASH, limit=MANY, now=SETTLED)
        another = dataclasses.replace(login(), id=LoginId("m" * 32))
        assert not create_login(connection, another, HASH, limit=MANY, now=SETTLED)
        assert create_login(connection, another, HASH, limit=MANY, now=EXPIRES)


def test_the_limit_holds_when_many_come_at_once(database: Database) -> None:
    """Each counts before it writes, and none sees room that another takes."""

    def step(number: int) -> bool:
        with database.transaction() as connection:
            return create_login(connection, login(number), HASH, limit=3, now=SETTLED)

    assert race(database, step) == 3


def test_old_logins_are_forgotten(database: Database) -> None:
    """By their deadline, whatever their state."""
    put(database, LoginState.DONE, 1)
    young = put(database, LoginState.WAITING, 2)
    with database.transaction() as connection:
        assert forget_logins(connection, young.deadline) == 0
        assert forget_logins(connection, young.deadline + timedelta(seconds=1)) == 2
        assert read_login(connection, young.id) is None


def test_a_code_is_on_one_screen(database: Database) -> None:
    """Whoever made it twice, and also after the first login is over."""
    put(database, LoginState.DONE, 1)
    second = put(database, number=2)
    with pytest.raises(StoreConflictError), database.transaction() as connection:
        set_code(connection, second.id, "code 1", EXPIRES)
    with database.reading() as connection:
        found = read_login(connection, second.id)
    assert found is not None
    assert found.login.state is LoginState.PREPARING


@pytest.mark.parametrize("state", sorted(OPEN))
def test_only_what_is_over_expires(database: Database, state: LoginState) -> None:
    """A code by its own end; somebody who was accepted has until the deadline, whoever looks at it."""
    made = put(database, state)
    late = EXPIRES + timedelta(seconds=1)
    with database.transaction() as connection:
        assert not expire_login(connection, made.id, SETTLED)
        expected = state in (LoginState.WAITING, LoginState.SCANNED)
        assert expire_login(connection, made.id, late) is expected
        assert expire_login(connection, made.id, made.deadline) is not expected


def test_nobody_looks_at_it(database: Database) -> None:
    """A login whose page nobody opened takes no place for longer than a minute."""
    put(database)
    with database.reading() as connection:
        assert count_open(connection, SETTLED + timedelta(seconds=59)) == 1
        assert count_open(connection, SETTLED + timedelta(seconds=61)) == 0
