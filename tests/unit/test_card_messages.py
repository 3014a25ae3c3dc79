"""Envelopes of the national channel: what is asked, and which answers are believed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from fixtures.card_platform import ENCRYPTION_KEY, SIGNING_KEY, platform_settings
from quanheng.bridge.card.messages import (
    OpenedAnswer,
    PlatformRefusedError,
    RawAnswer,
    build_request,
    canonical_text,
    open_answer,
)
from quanheng.bridge.card.port import PlatformAnswerError, PlatformUnavailableError
from quanheng.bridge.card.protection import HmacSha1AesCbc, ProtectionError
from quanheng.bridge.settings import PlatformSettings

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PROTECTION = HmacSha1AesCbc(SIGNING_KEY.encode(), bytes.fromhex(ENCRYPTION_KEY))
MARK = "private-value"


@pytest.fixture
def settings(tmp_path: Path) -> PlatformSettings:
    """Of an adapter."""
    return platform_settings(tmp_path, "http://127.0.0.1/CSB/")


def answer(code: Any = "000000", *, at: datetime | None = NOW, **changes: Any) -> RawAnswer:
    """An answer that is signed rightly, then changed."""
    encrypt = PROTECTION.seal(json.dumps({"qrCode": MARK}).encode())
    parameters = {"msgCode": str(code), "msg": "成功", "encrypt": encrypt}
    headers: CIMultiDict[str] = CIMultiDict()
    if at is not None:
        headers["_api_timestamp"] = parameters["_api_timestamp"] = str(int(at.timestamp() * 1000))
    headers["_API_Signature"] = PROTECTION.sign(canonical_text(parameters))
    body = {"msgCode": code, "msg": "成功", "result": {"encrypt": encrypt}} | changes
    return RawAnswer(status=200, headers=headers, body=json.dumps(body).encode())


def raw(body: Any, status: int = 200) -> RawAnswer:
    """An answer without a signature."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RawAnswer(status=status, headers=CIMultiDict(), body=content)


def opened(raw_answer: RawAnswer, settings: PlatformSettings) -> OpenedAnswer:
    """The answer, opened now."""
    return open_answer(raw_answer, settings, PROTECTION, NOW)


def test_a_request_has_the_channels_headers(settings: PlatformSettings) -> None:
    """Signed over its headers and its body; the content cannot be read in it."""
    headers, body = build_request("service", {"systemName": "人社系统"}, settings, PROTECTION, NOW)
    sent = json.loads(body)
    assert set(sent) == {"security"}
    assert json.loads(PROTECTION.open(sent["security"])) == {"systemName": "人社系统"}
    named = ("_api_name", "_api_version", "_api_timestamp", "_api_access_key")
    parameters = {name: headers[name] for name in named} | sent
    assert parameters["_api_timestamp"] == str(int(NOW.timestamp()) * 1000)
    PROTECTION.verify(canonical_text(parameters), headers["_api_signature"])


def test_a_signed_answer_opens(settings: PlatformSettings) -> None:
    """With a timestamp and without, its code as text or as a number; and its repr shows nothing."""
    for good in (answer(), answer(at=None)):
        assert opened(good, settings).content == {"qrCode": MARK}
    assert MARK not in repr(opened(answer(), settings))
    numbers = settings.model_copy(update={"success_codes": ("0",)})
    assert opened(answer(0), numbers).code == "0"


@pytest.mark.parametrize(
    "changes", [{"msg": "改"}, {"result": {"encrypt": PROTECTION.seal(b"{}")}}, {"result": None}]
)
def test_a_changed_answer_is_refused(settings: PlatformSettings, changes: dict[str, Any]) -> None:
    """Mistake 4 of deployed code: whatever is signed cannot be changed, encrypted part included."""
    with pytest.raises(ProtectionError):
        opened(answer(**changes), settings)


