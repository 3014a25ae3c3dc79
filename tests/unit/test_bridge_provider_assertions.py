"""Client assertions: the one that counts, and everything that was ever tried instead."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from fixtures.bridge_provider import (
    ISSUER,
    TOKEN_URL,
    Client,
    Hands,
    ListedKeys,
    base64url,
    client_settings,
    ec_key,
    public_jwk,
    rsa_key,
    signed_by_hand,
)
from quanheng.bridge.provider.assertions import ALGORITHMS, ASSERTION_TYPE, Asserted, Assertions, fits
from quanheng.bridge.provider.client_keys import ClientKey
from quanheng.bridge.provider.errors import TokenError


class Desk:
    """Where a client proves itself, and a second client that has a key too."""

    def __init__(self) -> None:
        self.clock = Hands()
        self.keys = ListedKeys()
        self.client = Client(self.clock)
        self.other = Client(self.clock, client_id="gansu", key=ec_key("other"), kid="k2")
        for client in (self.client, self.other):
            self.keys.publish(client.client_id, public_jwk(client.key, client.kid))
        known = (client_settings(), client_settings("gansu"))
        self.assertions = Assertions(known, frozenset({ISSUER, TOKEN_URL}), self.keys, self.clock)

    def show(self, assertion: str, **form: str) -> Asserted:
        """Prove a client by this assertion."""
        made = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        return asyncio.run(self.assertions.verify(made | form))

    def refuses(self, assertion: str, **form: str) -> None:
        """That the assertion does not count, and that the answer says nothing more."""
        with pytest.raises(TokenError) as caught:
            self.show(assertion, **form)
        assert (caught.value.error, caught.value.status) == ("invalid_client", 400)
        assert caught.value.description == "the assertion does not count"


@pytest.fixture
def desk() -> Desk:
    """A desk."""
    return Desk()


@pytest.mark.parametrize("audience", [ISSUER, TOKEN_URL, [ISSUER], [TOKEN_URL]])
def test_an_assertion_for_us_proves_its_client(desk: Desk, audience: object) -> None:
    """To the issuer or to the token endpoint, alone."""
    asserted = desk.show(desk.client.assertion(aud=audience, jti="j-1"), client_id="shanxi")
    assert (asserted.client.client_id, asserted.identifier) == ("shanxi", "j-1")
    assert asserted.expires_at > desk.clock()


def test_an_assertion_without_the_clients_name_beside_it_counts(desk: Desk) -> None:
    """RFC 7521, section 4.2: ``client_id`` is not needed."""
    assert desk.show(desk.client.assertion()).client.client_id == "shanxi"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_a_client_may_have_an_rsa_key(desk: Desk, algorithm: str) -> None:
    """Of 2048 bits at least, with either padding."""
    desk.keys.publish("shanxi", public_jwk(rsa_key(), "r1"))
    client = Client(desk.clock, key=rsa_key(), kid="r1", algorithm=algorithm)
    assert desk.show(client.assertion()).client.client_id == "shanxi"


@pytest.mark.parametrize("name", ["none", "None", "NONE", ""])
def test_an_unsigned_assertion_does_not_count(desk: Desk, name: str) -> None:
    """``alg=none``, however it is spelt, with or without something in place of the signature."""
    header = {"alg": name, "typ": "JWT", "kid": "k1"}
    for signature in (b"", b"x"):
        desk.refuses(signed_by_hand(header, desk.client.claims(), signature))


def secrets_anybody_knows() -> list[bytes]:
    """What a public key may be taken for when it is used as a secret."""
    public = ec_key().public_key()
    jwk = public_jwk(ec_key(), "k1")
    return [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        json.dumps(jwk).encode(),
        json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode(),
        b"",
    ]


@pytest.mark.parametrize(
    "secret", secrets_anybody_knows(), ids=["pem", "der", "point", "jwk", "jwk-2", "empty"]
)
@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "RS256"])
def test_a_public_key_is_no_secret(desk: Desk, secret: bytes, algorithm: str) -> None:
    """HMAC with the public key, called by its name or by another."""
    header = {"alg": algorithm, "typ": "JWT", "kid": "k1"}
    desk.refuses(signed_by_hand(header, desk.client.claims(), secret=secret))


@pytest.mark.parametrize(
    "algorithm", ["ES384", "ES512", "RS384", "PS512", "EdDSA", "HS512", "RSA-OAEP", "es256"]
)
def test_other_algorithms_do_not_count(desk: Desk, algorithm: str) -> None:
    """Whatever the key could do besides."""
    header = {"alg": algorithm, "typ": "JWT", "kid": "k1"}
    desk.refuses(signed_by_hand(header, desk.client.claims(), b"x" * 64))


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS384", "PS512"])
def test_algorithms_that_are_not_offered_do_not_count(desk: Desk, algorithm: str) -> None:
    """Though the key is good and the signature too: what counts is a list of ours."""
    desk.keys.publish("shanxi", public_jwk(rsa_key(), "r1"))
    desk.refuses(Client(desk.clock, key=rsa_key(), kid="r1", algorithm=algorithm).assertion())


@pytest.mark.parametrize(
    ("key", "algorithm"), [(rsa_key(), "ES256"), (ec_key(), "RS256"), (ec_key(), "PS256")]
)
def test_an_algorithm_goes_with_its_type_of_key(desk: Desk, key: Any, algorithm: str) -> None:
    """A key that was published for one is never tried with another."""
    desk.keys.publish("shanxi", public_jwk(key, "mixed"))
    header = {"alg": algorithm, "typ": "JWT", "kid": "mixed"}
    desk.refuses(signed_by_hand(header, desk.client.claims(), b"x" * 64))


def test_a_key_for_one_algorithm_verifies_no_other(desk: Desk) -> None:
    """What the client wrote into ``alg`` of its key holds."""
    desk.keys.publish("shanxi", public_jwk(rsa_key(), "r1", alg="RS256"))
    counts, does_not = (
        Client(desk.clock, key=rsa_key(), kid="r1", algorithm=name) for name in ("RS256", "PS256")
    )
    assert desk.show(counts.assertion()).client.client_id == "shanxi"
    desk.refuses(does_not.assertion())


def test_a_short_rsa_key_does_not_count(desk: Desk) -> None:
    """1024 bits can be factored."""
    desk.keys.publish("shanxi", public_jwk(rsa_key(1024), "short"))
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        assertion = Client(desk.clock, key=rsa_key(1024), kid="short", algorithm="RS256").assertion()
    desk.refuses(assertion)


def test_another_curve_does_not_count(desk: Desk) -> None:
    """ES256 is P-256 (RFC 7518, section 3.4)."""
    key = ec.generate_private_key(ec.SECP384R1())
    desk.keys.publish("shanxi", public_jwk(key, "p384"))
    head, claims = ({"alg": "ES256", "kid": "p384"}, desk.client.claims())
    text = signed_by_hand(head, claims).rpartition(".")[0]
    numbers = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    for size in (32, 48):
        desk.refuses(signed_by_hand(head, claims, b"".join((n % 256**size).to_bytes(size) for n in numbers)))


def test_what_goes_together() -> None:
    """Each algorithm with its type of key, its curve, its length, and what the client says of it."""
    p256, p384 = ec_key().public_key(), ec.generate_private_key(ec.SECP384R1()).public_key()
    rsa, short = rsa_key().public_key(), rsa_key(1024).public_key()
    for key, told, fitting in (
        (p256, None, {"ES256"}),
        (p256, "ES256", {"ES256"}),
        (p256, "RS256", set()),
        (p384, None, set()),
        (rsa, None, {"PS256", "RS256"}),
        (rsa, "PS256", {"PS256"}),
        (rsa, "RS512", set()),
        (short, None, set()),
    ):
        assert {name for name in ALGORITHMS if fits(ClientKey(key, told), name)} == fitting


@pytest.mark.parametrize("use", [{"use": "enc"}, {"key_ops": ["sign"]}, {"key_ops": []}, {"d": "AA"}])
def test_a_key_that_is_not_for_signatures_does_not_count(desk: Desk, use: dict[str, Any]) -> None:
    """``use`` and ``key_ops`` are respected (RFC 7517, sections 4.2 and 4.3); a private key is not taken."""
    key = ec_key("third")
    desk.keys.publish("shanxi", public_jwk(key, "k3", **use))
    desk.refuses(Client(desk.clock, key=key, kid="k3").assertion())


@pytest.mark.parametrize("kid", ["k9", "", "K1", "k1 ", "../k1", "k1\0"])
def test_an_unknown_key_does_not_count(desk: Desk, kid: str) -> None:
    """Nothing else is tried instead."""
    desk.refuses(desk.client.assertion({"kid": kid}))


def test_a_key_is_named(desk: Desk) -> None:
    """Without ``kid`` nothing is tried."""
    desk.refuses(jwt.encode(desk.client.claims(), desk.client.key, "ES256"))


def test_another_clients_key_does_not_count(desk: Desk) -> None:
    """Neither by its own name, nor by the name of the client's."""
    posing = Client(desk.clock, client_id="shanxi", key=desk.other.key, kid=desk.other.kid)
    desk.refuses(posing.assertion())
    desk.refuses(posing.assertion({"kid": desk.client.kid}))


