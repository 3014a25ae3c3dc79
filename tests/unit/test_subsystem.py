"""The sample subsystem takes nothing on trust: tokens, sessions, and what claims say of somebody."""

from __future__ import annotations

import base64
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from deploy.subsystem.person import Person, read_person
from deploy.subsystem.sessions import IDLE_SECONDS, LONGEST_SECONDS, QUESTION_SECONDS, Sessions
from deploy.subsystem.tokens import LOGOUT_EVENT, RealmKeys, TokenError, TokenJudge

ISSUER: Final = "https://sso.invalid/realms/shanxi"
CLIENT: Final = "jiujinban"
NONCE: Final = "n-1"
KID: Final = "k-1"


@dataclass
class Realm:
    """A realm that signs."""

    key: rsa.RSAPrivateKey
    asked: int = 0
    judge: TokenJudge = field(init=False)

    def __post_init__(self) -> None:
        self.judge = TokenJudge(ISSUER, CLIENT, RealmKeys(self._keys))

    def _keys(self) -> dict[str, Any]:
        self.asked += 1
        signing = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {
            "keys": [
                {**signing, "kid": KID, "use": "sig", "alg": "RS256"},
                {**signing, "kid": "enc", "use": "enc", "alg": "RSA-OAEP"},
            ]
        }

    def sign(
        self, claims: dict[str, Any], *, key: Any = None, algorithm: str = "RS256", kid: str = KID
    ) -> str:
        """A token."""
        return jwt.encode(claims, self.key if key is None else key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """The realm's key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def realm(key: rsa.RSAPrivateKey) -> Realm:
    """A realm."""
    return Realm(key)


def identity(**changes: Any) -> dict[str, Any]:
    """Claims of an ID token; None takes one out."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": CLIENT, "azp": CLIENT, "sub": "p", "sid": "s", "nonce": NONCE}
    claims |= {"iat": now, "exp": now + 60} | changes
    return {name: value for name, value in claims.items() if value is not None}


def logout(**changes: Any) -> dict[str, Any]:
    """Claims of a logout token."""
    return identity(**{"nonce": None, "azp": None, "jti": "1", "events": {LOGOUT_EVENT: {}}, **changes})


def test_an_id_token_counts(realm: Realm) -> None:
    """One that the realm signed for this client and this login, now."""
    assert realm.judge.id_token(realm.sign(identity()), NONCE)["sub"] == "p"
    assert realm.asked == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.invalid"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"azp": "other"},
        {"nonce": "other"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 10_000_000_000},  # the year 2286: a suite may take longer than an hour
        {"sub": None},
        {"sid": None},
    ],
)
def test_an_id_token_does_not_count(realm: Realm, changes: dict[str, Any]) -> None:
    """One for somebody else, of another time, or without what has to be there."""
    with pytest.raises(TokenError):
        realm.judge.id_token(realm.sign(identity(**changes)), NONCE)


def hmac_signed(claims: dict[str, Any], secret: bytes) -> str:
    """A token of HS256 by hand: PyJWT refuses to take a public key for a secret."""
    header = {"alg": "HS256", "typ": "JWT", "kid": KID}
    text = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)
    )
    signature = base64.urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=")
    return b".".join((text, signature)).decode()


