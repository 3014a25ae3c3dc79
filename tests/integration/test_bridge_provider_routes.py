"""The provider over HTTP: what the OpenID Foundation's plans ask of it, and what they do not think of.

``docs/reference/openid-provider.md`` says which test stands for which module of the plans.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest
from starlette.routing import Route

from fixtures.bridge_provider import (
    GOODBYE,
    ISSUER,
    REDIRECT,
    SUBJECT,
    TOKEN_URL,
    Answer,
    World,
    base64url,
    call,
    signed_by_hand,
)
from quanheng.bridge.provider.signing import AFTERWARDS, LEAD
from quanheng.store.database import Database

FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
HOSTS: Final = ["thief.invalid", "[", "a@b", "login.example.gov.cn:8443", "x\\y"]


@pytest.fixture
def world(sqlite_database: Database) -> World:
    """A provider."""
    return World(sqlite_database)


def log_in(world: World, **changes: str | None) -> dict[str, Any]:
    """A whole login as a client's library goes through it, every check of the answer included."""
    request = world.client.request(**changes)
    answer = world.get("/authorize", request)
    assert answer.status == 303
    assert answer.headers["location"].startswith(f"{REDIRECT}?")
    assert set(answer.told) == {"code", "state", "iss"}
    assert (answer.told["state"], answer.told["iss"]) == (dict(request)["state"], ISSUER)
    tokens = ask(world, world.client.form(answer.told["code"]))
    claims = world.decode(tokens["id_token"])
    assert claims["nonce"] == dict(request)["nonce"]
    shown = world.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert shown.json() == {"sub": claims["sub"]} == {"sub": SUBJECT}
    return {**tokens, "claims": claims}


def ask(world: World, form: dict[str, str], status: int = 200) -> dict[str, Any]:
    """A token request."""
    answer = world.post("/token", form)
    assert answer.status == status
    assert_not_kept(answer)
    told: dict[str, Any] = answer.json()
    return told


def assert_not_kept(answer: Answer) -> None:
    """RFC 6749, section 5.1: no cache keeps it."""
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"


def test_a_login_from_beginning_to_end(world: World) -> None:
    """Authorization, tokens and userinfo agree (oidcc-server)."""
    assert log_in(world)["token_type"] == "Bearer"


def test_discovery_tells_what_there_is(world: World) -> None:
    """Every address is of the issuer, and is one that answers; nothing is offered that is refused."""
    answer = world.get("/.well-known/openid-configuration")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    told = answer.json()
    assert told["issuer"] == ISSUER
    paths = {route.path for route in world.app.routes if isinstance(route, Route)}
    for name in ("authorization", "token", "userinfo", "end_session"):
        assert told[f"{name}_endpoint"].removeprefix(ISSUER) in paths
    assert told["jwks_uri"] == f"{ISSUER}/jwks"
    assert told["response_types_supported"] == ["code"]
    assert told["response_modes_supported"] == ["query"]
    assert told["grant_types_supported"] == ["authorization_code"]
    assert told["scopes_supported"] == ["openid"]
    assert told["subject_types_supported"] == ["public"]
    assert told["id_token_signing_alg_values_supported"] == ["ES256"]
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert told["token_endpoint_auth_signing_alg_values_supported"] == ["ES256", "PS256", "RS256"]
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"] is True
    for name in ("claims_parameter", "request_parameter", "request_uri_parameter"):
        assert told[f"{name}_supported"] is False
    assert not {"registration_endpoint", "introspection_endpoint", "check_session_iframe"} & set(told)
    assert set(log_in(world)["claims"]) - {"jti", "at_hash"} == set(told["claims_supported"]) - set() | {
        "exp"
    }


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_lies_is_in_no_answer(world: World, host: str) -> None:
    """Neither in the metadata, nor in a redirect; nor is an odd one a fault."""
    headers = {"Host": host, "X-Forwarded-Host": "thief.invalid", "Forwarded": "host=thief.invalid"}
    query = world.client.request()
    for path, given in (
        ("/.well-known/openid-configuration", []),
        ("/authorize", query),
        ("/authorize", [*query, ("prompt", "none")]),
        ("/logout", [("client_id", "shanxi"), ("post_logout_redirect_uri", GOODBYE)]),
    ):
        answer = world.get(path, given, headers)
        assert answer.status in (200, 303)
        shown = answer.body.decode() + json.dumps(dict(answer.headers))
        assert "thief" not in shown
        assert host not in shown.replace(ISSUER, "") or host == "["