def test_an_assertion_that_was_changed_does_not_count(desk: Desk) -> None:
    """The signature is over all of it."""
    header, _, signature = desk.client.assertion().split(".")
    claims = base64url(json.dumps(desk.client.claims()).encode())
    desk.refuses(f"{header}.{claims}.{signature}")


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": public_jwk(ec_key("thief"), "k1")},
        {"jku": "https://thief.invalid/jwks"},
        {"x5u": "https://thief.invalid/x5u"},
        {"x5c": ["AA=="]},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": True},
        {"b64": True},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
        {"typ": "at+jwt"},
        {"typ": "secevent+jwt"},
        {"typ": ["JWT"]},
        {"typ": {}},
        {"kid": ["k1"]},
        {"kid": None},
        {"alg": ["ES256"]},
        {"alg": None},
    ],
)
def test_a_header_says_algorithm_and_key_and_nothing_else(desk: Desk, header: dict[str, Any]) -> None:
    """Nobody brings the key along, and what would have to be understood is not passed over."""
    signing = desk.client if "jwk" not in header else Client(desk.clock, key=ec_key("thief"))
    head = {"alg": "ES256", "typ": "JWT", "kid": "k1"} | header
    text = f"{base64url(json.dumps(head).encode())}.{base64url(json.dumps(signing.claims()).encode())}"
    raw = jwt.get_algorithm_by_name("ES256").sign(text.encode(), signing.key)
    desk.refuses(f"{text}.{base64url(raw)}")


