"""The simulator's own checks, its control, its phone page and its people, over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from fixtures.card_platform import (
    ENCRYPTION_KEY,
    SIGNING_KEY,
    SYSTEM_NAME,
    RunningSimulator,
    platform_settings,
    run_simulator,
)
from fixtures.identities import a_mint
from quanheng.bridge.card.messages import build_request
from quanheng.bridge.card.national import NationalPlatform
from quanheng.bridge.card.protection import HmacSha1AesCbc
from quanheng.errors import ConfigurationError
from quanheng.simulator.app import create_simulator
from quanheng.simulator.people import odd_people, read_people
from quanheng.simulator.settings import SimulatorSettings

PROTECTION: Final = HmacSha1AesCbc(SIGNING_KEY.encode(), bytes.fromhex(ENCRYPTION_KEY))
NUMBER: Final = a_mint().resident_number()
_SECONDS: Final = 15


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """Refuses replays; odd people and one more."""
    with run_simulator(refuse_replays=True) as running:
        running.post("people", id="somebody", name="王测试", document_number=NUMBER, label="忻府区 操作员")
        yield running


def ask(
    simulator: RunningSimulator,
    folder: Path,
    *,
    ago: float = 0,
    changes: dict[str, str] | None = None,
    body: bytes | None = None,
    signing_key: str = SIGNING_KEY,
    service: str = "qrcode_channel_encrypt",
) -> requests.Response:
    """A request for a code, rightly made, then changed."""
    protection = HmacSha1AesCbc(signing_key.encode(), bytes.fromhex(ENCRYPTION_KEY))
    settings = platform_settings(folder, simulator.url)
    content = {"channelNo": "channel", "accessNo": "access", "systemName": SYSTEM_NAME}
    now = datetime.fromtimestamp(time.time() - ago, UTC)
    headers, good = build_request(service, content, settings, protection, now)
    return requests.post(
        simulator.url,
        headers=headers | (changes or {}),
        data=good if body is None else body,
        timeout=_SECONDS,
    )


def code_of(simulator: RunningSimulator, folder: Path) -> str:
    """A new code."""
    answer = ask(simulator, folder).json()
    assert answer["msgCode"] == "000000"
    code = json.loads(PROTECTION.open(answer["result"]["encrypt"]))["qrCode"]
    assert isinstance(code, str)
    return code


@pytest.mark.parametrize(
    "wrong",
    [
        {"signing_key": "another"},
        {"changes": {"_api_signature": ""}},
        {"changes": {"_api_access_key": "another"}},
        {"changes": {"_api_version": "2.0.0"}},
        {"changes": {"_api_timestamp": "soon"}},
        {"changes": {"_api_name": "qrcode_channel_query_encrypt"}},
        {"ago": 400},
        {"ago": -400},
        {"body": b"{}"},
        {"body": b"[]"},
        {"body": b"\xff"},
        {"body": b'{"security": "AAAA"}'},
    ],
)
def test_a_wrong_request_gets_nothing(
    simulator: RunningSimulator, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    """Signature, clock, access key, body: the gateway's error, and no code is made."""
    before = len(simulator.get("codes"))
    answer = ask(simulator, tmp_path, **wrong)
    assert answer.status_code in (400, 403)
    assert answer.json()["csbCode"] == answer.status_code
    assert len(simulator.get("codes")) == before


def test_a_request_that_came_before_is_refused(simulator: RunningSimulator, tmp_path: Path) -> None:
    """The very same bytes; the next one of the same kind is another."""
    settings = platform_settings(tmp_path, simulator.url)
    content = {"channelNo": "channel", "accessNo": "access", "systemName": SYSTEM_NAME}
    headers, body = build_request(
        settings.services.make_code, content, settings, PROTECTION, datetime.now(UTC)
    )
    codes = [
        requests.post(simulator.url, headers=headers, data=body, timeout=_SECONDS).status_code for _ in "12"
    ]
    assert codes == [200, 403]
    assert ask(simulator, tmp_path).status_code == 200