def test_keys_are_published_with_their_use(world: World) -> None:
    """Each verifies, has a name of its own, and is kept for a minute at most; none has a private half."""
    world.tokens()
    world.keys.rotate()
    world.clock.forward(60)
    answer = world.get("/jwks")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "public, max-age=60"
    keys = answer.json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys) == 2
    assert {(key["kty"], key["use"], key["alg"]) for key in keys} == {("EC", "sig", "ES256")}
    assert not [key for key in keys if "d" in key]


def test_an_id_token_is_signed_by_a_published_key(world: World) -> None:
    """Verified by the key that its ``kid`` names, which was read over HTTP (oidcc-idtoken-signature)."""
    token = log_in(world)["id_token"]
    header = jwt.get_unverified_header(token)
    (key,) = [one for one in world.get("/jwks").json()["keys"] if one["kid"] == header["kid"]]
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(
        token, jwt.PyJWK(key).key, ["ES256"], audience="shanxi", issuer=ISSUER, options=options
    )
    assert claims["sub"] == SUBJECT


def test_a_token_outlives_a_rotation(world: World) -> None:
    """What the old key signed right before it went is verified by what is published."""
    world.tokens()
    world.keys.rotate()
    world.clock.now += LEAD
    world.clock.forward(-1)
    token = log_in(world)["id_token"]
    world.clock.now += AFTERWARDS
    assert world.decode(token)["sub"] == SUBJECT


def test_a_missing_response_type_is_told(world: World) -> None:
    """To the client, whose address is certain (oidcc-response-type-missing)."""
    answer = world.get("/authorize", world.client.request(response_type=None))
    assert (answer.status, answer.told["error"], answer.told["state"]) == (303, "invalid_request", "s-1")
    assert_not_kept(answer)


def test_userinfo_by_every_way_that_there_is(world: World) -> None:
    """GET, POST with a header, POST with a form (oidcc-userinfo-get, -post-header, -post-body)."""
    token = log_in(world)["access_token"]
    header = {"Authorization": f"Bearer {token}"}
    for answer in (
        world.get("/userinfo", headers=header),
        world.get("/userinfo", headers={"Authorization": f"bEARER  {token}"}),
        world.post("/userinfo", {}, header),
        call(world.app, "POST", "/userinfo", headers=header),
        world.post("/userinfo", {"access_token": token}),
    ):
        assert (answer.status, answer.json()) == (200, {"sub": SUBJECT})
        assert answer.headers["content-type"] == "application/json"
        assert_not_kept(answer)


def test_a_token_in_an_address_is_none(world: World) -> None:
    """RFC 9700, section 4.3.2: addresses are in logs and histories."""
    token = log_in(world)["access_token"]
    answer = world.get("/userinfo", [("access_token", token)])
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="quanheng"')
    posted = call(world.app, "POST", "/userinfo", urlencode({"access_token": token}).encode(), b"", FORM)
    assert posted.status == 401


@pytest.mark.parametrize("posted", [[], ["x"]])
def test_userinfo_challenges_whoever_has_no_token(world: World, posted: list[str]) -> None:
    """RFC 6750, section 3: without a token no error, with a wrong one ``invalid_token``; both 401."""
    answer = world.post("/userinfo", [("access_token", one) for one in posted])
    words = 'Bearer realm="quanheng"' + (', error="invalid_token"' if posted else "")
    assert (answer.status, answer.headers["www-authenticate"], answer.body) == (401, words, b"")
    assert_not_kept(answer)


def test_userinfo_takes_one_token(world: World) -> None:
    """Two of them, in whatever way, are ``invalid_request``, though both are good."""
    token = log_in(world)["access_token"]
    twice = [("access_token", token), ("access_token", token)]
    for answer in (
        world.post("/userinfo", twice),
        world.post("/userinfo", {"access_token": token}, {"Authorization": f"Bearer {token}"}),
    ):
        assert answer.status == 400
        assert answer.headers["www-authenticate"] == 'Bearer realm="quanheng", error="invalid_request"'