@pytest.mark.parametrize("typ", [None, "JWT", "client-authentication+jwt"])
def test_the_types_of_a_client_assertion_count(desk: Desk, typ: str | None) -> None:
    """None, JWT, and the one of draft-ietf-oauth-rfc7523bis."""
    assert desk.show(desk.client.assertion({"typ": typ})).client.client_id == "shanxi"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": None},
        {"sub": None},
        {"iss": "nobody"},
        {"sub": "gansu"},
        {"iss": "gansu"},
        {"sub": ["shanxi"]},
        {"iss": ["shanxi"]},
        {"iss": {"a": 1}},
    ],
)
def test_issuer_and_subject_are_the_client(desk: Desk, claims: dict[str, Any]) -> None:
    """RFC 7523, section 3; Core, section 9."""
    desk.refuses(desk.client.assertion(**claims))


def test_an_assertion_of_another_client_does_not_count(desk: Desk) -> None:
    """``client_id`` beside it has to be the same."""
    desk.refuses(desk.client.assertion(), client_id="gansu")
    desk.refuses(desk.client.assertion(), client_id="")


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        "https://thief.invalid",
        f"{ISSUER}/",
        f"{ISSUER}/authorize",
        ISSUER.upper(),
        [],
        [ISSUER, "https://thief.invalid"],
        [ISSUER, TOKEN_URL],
        [[ISSUER]],
        {"0": ISSUER},
        1,
    ],
)
def test_an_assertion_is_for_us_alone(desk: Desk, audience: object) -> None:
    """One that is for somebody else too could have been passed on by them."""
    desk.refuses(desk.client.assertion(aud=audience))


@pytest.mark.parametrize("identifier", [None, "", 5, ["a"], "x" * 257, "a\nb", "\ud800"])
def test_an_assertion_has_a_name(desk: Desk, identifier: object) -> None:
    """By which it is known when it comes again."""
    claims = {**desk.client.claims(jti=None), **({} if identifier is None else {"jti": identifier})}
    desk.refuses(desk.client.sign(claims))


@pytest.mark.parametrize("seconds", [-3600, -31, -30, 331, 3600, 10**9])
def test_an_assertion_ends_within_five_minutes(desk: Desk, seconds: int) -> None:
    """By our clock, give or take half a minute."""
    desk.refuses(desk.client.assertion(exp=int(desk.clock().timestamp()) + seconds))


