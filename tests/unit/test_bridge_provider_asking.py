"""Authentication requests: which are valid, which are told to the client, and which lead nowhere."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.bridge_provider import ISSUER, REDIRECT, Client, Hands, client_settings
from quanheng.bridge.provider.asking import Asking, with_parameters
from quanheng.bridge.provider.errors import RedirectedError, UnusableRequestError
from quanheng.bridge.values import AuthorizationRequest

CLIENT = Client(Hands())
ASKING = Asking(ISSUER, (client_settings(),))


def judge(**changes: str | None) -> AuthorizationRequest:
    """Judge a request that is valid but for these parameters."""
    return ASKING.judge(CLIENT.request(**changes))


def told(**changes: str | None) -> dict[str, str]:
    """What the client is told of a request that is invalid because of these parameters."""
    return redirected(CLIENT.request(**changes))


def redirected(parameters: list[tuple[str, str]]) -> dict[str, str]:
    """What the client is told of this request."""
    with pytest.raises(RedirectedError) as caught:
        ASKING.judge(parameters)
    parts = urlsplit(caught.value.location)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == REDIRECT
    answer = dict(parse_qsl(parts.query, strict_parsing=True))
    assert answer["error"] == caught.value.error
    assert answer["iss"] == ISSUER
    return answer


def test_a_valid_request_is_taken_as_it_is() -> None:
    """Everything that the client sent to be sent back or compared later is kept unchanged."""
    request = judge(state="a%2F?&=", nonce="n~+/=")
    assert (request.client_id, request.client_name) == ("shanxi", "山西省人社统一认证")
    assert (request.redirect_uri, request.state, request.nonce) == (REDIRECT, "a%2F?&=", "n~+/=")
    assert request.code_challenge == dict(CLIENT.request())["code_challenge"]
    assert (request.scope, request.locale) == ("openid", "zh")


@pytest.mark.parametrize("client_id", [None, "", "nobody", "SHANXI", "shanxi ", "shanxi\u200b"])
def test_a_client_that_is_not_known_leads_nowhere(client_id: str | None) -> None:
    """Without a client no redirect URI can be trusted."""
    with pytest.raises(UnusableRequestError):
        judge(client_id=client_id)


HOST = urlsplit(REDIRECT).netloc
VARIANTS = [
    None,
    "",
    REDIRECT + "/",
    REDIRECT + "?",
    REDIRECT + "?next=1",
    REDIRECT + "#",
    REDIRECT + "#f",
    REDIRECT + "/../endpoint",
    REDIRECT + "%2F",
    REDIRECT + "\\",
    " " + REDIRECT,
    REDIRECT + " ",
    REDIRECT.upper(),
    REDIRECT.replace("https", "HTTPS"),
    REDIRECT.replace("https", "http"),
    REDIRECT.replace(HOST, HOST.upper()),
    REDIRECT.replace(HOST, HOST + ":443"),
    REDIRECT.replace(HOST, HOST + ":8443"),
    REDIRECT.replace(HOST, HOST + "."),
    REDIRECT.replace(HOST, "user@" + HOST),
    REDIRECT.replace(HOST, HOST + "@thief.invalid"),
    REDIRECT.replace(HOST, "thief.invalid"),
    REDIRECT.replace(HOST, "x." + HOST),
    REDIRECT.replace("broker", "%62roker"),
    REDIRECT.replace("broker", "Broker"),
    REDIRECT.replace("/broker", "//broker"),
    REDIRECT.replace("/broker", "/./broker"),
    quote(REDIRECT, safe=""),
    REDIRECT + "," + REDIRECT,
    "//" + REDIRECT.partition("//")[2],
    "javascript:alert(1)",
    "data:text/html,x",
]


@pytest.mark.parametrize("redirect_uri", VARIANTS)
def test_a_redirect_uri_is_the_registered_one_or_leads_nowhere(redirect_uri: str | None) -> None:
    """Slash, port, case, encoding, query, fragment, user: none is overlooked, none is redirected to."""
    with pytest.raises(UnusableRequestError):
        judge(redirect_uri=redirect_uri)


@st.composite
def changed_addresses(draw: st.DrawFn) -> str:
    """The registered address with a small change, that may come to nothing."""
    place = draw(st.integers(0, len(REDIRECT)))
    head, tail = REDIRECT[:place], REDIRECT[place:]
    change = draw(st.sampled_from(["insert", "drop", "encode", "case", "fold", "decode"]))
    match change:
        case "insert":
            return head + draw(st.text(max_size=3)) + tail
        case "drop":
            return head + tail[draw(st.integers(0, 3)) :]
        case "encode":
            return head + "".join(f"%{ord(one):02X}" for one in tail[:1]) + tail[1:]
        case "case":
            return head + tail.swapcase()
        case "fold":
            return head + tail[:1].casefold() + tail[1:]
        case _:
            return unquote(head) + tail


@given(changed_addresses())
def test_no_other_address_ever_gets_an_answer(address: str) -> None:
    """Whatever is done to the registered address, it is either the same text or leads nowhere."""
    if address == REDIRECT:
        assert judge(redirect_uri=address).redirect_uri == REDIRECT
    else:
        with pytest.raises(UnusableRequestError):
            judge(redirect_uri=address)


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=40)), max_size=12))
def test_anything_at_all_is_judged(extra: list[tuple[str, str]]) -> None:
    """No parameter, however odd, has another outcome than a request, a redirect home, or a page."""
    location = ""
    try:
        assert ASKING.judge([*CLIENT.request(), *extra]).redirect_uri == REDIRECT
    except UnusableRequestError:
        return
    except RedirectedError as error:
        location = error.location
    if location:
        assert location.startswith(f"{REDIRECT}?error=")
        assert all("!" <= character <= "~" for character in location)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_two_clients_or_two_addresses_lead_nowhere(name: str) -> None:
    """Which of the two was meant cannot be told, though both are the same."""
    with pytest.raises(UnusableRequestError):
        ASKING.judge([*CLIENT.request(), (name, dict(CLIENT.request())[name])])


@pytest.mark.parametrize("name", ["response_type", "scope", "nonce", "code_challenge", "prompt", "x-unknown"])
def test_a_parameter_that_is_there_twice_is_refused(name: str) -> None:
    """RFC 6749, section 3.1: once at most; one of the two may be what somebody has slipped in."""
    answer = redirected([*CLIENT.request(prompt="login", **{"x-unknown": "1"}), (name, "other")])
    assert (answer["error"], answer["state"]) == ("invalid_request", "s-1")


def test_a_state_that_is_there_twice_is_not_sent_back() -> None:
    """The client would compare it with the one that it made."""
    answer = redirected([*CLIENT.request(), ("state", "s-2")])
    assert answer["error"] == "invalid_request"
    assert "state" not in answer


@pytest.mark.parametrize("character", ["\0", "\r", "\n", "\t", "\x1f", "\x7f", "\x85", "\x9b"])
@pytest.mark.parametrize("name", ["redirect_uri", "state", "nonce", "login_hint"])
def test_control_characters_lead_nowhere(character: str, name: str) -> None:
    """No header, log or database sees them."""
    with pytest.raises(UnusableRequestError):
        ASKING.judge(
            [(key, value) for key, value in CLIENT.request() if key != name] + [(name, f"a{character}b")]
        )


@pytest.mark.parametrize("name", ["state", "nonce"])
@pytest.mark.parametrize("value", [None, "", " ", "a b", "汉字", "x" * 513])
def test_state_and_nonce_are_required(name: str, value: str | None) -> None:
    """One binds the answer to the browser, the other the token to the request; neither is over 512 long."""
    answer = told(**{name: value})
    assert answer["error"] == "invalid_request"
    assert answer.get("state") == (None if name == "state" else "s-1")


def test_the_longest_state_and_nonce_are_taken() -> None:
    """512 characters of each."""
    assert len(judge(state="x" * 512, nonce="y" * 512).state) == 512


def test_a_request_of_more_than_8_kilobytes_leads_nowhere() -> None:
    """However it is made up."""
    with pytest.raises(UnusableRequestError):
        judge(claims="x" * 8192)


@pytest.mark.parametrize(
    ("response_type", "error"),
    [
        (None, "invalid_request"),
        ("", "invalid_request"),
        ("token", "unsupported_response_type"),
        ("id_token", "unsupported_response_type"),
        ("code id_token", "unsupported_response_type"),
        ("code token", "unsupported_response_type"),
        ("none", "unsupported_response_type"),
        ("CODE", "unsupported_response_type"),
    ],
)
def test_the_response_type_is_code(response_type: str | None, error: str) -> None:
    """No token ever travels through a browser."""
    assert told(response_type=response_type)["error"] == error


@pytest.mark.parametrize("mode", ["fragment", "form_post", "jwt", "query.jwt", "QUERY"])
def test_the_answer_comes_in_the_query(mode: str) -> None:
    """No other response mode is offered."""
    assert told(response_mode=mode)["error"] == "invalid_request"


@pytest.mark.parametrize("mode", [None, "", "query"])
def test_query_may_be_asked_for_by_name(mode: str | None) -> None:
    """It is the default of the code flow; a parameter without a value is as good as none."""
    assert judge(response_mode=mode).redirect_uri == REDIRECT


@pytest.mark.parametrize(
    "scope", [None, "", "profile", "OPENID", "openid2", "openid,profile", "openid\u3000"]
)
def test_the_scope_has_openid_in_it(scope: str | None) -> None:
    """This provider has nothing else to give."""
    assert told(scope=scope)["error"] == "invalid_scope"


@pytest.mark.parametrize(
    "scope", ["openid profile", "email openid", "openid address phone", "openid offline_access"]
)
def test_other_scopes_give_nothing(scope: str) -> None:
    """OpenID Connect Core 1.0, section 3.1.2.1: those that are not known are ignored; none is granted."""
    assert judge(scope=scope).scope == "openid"


@pytest.mark.parametrize("method", [None, "", "plain", "s256", "S512"])
def test_the_challenge_method_is_s256(method: str | None) -> None:
    """Left out it would mean "plain" (RFC 7636, section 4.3), with which the challenge is the verifier."""
    assert told(code_challenge_method=method)["error"] == "invalid_request"


@pytest.mark.parametrize(
    "challenge", [None, "", "x" * 42, "x" * 44, "x" * 42 + "=", "x" * 42 + "~", "x" * 42 + "汉"]
)
def test_a_challenge_is_the_digest_of_something(challenge: str | None) -> None:
    """43 characters of base64url; RFC 7636 would allow up to 128, that no SHA-256 has."""
    assert told(code_challenge=challenge)["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("name", "value"),
    [("request", "e30.e30."), ("request_uri", "https://thief.invalid/r"), ("registration", "{}")],
)
def test_request_objects_are_told_to_be_unsupported(name: str, value: str) -> None:
    """By the error of their own (Core, section 3.1.2.6); nothing is fetched."""
    assert told(**{name: value})["error"] == f"{name}_not_supported"


def test_a_request_object_does_not_hide_behind_another_fault() -> None:
    """It is told of first, so that what it says is never mixed with the parameters beside it."""
    assert told(request="e30.e30.", response_type=None, nonce=None)["error"] == "request_not_supported"


def test_nobody_is_logged_in_already() -> None:
    """``prompt=none`` always fails: there is no session."""
    assert told(prompt="none")["error"] == "login_required"


@pytest.mark.parametrize("prompt", ["none login", "create", "LOGIN", "login none"])
def test_prompts_that_contradict_or_are_not_known_are_refused(prompt: str) -> None:
    """``none`` goes with no other (Core, section 3.1.2.1)."""
    assert told(prompt=prompt)["error"] == "invalid_request"


@pytest.mark.parametrize("prompt", ["", "login", "consent", "select_account", "login consent"])
def test_other_prompts_are_fulfilled_by_every_login(prompt: str) -> None:
    """Each is a scan that the holder of the card confirms."""
    assert judge(prompt=prompt).state == "s-1"


@pytest.mark.parametrize("age", ["0", "1", "10000", ""])
def test_any_age_is_fulfilled_by_every_login(age: str) -> None:
    """Each is fresh."""
    assert judge(max_age=age).state == "s-1"


@pytest.mark.parametrize("age", ["-1", "1.5", "x", "1e3", "٣", "9" * 10])
def test_an_age_is_a_number_of_seconds(age: str) -> None:
    """And not a negative one."""
    assert told(max_age=age)["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("wanted", "locale"),
    [
        ("", "zh"),
        ("fr", "zh"),
        ("en", "en"),
        ("en-GB", "en"),
        ("EN", "en"),
        ("zh-Hans", "zh"),
        ("fr en zh", "en"),
        ("fr zh-CN en", "zh"),
        ("english", "zh"),
    ],
)
def test_the_first_language_that_there_is_is_taken(wanted: str, locale: str) -> None:
    """``ui_locales`` is in the order of preference (Core, section 3.1.2.1)."""
    assert judge(ui_locales=wanted).locale == locale


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("display", "popup"),
        ("login_hint", "somebody"),
        ("id_token_hint", "not-even-a-token"),
        ("acr_values", "1 2"),
        ("claims", '{"id_token":{"name":{"essential":true}}}'),
        ("claims_locales", "se"),
        ("extra", "foobar"),
    ],
)
def test_what_is_not_offered_is_ignored(name: str, value: str) -> None:
    """The request is the same as without it."""
    assert judge(**{name: value}) == judge()


def test_an_error_echoes_nothing_but_the_state() -> None:
    """What somebody wrote does not come back in a description."""
    answer = told(response_type="<script>", nonce="<script>", state="s-1")
    assert set(answer) == {"error", "error_description", "iss", "state"}
    assert "script" not in answer["error_description"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://a.invalid/x", "https://a.invalid/x?state=a%26b"),
        ("https://a.invalid/x?y=%2F", "https://a.invalid/x?y=%2F&state=a%26b"),
        ("https://a.invalid", "https://a.invalid?state=a%26b"),
    ],
)
def test_parameters_are_added_to_an_address(address: str, expected: str) -> None:
    """What it has stays as it is; what is added cannot become a parameter of its own."""
    assert with_parameters(address, {"state": "a&b"}) == expected