def test_a_request_without_nonce_is_refused(world: World) -> None:
    """Core lets the code flow do without one, the bridge does not (oidcc-ensure-request-without-nonce-…)."""
    answer = world.get("/authorize", world.client.request(nonce=None))
    assert (answer.status, answer.told["error"]) == (303, "invalid_request")
    assert world.begun == []


@pytest.mark.parametrize(
    "scope",
    [
        "openid profile",
        "openid email",
        "openid address",
        "openid phone",
        "openid address email phone profile",
        "email openid",
        "profile openid",
    ],
)
def test_scopes_give_a_subject_and_no_more(world: World, scope: str) -> None:
    """Names and addresses are not ours to give (oidcc-scope-*, oidcc-ensure-other-scope-order-succeeds)."""
    assert log_in(world, scope=scope)["scope"] == "openid"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("display", "page"),
        ("display", "popup"),
        ("extra", "foobar"),
        ("login_hint", "buffy@login.example.gov.cn"),
        ("ui_locales", "se"),
        ("ui_locales", "zh-CN en"),
        ("claims_locales", "se"),
        ("acr_values", "1 2"),
        ("claims", '{"id_token":{"name":{"essential":true}},"userinfo":{"name":{"essential":true}}}'),
        ("prompt", "login"),
        ("max_age", "1"),
        ("max_age", "10000"),
    ],
)
def test_what_a_client_may_wish_for_is_no_hindrance(world: World, name: str, value: str) -> None:
    """oidcc-display-*, -login-hint, -ui-locales, -claims-*, -ensure-request-with-… of the basic plan."""
    assert log_in(world, **{name: value})["claims"]["acr"] == world.settings.acr


@pytest.mark.parametrize(("name", "value"), [("prompt", "login"), ("max_age", "1"), ("max_age", "10000")])
def test_every_login_is_a_new_one(world: World, name: str, value: str) -> None:
    """``auth_time`` is that of this scan, whatever went before (oidcc-prompt-login, oidcc-max-age-*)."""
    first = log_in(world)["claims"]["auth_time"]
    world.clock.forward(2)
    assert log_in(world, **{name: value})["claims"]["auth_time"] == first + 2
    assert len(world.begun) == 2


@pytest.mark.parametrize("before", [0, 1])
def test_nobody_is_let_in_without_a_scan(world: World, before: int) -> None:
    """``prompt=none`` is ``login_required``, after a login too (oidcc-prompt-none-*)."""
    for _ in range(before):
        log_in(world)
    answer = world.get("/authorize", world.client.request(prompt="none"))
    assert (answer.status, answer.told["error"], answer.told["state"]) == (303, "login_required", "s-1")
    assert len(world.begun) == before


def test_an_id_token_hint_gives_no_session(world: World) -> None:
    """With ``prompt=none`` it is refused; without, it is a login like any other (oidcc-id-token-hint)."""
    hint = log_in(world)["id_token"]
    answer = world.get("/authorize", world.client.request(prompt="none", id_token_hint=hint))
    assert answer.told["error"] == "login_required"
    assert log_in(world, id_token_hint=hint)["claims"]["sub"] == SUBJECT


@pytest.mark.parametrize("seconds", [1, 30])
def test_a_code_that_comes_again_ends_what_it_gave(world: World, seconds: int) -> None:
    """At once or later (oidcc-codereuse, oidcc-codereuse-30seconds)."""
    code = world.get("/authorize", world.client.request()).told["code"]
    token = ask(world, world.client.form(code))["access_token"]
    world.clock.forward(seconds)
    assert ask(world, world.client.form(code), 400)["error"] == "invalid_grant"
    assert world.get("/userinfo", headers={"Authorization": f"Bearer {token}"}).status == 401