@pytest.mark.parametrize("seconds", [-29, 1, 300, 330])
def test_clocks_may_differ_by_half_a_minute(desk: Desk, seconds: int) -> None:
    """And an assertion is remembered for as long as it could come again."""
    asserted = desk.show(desk.client.assertion(exp=int(desk.clock().timestamp()) + seconds))
    assert asserted.expires_at >= desk.clock()
    assert asserted.expires_at == desk.clock() + timedelta(seconds=seconds + 30)


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_an_assertion_from_the_future_does_not_count(desk: Desk, name: str) -> None:
    """Half a minute of it is the clocks' difference."""
    now = int(desk.clock().timestamp())
    assert desk.show(desk.client.assertion(**{name: now + 30})).client.client_id == "shanxi"
    desk.refuses(desk.client.assertion(**{name: now + 31}))


ODD_TIMES = ["2026", "", [], {}, True, float("nan"), float("inf"), -float("inf"), 10**30, 10**400, -(10**400)]


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", ODD_TIMES, ids=repr)
def test_odd_times_do_not_count(desk: Desk, name: str, value: object) -> None:
    """Texts, truths, infinities, and numbers that no date and no float holds."""
    claims = {**desk.client.claims(), name: value}
    desk.refuses(desk.client.sign(claims))


def test_a_life_has_an_end(desk: Desk) -> None:
    """``exp`` is required; ``iat`` is not."""
    desk.refuses(desk.client.assertion(exp=None))
    assert desk.show(desk.client.assertion(iat=None)).client.client_id == "shanxi"


@pytest.mark.parametrize(
    "assertion",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "e30.e30.",
        "e30.e30.e30",
        signed_by_hand([], {}),
        signed_by_hand({"alg": "ES256", "kid": "k1"}, []),
        signed_by_hand(b"[" * 1500, b"{}"),
        signed_by_hand({"alg": "ES256", "kid": "k1"}, b"[" * 1500),
        signed_by_hand({"alg": "ES256", "kid": "k1"}, b"\xff\xfe"),
        "汉字.汉字.汉字",
    ],
)
def test_what_is_no_token_does_not_count(desk: Desk, assertion: str) -> None:
    """Whatever it is."""
    with pytest.raises(TokenError) as caught:
        desk.show(assertion)
    assert caught.value.error == "invalid_client"


def test_a_very_long_assertion_is_not_looked_at(desk: Desk) -> None:
    """4096 characters are enough for the largest key."""
    desk.refuses(desk.client.assertion(padding="x" * 4096))


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_proves_anybody(assertion: str, client_id: str) -> None:
    """Nothing that was not signed by the client's key, and never another fault than the one that is told."""
    with pytest.raises(TokenError):
        Desk().show(assertion, client_id=client_id)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti"]), json_values)
def test_a_claim_of_any_kind_is_judged(name: str, value: object) -> None:
    """A client that signs nonsense is refused, or proves itself; nothing else comes of it."""
    desk = Desk()
    assertion = desk.client.sign({**desk.client.claims(), name: value})
    try:
        desk.show(assertion)
    except TokenError:
        return
    assert name in ("iat", "nbf", "jti")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"client_id": "shanxi"},
        {"client_id": "shanxi", "client_secret": "x"},
        {"client_secret": "x"},
        {"client_assertion_type": ASSERTION_TYPE},
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
    ],
)
def test_there_is_no_other_way_in(desk: Desk, form: dict[str, str]) -> None:
    """No secret, no name alone, no other kind of assertion."""
    with pytest.raises(TokenError) as caught:
        asyncio.run(desk.assertions.verify(form))
    assert caught.value.error == "invalid_client"


def test_one_way_at_a_time(desk: Desk) -> None:
    """RFC 6749, section 2.3: an assertion together with a secret is refused, though it is good."""
    with pytest.raises(TokenError) as caught:
        desk.show(desk.client.assertion(), client_secret="x")
    assert caught.value.error == "invalid_client"


def test_an_assertion_of_the_wrong_type_does_not_count(desk: Desk) -> None:
    """Though it is good."""
    with pytest.raises(TokenError) as caught:
        desk.show(desk.client.assertion(), client_assertion_type="jwt-bearer")
    assert caught.value.error == "invalid_client"