def test_an_unsigned_answer_counts_only_where_the_settings_say_so(settings: PlatformSettings) -> None:
    """Not signing is not a way around the signature."""
    unsigned = raw(json.loads(answer().body))
    with pytest.raises(ProtectionError):
        opened(unsigned, settings)
    assert opened(unsigned, settings.model_copy(update={"answers_signed": False})).content is not None


def test_a_state_without_a_result_has_to_be_signed(settings: PlatformSettings) -> None:
    """Else anybody between could end a login."""
    states = settings.model_copy(update={"code_states": {"701": "expired"}})
    with pytest.raises(ProtectionError):
        opened(raw({"msgCode": "701", "msg": "过期"}), states)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_an_answer_of_another_time_is_refused(settings: PlatformSettings, minutes: int) -> None:
    """However well it is signed."""
    with pytest.raises(PlatformAnswerError, match="not of now"):
        opened(answer(at=NOW + timedelta(minutes=minutes)), settings)


def test_a_refusal_keeps_its_code_out_of_the_message(settings: PlatformSettings) -> None:
    """A short code is there for the trial; a long one could be anything."""
    for code, kept in (("700", "700"), ("700-140000190001010003", "")):
        with pytest.raises(PlatformRefusedError) as refused:
            opened(raw({"msgCode": code, "msg": MARK}), settings)
        assert refused.value.code == kept
        assert code not in str(refused.value)
        assert MARK not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00garbage",
        b"<html><body>login</body></html>",
        [],
        "text",
        1,
        {},
        {"msgCode": None},
        {"msgCode": True},
        {"msgCode": ["000000"]},
        {"msgCode": {"a": 1}},
        {"msgCode": 1.5},
        {"msgCode": "0 0"},
        {"msgCode": "000000", "result": []},
        {"msgCode": "000000", "result": {"encrypt": 5}},
        {"msgCode": "000000", "result": MARK},
        {"msgCode": "000000", "msg": ["x"]},
        {"msgCode": "000000", "msg": "\ud800"},
        b"[" * 50_000,
        b'{"msgCode":' + b"1" * 5000 + b"}",
    ],
)
def test_what_is_no_answer_is_an_answer_error(settings: PlatformSettings, body: Any) -> None:
    """Never another exception, and never a word of it in the message."""
    with pytest.raises(PlatformAnswerError) as refused:
        opened(raw(body), settings)
    assert MARK not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'"text"'])
def test_a_content_that_is_no_object_is_the_one_error(settings: PlatformSettings, content: bytes) -> None:
    """A wrong key shows only here once in 256 times: it must not look different."""
    encrypt = PROTECTION.seal(content)
    unsigned = settings.model_copy(update={"answers_signed": False})
    with pytest.raises(ProtectionError):
        opened(raw({"msgCode": "000000", "result": {"encrypt": encrypt}}), unsigned)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": 503, "csbCode": 503, "message": MARK, "requestId": "1"}, 200),
        ({"code": 503, "csbCode": 503, "message": MARK, "requestId": "1"}, 503),
        ({"code": "500", "message": MARK}, 200),
        (b"", 500),
        (b"", 502),
        (b"", 429),
    ],
)
def test_a_gateway_that_fails_is_unavailable(settings: PlatformSettings, body: Any, status: int) -> None:
    """Whether it says so by HTTP or inside 200."""
    with pytest.raises(PlatformUnavailableError) as failed:
        opened(raw(body, status), settings)
    assert MARK not in str(failed.value)


def test_a_gateway_that_refuses_is_not_unavailable(settings: PlatformSettings) -> None:
    """A wrong key does not mend itself."""
    with pytest.raises(PlatformRefusedError) as refused:
        opened(raw({"code": 403, "csbCode": 403, "message": "x"}, 403), settings)
    assert refused.value.code == "403"
    with pytest.raises(PlatformAnswerError, match="HTTP status"):
        opened(raw({"msgCode": "000000"}, 404), settings)