@pytest.mark.parametrize("redirect_uri", [None, "https://thief.invalid/cb", REDIRECT + "?x=1"])
def test_an_unregistered_address_gets_a_page(world: World, redirect_uri: str | None) -> None:
    """And no redirect (oidcc-ensure-registered-redirect-uri)."""
    answer = world.get("/authorize", world.client.request(redirect_uri=redirect_uri))
    assert (answer.status, answer.body) == (400, b"unusable")
    assert "location" not in answer.headers
    assert len(world.unusable) == 1


def test_a_request_may_be_posted(world: World) -> None:
    """With the same outcome; its address is not looked at then (oidcc-ensure-post-request-succeeds)."""
    answer = world.post("/authorize", world.client.request())
    assert answer.status == 303
    assert set(answer.told) == {"code", "state", "iss"}
    query = urlencode([("client_id", "gansu"), ("prompt", "none")]).encode()
    mixed = call(world.app, "POST", "/authorize", query, urlencode(world.client.request()).encode(), FORM)
    assert set(mixed.told) == {"code", "state", "iss"}
    assert [one.client_id for one in world.begun] == ["shanxi", "shanxi"]


def request_object(**claims: str) -> str:
    """An unsigned one."""
    parts = ({"alg": "none"}, {"client_id": "shanxi", **claims})
    return ".".join(base64url(json.dumps(part).encode()) for part in parts) + "."


@pytest.mark.parametrize(
    ("name", "value"), [("request", request_object()), ("request_uri", "https://thief.invalid/r")]
)
def test_request_objects_are_not_supported(world: World, name: str, value: str) -> None:
    """oidcc-unsigned-request-object-…, oidcc-request-uri-unsigned-…: rejected as unsupported."""
    answer = world.get("/authorize", world.client.request(**{name: value}))
    assert (answer.status, answer.told["error"]) == (303, f"{name}_not_supported")


def test_an_address_in_a_request_object_is_not_read(world: World) -> None:
    """The one outside counts, and is not registered (oidcc-ensure-request-object-with-redirect-uri)."""
    hidden = request_object(redirect_uri=REDIRECT)
    wrong = world.client.request(request=hidden, redirect_uri="https://thief.invalid/cb")
    assert world.get("/authorize", wrong).status == 400
    other = world.client.request(request=request_object(redirect_uri="https://thief.invalid/cb"))
    assert world.get("/authorize", other).headers["location"].startswith(f"{REDIRECT}?error=")


def test_there_are_no_refresh_tokens(world: World) -> None:
    """None is given, none is taken (oidcc-refresh-token)."""
    tokens = log_in(world, scope="openid offline_access")
    assert "refresh_token" not in tokens
    form = world.client.form("", grant_type="refresh_token", refresh_token=tokens["access_token"])
    assert ask(world, form, 400)["error"] == "unsupported_grant_type"


@pytest.mark.parametrize("method", ["post", "basic"])
def test_a_secret_is_no_proof(world: World, method: str) -> None:
    """oidcc-server-client-secret-post and client_secret_basic: not offered, and refused by the same error."""
    code = world.get("/authorize", world.client.request()).told["code"]
    form = world.client.form(code, client_assertion=None, client_assertion_type=None)
    if method == "post":
        answer = world.post("/token", {**form, "client_id": "shanxi", "client_secret": "s"})
        assert (answer.status, answer.json()["error"]) == (400, "invalid_client")
    else:
        answer = world.post("/token", form, {"Authorization": "Basic c2hhbnhpOnM="})
        assert (answer.status, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"] == 'Basic realm="quanheng"'
    assert_not_kept(answer)


def test_pkce_is_required_and_checked(world: World) -> None:
    """oidcc-ensure-request-with-valid-pkce-succeeds, and the refusals that go with it."""
    log_in(world)
    for changes in (
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
    ):
        answer = world.get("/authorize", world.client.request(**changes))
        assert answer.told["error"] == "invalid_request"
    for verifier, error in (("y" * 43, "invalid_grant"), ("", "invalid_request"), ("y", "invalid_request")):
        code = world.get("/authorize", world.client.request()).told["code"]
        assert ask(world, world.client.form(code, code_verifier=verifier), 400)["error"] == error


@pytest.mark.parametrize("path", ["/authorize", "/token", "/userinfo", "/logout"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"client_id":"shanxi"}'),
        ("multipart/form-data; boundary=x", b"--x\r\n"),
        ("text/plain", b"client_id=shanxi"),
        ("", b"client_id=shanxi"),
        (FORM["Content-Type"], b"client_id=%ff"),
        (FORM["Content-Type"], b"client_id=\xff"),
        (FORM["Content-Type"], b"&".join(b"a%d=1" % number for number in range(70))),
    ],
)
def test_a_body_that_is_no_form_is_refused(world: World, path: str, kind: str, body: bytes) -> None:
    """Without a redirect, and without a fault."""
    answer = call(world.app, "POST", path, b"", body, {"Content-Type": kind} if kind else {})
    assert answer.status == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "query", [b"client_id=%ff", b"client_id=\xff", b"%00=1", b"a=1&" * 100, b"x=" + b"y" * 9000]
)
def test_an_address_that_cannot_be_read_gets_a_page(world: World, query: bytes) -> None:
    """Bytes that are no UTF-8, controls, too many or too long."""
    answer = call(world.app, "GET", "/authorize", query)
    assert (answer.status, answer.body) == (400, b"unusable")