def test_forged_signatures(realm: Realm) -> None:
    """No algorithm, the public key as a secret, another key, an unknown key, one not for signing."""
    public = realm.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = [
        realm.sign(identity(), key="", algorithm="none"),
        hmac_signed(identity(), public),
        realm.sign(identity(), key=other),
        realm.sign(identity(), key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
        realm.sign(identity(), kid="unknown"),
        realm.sign(identity(), kid="enc"),
        "",
        "a.b.c",
    ]
    for token in forged:
        with pytest.raises(TokenError):
            realm.judge.id_token(token, NONCE)
    assert realm.asked == 1  # nobody makes us ask without end


def test_an_access_token_of_this_login(realm: Realm) -> None:
    """Permissions count from a bearer token for this client and person alone."""
    good = identity(typ="Bearer", aud=None)
    assert realm.judge.access_token(realm.sign(good), "p")["sub"] == "p"
    for changes in ({"azp": "other"}, {"sub": "q"}, {"typ": "ID"}, {"iss": "https://other.invalid"}):
        with pytest.raises(TokenError):
            realm.judge.access_token(realm.sign({**good, **changes}), "p")


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"sub": None}, True),
        ({"sid": None}, True),
        ({"sid": None, "sub": None}, False),
        ({"events": None}, False),
        ({"events": {}}, False),
        ({"events": [LOGOUT_EVENT]}, False),
        ({"nonce": NONCE}, False),
        ({"aud": "other"}, False),
        ({"iss": "https://other.invalid"}, False),
        ({"iat": int(time.time()) - 3600}, False),
        ({"exp": 1}, False),
        ({"jti": None}, False),
    ],
)
def test_logout_tokens(realm: Realm, changes: dict[str, Any], counts: bool) -> None:
    """Back-Channel Logout 1.0, section 2.6, point by point; an ID token is none."""
    token = realm.sign(logout(**changes))
    if counts:
        assert realm.judge.logout_token(token)["jti"] == "1"
    else:
        with pytest.raises(TokenError):
            realm.judge.logout_token(token)


def person(session: str = "s", subject: str = "p") -> Person:
    """Somebody."""
    return read_person(CLIENT, identity(sid=session, sub=subject), {})


@dataclass
class Hand:
    """A clock that a test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


def test_a_question_is_answered_once() -> None:
    """By the browser that asked, in time, once; one that asks too often forgets its first."""
    hand = Hand()
    sessions = Sessions(hand)
    question = sessions.ask("me")
    assert sessions.take_question("you", question.state) is None
    assert sessions.take_question("me", "other") is None
    assert sessions.take_question("me", question.state) is question
    assert sessions.take_question("me", question.state) is None
    late = sessions.ask("me")
    hand.now += QUESTION_SECONDS + 1
    assert sessions.take_question("me", late.state) is None
    first, *others = [sessions.ask("me") for _ in range(6)]
    assert sessions.take_question("me", first.state) is None
    assert all(sessions.take_question("me", item.state) is item for item in others)


def test_sessions_end() -> None:
    """When nobody was seen for long, after the longest day, and when the realm says so."""
    hand = Hand()
    sessions = Sessions(hand)

    def opened(session: str = "s", subject: str = "p") -> str:
        secret = sessions.open(person(session, subject), "token")
        assert secret is not None
        return secret

    idle = opened()
    hand.now += IDLE_SECONDS + 1
    assert sessions.find(idle) is None
    busy, seen = opened(), 0
    while sessions.find(busy) is not None:
        hand.now += IDLE_SECONDS
        seen += 1
    assert seen == LONGEST_SECONDS // IDLE_SECONDS + 1
    one, two, other = opened("1"), opened("2"), opened("3", "q")
    assert sessions.end(session="1", subject="p") == 1
    assert sessions.find(one) is None
    assert sessions.find(two) is not None
    assert sessions.end(session="", subject="p") == 1
    assert sessions.find(two) is None
    assert sessions.find(other) is not None
    assert sessions.find("") is None


def test_a_session_that_ended_before_it_began() -> None:
    """The realm may say that a session is over while its code is still on its way."""
    sessions = Sessions()
    sessions.end(session="s", subject="p")
    assert sessions.open(person("s"), "token") is None
    assert sessions.open(person("t"), "token") is not None


def test_what_claims_say() -> None:
    """Organisation and duties are whole paths, permissions those of this client."""
    found = read_person(
        CLIENT,
        identity(
            name="张三",
            preferred_username="sx1",
            groups=["/机构/14-山西省/1409-忻州市", "/岗位/140902-忻府区/经办人员", "经办人员", 7],
            idp="social-card",
        ),
        {"resource_access": {CLIENT: {"roles": ["b", "a"]}, "other": {"roles": ["c"]}}},
    )
    assert found.organisation == "山西省 › 忻州市"
    assert found.duties == ("岗位 › 忻府区 › 经办人员",)
    assert found.permissions == ("a", "b")
    assert found.by_card
    bare = read_person(CLIENT, identity(groups="x", idp="other"), {"resource_access": {CLIENT: {}}})
    assert (bare.duties, bare.permissions, bare.by_card, bare.name) == ((), (), False, "")
