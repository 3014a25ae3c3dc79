"""Trying the platform step by step, as 'quanheng bridge try' does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from fixtures.card_platform import RunningSimulator, platform_settings, run_simulator
from fixtures.identities import a_mint
from quanheng.operations.trying_platform import StepResult, Trial, TrialStep, try_platform

pytestmark = pytest.mark.anyio

NUMBER: Final = a_mint().resident_number()
NAME: Final = "王测试"


@pytest.fixture
def anyio_backend() -> str:
    """The adapter is for asyncio alone."""
    return "asyncio"


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """With somebody who has a good card."""
    with run_simulator() as running:
        running.post("people", id="somebody", name=NAME, document_number=NUMBER, region="140902")
        yield running


async def attempt(simulator: RunningSimulator, folder: Path, phone: Any, **changes: Any) -> Trial:
    """A trial in which the phone does something with the code as soon as it is shown."""
    settings = platform_settings(folder, simulator.url, **({"poll_seconds": 0.5} | changes))
    told: list[StepResult] = []
    trial = await try_platform(settings, 2, show_code=phone, tell=told.append)
    assert tuple(told) == trial.steps
    for secret in (NUMBER, NAME, "a-signing-key"):
        assert secret not in repr(trial)
    return trial


async def test_a_good_trial_says_what_came_masked(simulator: RunningSimulator, tmp_path: Path) -> None:
    """Three steps; of the card enough to know that it is the right one."""
    trial = await attempt(
        simulator, tmp_path, lambda code: simulator.post("confirm", code=code, person="somebody")
    )
    assert trial.good
    assert [step.step for step in trial.steps] == list(TrialStep)
    last = trial.steps[-1].told
    assert last.startswith("王**，证件 resident_id ")
    assert f"{NUMBER[:4]}{'*' * 12}{NUMBER[-2:]}" in last
    assert "140902" in last


@pytest.mark.parametrize("what", ["cancel", "expire", "scan", "nothing"])
async def test_a_scan_that_comes_to_nothing_says_why(
    simulator: RunningSimulator, tmp_path: Path, what: str
) -> None:
    """Cancelled, expired, scanned and no more, not scanned at all; each with what to do."""

    def phone(code: str) -> None:
        if what != "nothing":
            simulator.post(what, code=code, **({"person": "somebody"} if what == "scan" else {}))

    trial = await attempt(simulator, tmp_path, phone)
    assert not trial.good
    last = trial.steps[-1]
    assert (last.step, last.good) == (TrialStep.SCAN, False)
    assert {"cancel": "取消", "expire": "过期", "scan": "已扫描", "nothing": "未见扫描"}[what] in last.told
    assert last.remedy


async def test_a_wrong_key_ends_at_the_first_step(simulator: RunningSimulator, tmp_path: Path) -> None:
    """With the platform's code for its operator, and without a code to show."""
    settings = platform_settings(tmp_path, simulator.url)
    settings.signing_key_file.write_text("another")
    shown: list[str] = []
    trial = await try_platform(settings, 2, show_code=shown.append)
    (only,) = trial.steps
    assert (only.step, only.good, only.platform_code) == (TrialStep.MAKE_CODE, False, "403")
    assert "key" in only.remedy
    assert shown == []


async def test_a_card_that_is_not_normal_is_no_success(simulator: RunningSimulator, tmp_path: Path) -> None:
    """It is found, and its status is told."""
    trial = await attempt(
        simulator, tmp_path, lambda code: simulator.post("confirm", code=code, person="odd-2")
    )
    assert not trial.good
    assert "卡状态 2 不能登录" in trial.steps[-1].told


async def test_a_platform_out_of_order_is_told(simulator: RunningSimulator, tmp_path: Path) -> None:
    """At the step at which it happens."""

    def phone(code: str) -> None:
        simulator.post("confirm", code=code, person="somebody")
        simulator.fault("out_of_order", service="essc_person_query_encrypt")

    trial = await attempt(simulator, tmp_path, phone)
    last = trial.steps[-1]
    assert (last.step, last.good) == (TrialStep.IDENTIFY, False)
    assert "out of order" in last.told