@pytest.mark.parametrize("path", ["/token"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_tokens_are_given_to_posts_alone(world: World, path: str, method: str) -> None:
    """RFC 6749, section 3.2; and nothing in the address counts."""
    assert call(world.app, method, path, urlencode(world.client.form("x")).encode()).status == 405
    posted = call(world.app, "POST", path, urlencode(world.client.form(world.code())).encode(), b"", FORM)
    assert (posted.status, posted.json()["error"]) == (400, "invalid_client")


def test_an_error_of_a_token_request_echoes_nothing(world: World) -> None:
    """Two members, and nothing of what came in."""
    form = world.client.form("<echo>code", grant_type="<echo>grant", x="<echo>")
    answer = world.post("/token", form)
    assert set(answer.json()) == {"error", "error_description"}
    assert b"echo" not in answer.body


def test_a_refusal_goes_back_to_the_client(world: World) -> None:
    """As an answer does: with its state, and the issuer."""
    request = world.provider.asking.judge(world.client.request(state="a&b=c#d"))
    location = urlsplit(world.provider.refuse(request, "access_denied"))
    assert dict(parse_qsl(location.query)) == {"error": "access_denied", "state": "a&b=c#d", "iss": ISSUER}
    assert location.fragment == ""


def leave(world: World, **parameters: str) -> str | None:
    """Where a logout leads to, asked for in both ways; None is the page of ours."""
    answers = [world.get("/logout", parameters.items()), world.post("/logout", parameters)]
    places = [answer.headers.get("location") for answer in answers]
    assert places[0] == places[1]
    assert [(answer.status, answer.body) for answer in answers] == (
        [(200, b"goodbye")] * 2 if places[0] is None else [(303, b"")] * 2
    )
    return places[0]


def test_a_logout_leads_back(world: World) -> None:
    """By the hint or by the client's name, to an address that it registered, with its state."""
    hint = log_in(world)["id_token"]
    assert leave(world, id_token_hint=hint, post_logout_redirect_uri=GOODBYE) == GOODBYE
    assert leave(world, client_id="shanxi", post_logout_redirect_uri=GOODBYE) == GOODBYE
    both = leave(world, client_id="shanxi", id_token_hint=hint, post_logout_redirect_uri=GOODBYE, state="a&b")
    assert both == f"{GOODBYE}?state=a%26b"


def test_an_old_hint_still_leads_back(world: World) -> None:
    """Expired, and signed by a key that signs no more but is still published; not after that."""
    hint = log_in(world)["id_token"]
    world.keys.rotate()
    world.clock.now += LEAD + AFTERWARDS
    assert leave(world, id_token_hint=hint, post_logout_redirect_uri=GOODBYE) == GOODBYE
    world.clock.now += AFTERWARDS
    assert leave(world, id_token_hint=hint, post_logout_redirect_uri=GOODBYE) is None


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"client_id": "shanxi"},
        {"post_logout_redirect_uri": GOODBYE},
        {"client_id": "nobody", "post_logout_redirect_uri": GOODBYE},
        {"client_id": "shanxi", "post_logout_redirect_uri": GOODBYE + "/"},
        {"client_id": "shanxi", "post_logout_redirect_uri": REDIRECT},
        {"client_id": "shanxi", "post_logout_redirect_uri": "https://thief.invalid/"},
        {"client_id": "shanxi", "post_logout_redirect_uri": ""},
        {"client_id": "shanxi", "post_logout_redirect_uri": GOODBYE, "id_token_hint": "x.y.z"},
        {"client_id": "shanxi", "post_logout_redirect_uri": GOODBYE, "id_token_hint": ""},
        {"client_id": "shanxi", "post_logout_redirect_uri": GOODBYE, "state": "x" * 513},
        {"client_id": "shanxi", "post_logout_redirect_uri": GOODBYE, "state": "a\r\nb"},
    ],
)
def test_a_logout_that_is_not_certain_ends_here(world: World, parameters: dict[str, str]) -> None:
    """With a page, and no redirect: nobody is led anywhere by a link to us."""
    assert leave(world, **parameters) is None


