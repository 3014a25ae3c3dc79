"""Codes and tokens on both databases: what each is good for, and that it is so once."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any, Final

import jwt
import pytest
from sqlalchemy import func, select

from fixtures.bridge_provider import GOODBYE, ISSUER, REDIRECT, SUBJECT, TOKEN_SECONDS, World
from quanheng.bridge.provider.errors import BearerError, TokenError
from quanheng.errors import ConfigurationError
from quanheng.store.bridge_grants import forget_expired
from quanheng.store.database import Database, open_database
from quanheng.store.tables import bridge_assertion, bridge_code, bridge_key, bridge_token, metadata

RACERS: Final = 8


@pytest.fixture
def world(database: Database) -> World:
    """A provider on either database."""
    return World(database)


@pytest.fixture
def fast_world(sqlite_database: Database) -> World:
    """A provider, where the database makes no difference."""
    return World(sqlite_database)


def refuses(world: World, error: str, form: dict[str, str], authorization: str | None = None) -> None:
    """That a token request is refused by this error, which echoes nothing of it."""
    with pytest.raises(TokenError) as caught:
        world.exchange(form, authorization)
    assert caught.value.error == error
    assert not [value for value in form.values() if len(value) > 4 and value in caught.value.description]


def count(world: World, table: Any) -> int:
    """Rows of a table."""
    with world.database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def userinfo(world: World, token: str) -> dict[str, Any]:
    """Claims for this token."""
    return dict(world.provider.exchanging.userinfo(f"Bearer {token}"))


def test_a_code_gives_tokens(world: World) -> None:
    """The ID token says who logged in, when, how, for whom; userinfo says the same subject, and no more."""
    code = world.code()
    world.clock.forward(20)
    tokens = world.exchange(world.client.form(code))
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "id_token"}
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == (
        "Bearer",
        TOKEN_SECONDS,
        "openid",
    )
    claims = world.decode(tokens["id_token"])
    now = int(world.clock().timestamp())
    digest = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims.pop("jti")
    assert claims == {
        "iss": ISSUER,
        "sub": SUBJECT,
        "aud": "shanxi",
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "auth_time": now - 20,
        "nonce": "n-1",
        "acr": world.settings.acr,
        "amr": ["mca"],
        "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    }
    assert userinfo(world, tokens["access_token"]) == {"sub": SUBJECT}


def test_the_header_of_an_id_token_names_its_key(fast_world: World) -> None:
    """Algorithm, type and key, nothing else."""
    header = jwt.get_unverified_header(fast_world.tokens()["id_token"])
    assert header == {"alg": "ES256", "typ": "JWT", "kid": fast_world.keys.published()[-1]["kid"]}


def test_no_two_tokens_are_the_same(fast_world: World) -> None:
    """Codes, access tokens and names of ID tokens have 128 random bits at least."""
    codes = {fast_world.code() for _ in range(5)}
    answers = [fast_world.exchange(fast_world.client.form(code)) for code in codes]
    assert len(codes) == len({one["access_token"] for one in answers}) == 5
    assert len({fast_world.decode(one["id_token"])["jti"] for one in answers}) == 5
    assert all(len(one["access_token"]) == 43 for one in answers)


def test_the_store_holds_no_code_and_no_token(world: World) -> None:
    """Of each its SHA-256; neither is an assertion, a verifier, or the key that signs."""
    code = world.code()
    form = world.client.form(code)
    tokens = world.exchange(form)
    with world.database.reading() as connection:
        rows = [list(connection.execute(select(table))) for table in metadata.sorted_tables]
    kept = repr(rows)
    assert hashlib.sha256(code.encode()).hexdigest() in kept
    assert not [
        text
        for text in (code, tokens["access_token"], tokens["id_token"], form["client_assertion"])
        if text in kept
    ]
    assert world.client.verifier not in kept
    private = world.keys.signer().private.private_numbers().private_value.to_bytes(32)
    with world.database.reading() as connection:
        wrapped = connection.scalars(select(bridge_key.c.private_wrapped)).all()
    assert wrapped
    assert not [one for one in wrapped if private in one]


def test_a_code_counts_once_and_takes_its_tokens_back(world: World) -> None:
    """Who comes second may be the client, and who came first the thief: nobody keeps anything."""
    code, others = world.code(), world.tokens()
    tokens = world.exchange(world.client.form(code))
    assert userinfo(world, tokens["access_token"]) == {"sub": SUBJECT}
    refuses(world, "invalid_grant", world.client.form(code))
    with pytest.raises(BearerError):
        userinfo(world, tokens["access_token"])
    refuses(world, "invalid_grant", world.client.form(code))
    assert userinfo(world, others["access_token"]) == {"sub": SUBJECT}


def test_a_code_that_comes_again_late_takes_its_tokens_back(world: World) -> None:
    """Also after it has expired, and after the house was kept: as long as a token of it may count."""
    code = world.code()
    tokens = world.exchange(world.client.form(code))
    world.clock.forward(TOKEN_SECONDS - 1)
    with world.database.transaction() as connection:
        forget_expired(connection, world.clock())
    assert userinfo(world, tokens["access_token"]) == {"sub": SUBJECT}
    refuses(world, "invalid_grant", world.client.form(code))
    with pytest.raises(BearerError):
        userinfo(world, tokens["access_token"])


def race(world: World, forms: Sequence[dict[str, str]]) -> list[Any]:
    """Several token requests at once; tokens, or the errors that they got."""
    barrier = Barrier(len(forms))

    def run(form: dict[str, str]) -> Any:
        barrier.wait(30)
        try:
            return world.exchange(form)
        except TokenError as error:
            return error.error

    with ThreadPoolExecutor(len(forms)) as pool:
        return list(pool.map(run, forms))


def test_of_many_at_once_one_gets_the_tokens(world: World) -> None:
    """Each with an assertion of its own, that is good; and the tokens of the one are gone again."""
    for _ in range(3):
        code = world.code()
        got = race(world, [world.client.form(code) for _ in range(RACERS)])
        tokens = [one for one in got if isinstance(one, dict)]
        assert len(tokens) == 1
        assert [one for one in got if not isinstance(one, dict)] == ["invalid_grant"] * (RACERS - 1)
        with pytest.raises(BearerError):
            userinfo(world, tokens[0]["access_token"])


def test_of_many_with_one_assertion_one_is_believed(world: World) -> None:
    """Each with a code of its own, that is good."""
    assertion = world.client.assertion()
    forms = [world.client.form(world.code(), client_assertion=assertion) for _ in range(RACERS)]
    got = race(world, forms)
    assert sum(isinstance(one, dict) for one in got) == 1
    assert got.count("invalid_client") == RACERS - 1


def test_an_assertion_counts_once(world: World) -> None:
    """However long it would live, and after the house was kept; its name is the client's own."""
    now = int(world.clock().timestamp())
    claims = world.client.claims(exp=now + 300, jti="j-1")
    world.exchange(world.client.form(world.code(), client_assertion=world.client.sign(claims)))
    again = world.client.form(world.code(), client_assertion=world.client.sign(claims))
    refuses(world, "invalid_client", again)
    world.clock.forward(329)
    with world.database.transaction() as connection:
        forget_expired(connection, world.clock())
    refuses(world, "invalid_client", again)
    theirs = world.other.form(world.code(world.other), client_assertion=world.other.assertion(jti="j-1"))
    assert world.exchange(theirs)["access_token"]