def test_an_unknown_service_is_refused(simulator: RunningSimulator, tmp_path: Path) -> None:
    """With the platform's code, not the gateway's."""
    assert ask(simulator, tmp_path, service="another").json()["msgCode"] == "700"


def test_the_newest_code_comes_first(simulator: RunningSimulator, tmp_path: Path) -> None:
    """With the name of the system, its age and its state."""
    older, newer = code_of(simulator, tmp_path), code_of(simulator, tmp_path)
    listed = simulator.get("codes")
    assert [item["code"] for item in listed[:2]] == [newer, older]
    assert (listed[0]["system_name"], listed[0]["state"]) == (SYSTEM_NAME, "waiting")
    assert 0 <= listed[0]["age_seconds"] < 60


def test_a_final_state_stays_final(simulator: RunningSimulator, tmp_path: Path) -> None:
    """Whatever the control is asked to do next."""
    for end in ("cancel", "expire", "confirm"):
        code = code_of(simulator, tmp_path)
        simulator.post(end, code=code, **({"person": "somebody"} if end == "confirm" else {}))
        state = simulator.get("codes")[0]["state"]
        for again in ("scan", "confirm", "cancel", "expire"):
            answer = requests.post(
                f"{simulator.origin}/control/{again}",
                json={"code": code, "person": "somebody"},
                timeout=_SECONDS,
            )
            assert answer.status_code == 409
        assert simulator.get("codes")[0]["state"] == state


def test_confirming_takes_whoever_scanned(simulator: RunningSimulator, tmp_path: Path) -> None:
    """And nobody who did not: a code that no one scanned needs a person."""
    code = code_of(simulator, tmp_path)
    url = f"{simulator.origin}/control/confirm"
    assert requests.post(url, json={"code": code}, timeout=_SECONDS).status_code == 409
    assert requests.post(url, json={"code": code, "person": "nobody"}, timeout=_SECONDS).status_code == 409
    simulator.post("scan", code=code, person="somebody")
    assert simulator.post("confirm", code=code) == {"state": "confirmed"}


def test_the_control_is_not_for_other_sites(simulator: RunningSimulator) -> None:
    """A page that somebody has open cannot confirm."""
    for origin, status in (("https://evil.invalid", 403), ("null", 403), (simulator.origin, 200)):
        answer = requests.get(
            f"{simulator.origin}/control/codes", headers={"Origin": origin}, timeout=_SECONDS
        )
        assert answer.status_code == status
    form = requests.post(f"{simulator.origin}/control/scan", data={"code": "x"}, timeout=_SECONDS)
    assert form.status_code == 409


def test_people_are_shown_masked(simulator: RunningSimulator) -> None:
    """On the page and to programs; the number itself nowhere, and it finds nobody."""
    (found,) = simulator.get("people?query=忻府区 王测试")
    shown = found["document"]
    assert (shown[:4], shown[-2:], set(shown[4:-2])) == (NUMBER[:4], NUMBER[-2:], {"*"})
    page = requests.get(f"{simulator.origin}/phone?query=忻府区", timeout=_SECONDS).text
    assert "王测试" in page
    assert NUMBER not in page
    assert simulator.get(f"people?query={NUMBER}") == []


def test_the_phones_form_is_not_for_other_sites(simulator: RunningSimulator, tmp_path: Path) -> None:
    """Without the token of the page nothing happens; with it the code is confirmed."""
    code = code_of(simulator, tmp_path)
    url = f"{simulator.origin}/phone"
    form = {"code": code, "person": "somebody", "do": "confirm"}
    for token in ("", "x", "é"):
        refused = requests.post(url, data=form | {"token": token}, timeout=_SECONDS)
        assert refused.status_code == 403
    assert simulator.get("codes")[0]["state"] == "waiting"
    page = requests.get(url, params={"code": code, "person": "somebody"}, timeout=_SECONDS)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert f"{SYSTEM_NAME}</strong> 请求登录" in page.text
    (token,) = set(re.findall(r'name="token" value="([0-9a-f]+)"', page.text))
    done = requests.post(url, data=form | {"token": token}, timeout=_SECONDS, allow_redirects=False)
    assert done.status_code == 303
    assert simulator.get("codes")[0]["state"] == "confirmed"