@pytest.mark.parametrize("client_id", ["gansu", "nobody", ""])
def test_a_hint_for_another_client_leads_nowhere(world: World, client_id: str) -> None:
    """RP-Initiated Logout 1.0, section 2: both name the same client, or neither counts; known or not."""
    hint = log_in(world)["id_token"]
    assert leave(world, client_id=client_id, id_token_hint=hint, post_logout_redirect_uri=GOODBYE) is None


def test_a_forged_hint_leads_nowhere(world: World) -> None:
    """Unsigned, signed by a client, by HMAC with our public key, or of another issuer."""
    claims = {"iss": ISSUER, "sub": SUBJECT, "aud": "shanxi"}
    log_in(world)
    key = world.keys.signer()
    public = json.dumps(world.keys.published()[0]).encode()
    forged = [
        signed_by_hand({"alg": "none", "kid": key.kid}, claims, b""),
        world.client.sign(claims, {"kid": key.kid}),
        world.client.sign(claims),
        signed_by_hand({"alg": "HS256", "kid": key.kid}, claims, secret=public),
        jwt.encode(claims | {"iss": TOKEN_URL}, key.private, "ES256", {"kid": key.kid}),
        jwt.encode(claims | {"aud": ["shanxi"]}, key.private, "ES256", {"kid": key.kid}),
        jwt.encode(claims, key.private, "ES256"),
        base64url(b"[" * 3000) + ".e30.",
    ]
    for hint in forged:
        assert leave(world, id_token_hint=hint, post_logout_redirect_uri=GOODBYE) is None


@pytest.mark.parametrize("name", ["client_id", "post_logout_redirect_uri", "state"])
def test_a_logout_with_a_parameter_twice_ends_here(world: World, name: str) -> None:
    """Which one was meant cannot be told."""
    parameters = {"client_id": "shanxi", "post_logout_redirect_uri": GOODBYE, "state": "s"}
    answer = world.get("/logout", [*parameters.items(), (name, parameters[name])])
    assert (answer.status, answer.body) == (200, b"goodbye")


def test_no_address_of_ours_sets_a_cookie(world: World) -> None:
    """The provider keeps no session (deployed mistake 3)."""
    token = log_in(world)["access_token"]
    for answer in (
        world.get("/authorize", world.client.request()),
        world.post("/token", world.client.form(world.code())),
        world.get("/userinfo", headers={"Authorization": f"Bearer {token}"}),
        world.get("/jwks"),
        world.get("/logout"),
    ):
        assert "set-cookie" not in answer.headers


def test_nothing_secret_is_logged(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """Of a login that goes well, and of everything that goes wrong after it."""
    code = world.get("/authorize", world.client.request()).told["code"]
    form = world.client.form(code)
    tokens = ask(world, form)
    ask(world, form, 400)
    ask(world, world.client.form(code), 400)
    world.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}x"})
    world.get("/authorize", world.client.request(redirect_uri="https://thief.invalid"))
    shown = "".join(capfd.readouterr()) + repr(world.unusable)
    secrets = [code, form["client_assertion"], world.client.verifier, SUBJECT]
    assert not [one for one in (*secrets, *map(str, tokens.values())) if len(one) > 8 and one in shown]