def test_an_assertion_is_spent_by_a_request_that_fails(fast_world: World) -> None:
    """It proved its client; nobody else shall use it for the next try."""
    form = fast_world.client.form(fast_world.code(), grant_type="refresh_token")
    refuses(fast_world, "unsupported_grant_type", form)
    refuses(fast_world, "invalid_client", {**form, "grant_type": "authorization_code"})


def test_a_code_ends_after_its_life(world: World) -> None:
    """Not a moment later than the settings say."""
    code = world.code()
    world.clock.forward(world.settings.code_seconds - 1)
    assert world.exchange(world.client.form(code))["access_token"]
    code = world.code()
    world.clock.forward(world.settings.code_seconds)
    refuses(world, "invalid_grant", world.client.form(code))


def test_a_code_lives_no_longer_than_a_minute(fast_world: World) -> None:
    """Whatever the settings say."""
    with pytest.raises(ValueError, match="code_seconds"):
        World(fast_world.database, code_seconds=61)


def test_another_clients_code_is_no_code(world: World) -> None:
    """Nor is it spent by that: nobody may spoil others' logins."""
    code = world.code()
    stolen = {**world.other.form(code), "code_verifier": world.client.verifier}
    refuses(world, "invalid_grant", stolen)
    assert world.exchange(world.client.form(code))["access_token"]