def test_names_are_text_on_the_page(simulator: RunningSimulator) -> None:
    """Of people and of whoever asks."""
    simulator.post("people", id="marked", name="<b>粗</b>", document_number="x", label="<script>")
    page = requests.get(f"{simulator.origin}/phone?query=marked", timeout=_SECONDS).text
    assert "<b>粗" not in page
    assert "<script>" not in page


def test_faults_are_counted_down(simulator: RunningSimulator, tmp_path: Path) -> None:
    """The next so many requests of a service, and then everything works."""
    simulator.fault("out_of_order", service="qrcode_channel_encrypt", times=2)
    try:
        assert [ask(simulator, tmp_path).status_code for _ in range(3)] == [503, 503, 200]
        assert simulator.get("faults") == []
        url = f"{simulator.origin}/control/faults"
        for wrong in ({}, {"faults": [{"kind": "none"}]}, {"faults": [{"kind": "delay", "times": 0}]}):
            assert requests.put(url, json=wrong, timeout=_SECONDS).status_code == 409
    finally:
        simulator.mend()


def test_a_people_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """And every mistake in it is told by its place, never by its value."""
    file = tmp_path / "people.json"
    file.touch(mode=0o600)
    good = {"id": "a", "name": "王测试", "document_number": NUMBER}
    file.write_text(json.dumps([good]))
    assert [person.name for person in read_people(file)] == ["王测试"]
    create_simulator(SimulatorSettings(people_file=file))
    for wrong in (
        "{",
        "{}",
        json.dumps([NUMBER]),
        json.dumps([good | {"surprise": NUMBER}]),
        json.dumps([good | {"document_kind": NUMBER}]),
        json.dumps([good | {"region": 140900}]),
        json.dumps([{"id": "a", "document_number": NUMBER}]),
    ):
        file.write_text(wrong)
        with pytest.raises(ConfigurationError) as refused:
            read_people(file)
        assert NUMBER not in str(refused.value)
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others"):
        read_people(file)


def test_odd_people_have_valid_numbers_that_nobody_has() -> None:
    """A card in each status but the normal one, and a normal one of somebody unknown."""
    statuses = [person.card_status for person in odd_people()]
    assert sorted(statuses) == ["0", "1", "2", "3", "4", "9"]
    assert {person.document_number[:6] for person in odd_people()} == {"140000"}


def test_autopilot(tmp_path: Path) -> None:
    """Everybody with a good card confirms in turn, as themselves; switched off, nobody does."""
    mint = a_mint()
    people = {"a": mint.resident_number(), "b": mint.resident_number()}
    with run_simulator() as running:
        for name, number in people.items():
            running.post("people", id=name, name="王测试", document_number=number)
        put = partial(requests.put, f"{running.origin}/control/autopilot", timeout=_SECONDS)
        assert put(json={"on": "yes"}).status_code == 409
        assert put(json={"on": True}).json() == {"on": True}

        async def log_in(times: int) -> list[str]:
            platform = NationalPlatform(platform_settings(tmp_path, running.url))
            found = []
            for _ in range(times):
                answer = await platform.ask(await platform.make_code())
                if answer.essc_no is not None:
                    found.append((await platform.identify(answer.essc_no)).document.number.reveal())
            await platform.close()
            return found

        stranger = next(person for person in odd_people() if person.card_status == "1")
        assert sorted(asyncio.run(log_in(6))) == sorted([*people.values(), stranger.document_number] * 2)
        put(json={"on": False})
        assert asyncio.run(log_in(1)) == []