def test_another_client_cannot_take_tokens_back(world: World) -> None:
    """Though it knows the code that was used."""
    code = world.code()
    tokens = world.exchange(world.client.form(code))
    refuses(world, "invalid_grant", world.other.form(code))
    assert userinfo(world, tokens["access_token"]) == {"sub": SUBJECT}


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "x" * 43},
        {"redirect_uri": REDIRECT + "/"},
        {"redirect_uri": GOODBYE},
        {"redirect_uri": REDIRECT.replace("sso", "SSO")},
        {"redirect_uri": "https://汉.invalid/"},
    ],
)
def test_a_code_is_bound_and_one_wrong_try_spends_it(world: World, changes: dict[str, str]) -> None:
    """Its own client with another verifier or address: it was injected there, and may not be tried again."""
    code = world.code()
    refuses(world, "invalid_grant", {**world.client.form(code), **changes})
    refuses(world, "invalid_grant", world.client.form(code))
    assert count(world, bridge_token) == 0


def test_the_challenge_is_not_the_verifier(fast_world: World) -> None:
    """ "Plain" is not tried when S256 does not fit."""
    request = fast_world.provider.asking.judge(fast_world.client.request())
    refuses(
        fast_world,
        "invalid_grant",
        fast_world.client.form(fast_world.code(), code_verifier=request.code_challenge),
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": "x" * 42}, "invalid_request"),
        ({"code_verifier": "x" * 129}, "invalid_request"),
        ({"code_verifier": "x" * 43 + "="}, "invalid_request"),
        ({"code_verifier": "汉" * 43}, "invalid_request"),
        ({"code": None}, "invalid_request"),
        ({"code": ""}, "invalid_request"),
        ({"code": "x" * 201}, "invalid_request"),
        ({"code": "x" * 43}, "invalid_grant"),
        ({"code": "\0\r\n汉'; --"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
        ({"client_assertion": None}, "invalid_client"),
        ({"client_assertion_type": None}, "invalid_client"),
        ({"client_secret": "x"}, "invalid_client"),
    ],
)
def test_a_request_that_is_not_whole_is_refused(
    fast_world: World, changes: dict[str, str | None], error: str
) -> None:
    """By the error that RFC 6749, section 5.2 has for it; the code is still there for one that is."""
    code = fast_world.code()
    refuses(fast_world, error, fast_world.client.form(code, **changes))
    assert fast_world.exchange(fast_world.client.form(code))["access_token"]


@pytest.mark.parametrize("verifier", ["x" * 43, "-._~" * 32])
def test_verifiers_of_any_length_count(fast_world: World, verifier: str) -> None:
    """43 to 128 characters (RFC 7636, section 4.1)."""
    client = replace(fast_world.client, verifier=verifier)
    assert fast_world.exchange(client.form(fast_world.code(client)))["access_token"]


@pytest.mark.parametrize("name", ["code", "client_assertion", "grant_type", "x-unknown"])
def test_a_field_that_is_there_twice_is_refused(fast_world: World, name: str) -> None:
    """RFC 6749, section 3.2."""
    form = {**fast_world.client.form(fast_world.code()), "x-unknown": "1"}
    answer = fast_world.post("/token", [*form.items(), (name, form[name])])
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("authorization", ["Basic c2hhbnhpOng=", "Bearer x", "", "DPoP x"])
def test_a_header_proves_no_client(fast_world: World, authorization: str) -> None:
    """Not even beside an assertion that is good."""
    form = fast_world.client.form(fast_world.code())
    refuses(fast_world, "invalid_client", form, authorization)
    assert fast_world.exchange(form)["access_token"]


def test_a_signing_key_that_cannot_be_opened_costs_no_code(fast_world: World) -> None:
    """The operator is told what to do; the code, for which a person has scanned, still counts after that."""
    fast_world.tokens()
    code, wrong = fast_world.code(), fast_world.another_provider(b"another key file")
    with pytest.raises(ConfigurationError, match="rotate --at-once"):
        fast_world.exchange(fast_world.client.form(code), at=wrong)
    assert fast_world.exchange(fast_world.client.form(code))["access_token"]


def test_an_access_token_ends_after_its_life(world: World) -> None:
    """As ``expires_in`` said."""
    token = world.tokens()["access_token"]
    world.clock.forward(TOKEN_SECONDS - 1)
    assert userinfo(world, token) == {"sub": SUBJECT}
    world.clock.forward(1)
    with pytest.raises(BearerError) as caught:
        userinfo(world, token)
    assert caught.value.error == "invalid_token"


@pytest.mark.parametrize(
    ("authorization", "error"),
    [
        (None, ""),
        ("", "invalid_request"),
        ("Bearer", "invalid_request"),
        ("Bearer ", "invalid_request"),
        ("Bearer a b", "invalid_request"),
        ("Bearer a,b", "invalid_request"),
        ("Bearer \u00e9", "invalid_request"),
        ("Bearer " + "x" * 201, "invalid_request"),
        ("Basic c2hhbnhpOng=", "invalid_request"),
        ("Bearer x", "invalid_token"),
        ("Bearer " + "0" * 64, "invalid_token"),
    ],
)
def test_a_token_that_is_none_is_refused(fast_world: World, authorization: str | None, error: str) -> None:
    """RFC 6750, section 3.1."""
    with pytest.raises(BearerError) as caught:
        fast_world.provider.exchanging.userinfo(authorization)
    assert caught.value.error == error


def test_no_other_secret_is_an_access_token(fast_world: World) -> None:
    """Not a code, not an ID token, not what the store keeps of an access token."""
    code = fast_world.code()
    tokens = fast_world.tokens()
    for secret in (code, tokens["id_token"], hashlib.sha256(tokens["access_token"].encode()).hexdigest()):
        with pytest.raises(BearerError):
            userinfo(fast_world, secret)


def test_what_is_over_is_forgotten(world: World) -> None:
    """Codes, tokens and assertions; what counts is kept."""
    world.tokens()
    unused = world.code()
    world.clock.forward(30)
    with world.database.transaction() as connection:
        forget_expired(connection, world.clock())
    assert world.exchange(world.client.form(unused))["access_token"]
    world.clock.forward(3600)
    code = world.code()
    with world.database.transaction() as connection:
        forget_expired(connection, world.clock())
    assert [count(world, table) for table in (bridge_code, bridge_token, bridge_assertion)] == [1, 0, 0]
    assert world.exchange(world.client.form(code))["access_token"]


def test_a_code_is_undone_with_what_it_was_made_for(world: World) -> None:
    """It is kept within the transaction that ends the login, or not at all."""
    request = world.provider.asking.judge(world.client.request())

    def end_and_fail() -> None:
        with world.database.transaction() as connection:
            world.provider.answer(connection, request, SUBJECT, world.clock())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        end_and_fail()
    assert count(world, bridge_code) == 0


def test_another_process_takes_the_code(world: World, store_url: str) -> None:
    """A code of one is good at another; so is a token; and an assertion counts once among all."""
    with open_database(store_url, clock=world.clock) as there:
        other = world.another_provider(database=there)
        form = world.client.form(world.code())
        tokens = world.exchange(form, at=other)
        assert world.decode(tokens["id_token"])["sub"] == SUBJECT
        assert userinfo(world, tokens["access_token"]) == {"sub": SUBJECT}
        refuses(world, "invalid_client", {**form, "code": world.code()})
