"""Try the card platform with one card, step by step, for whoever connects it: ``quanheng bridge try``.

Nobody is logged in and nothing is stored. What is shown of the card is masked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from quanheng.bridge.card.messages import PlatformRefusedError
from quanheng.bridge.card.national import NationalPlatform
from quanheng.bridge.card.port import CardPlatform, PlatformAnswerError, PlatformUnavailableError
from quanheng.bridge.settings import PlatformSettings
from quanheng.bridge.values import Card, ScanState
from quanheng.errors import QuanhengError
from quanheng.model.sensitive import Sensitive


class TrialStep(StrEnum):
    """The steps, in their order."""

    MAKE_CODE = "make_code"
    SCAN = "scan"
    IDENTIFY = "identify"


STEP_LABELS: Final = {
    TrialStep.MAKE_CODE: "取二维码",
    TrialStep.SCAN: "等待手机扫描、确认",
    TrialStep.IDENTIFY: "按卡号查询持卡人",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """How one step went. Nothing in it says who somebody is."""

    step: TrialStep
    good: bool
    seconds: float
    """How long it took, waiting for a person included."""
    told: str
    """What there is to know, in Chinese."""
    remedy: str = ""
    """What to do; empty where it went well."""
    platform_code: str = ""
    """The platform's own error code, for its operator; empty where it gave none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How far a trial came; the last step is the one that failed, if one did."""

    steps: tuple[StepResult, ...]

    @property
    def good(self) -> bool:
        """Whether every step went well, and the card may log in."""
        return len(self.steps) == len(TrialStep) and all(step.good for step in self.steps)


class _FailedError(Exception):
    """A step did not go well; holds its result."""

    def __init__(self, result: StepResult) -> None:
        super().__init__(result.step)
        self.result: Final = result


async def try_platform(
    settings: PlatformSettings,
    wait_seconds: float,
    *,
    show_code: Callable[[str], None],
    tell: Callable[[StepResult], None] = lambda _result: None,
    platform: CardPlatform | None = None,
) -> Trial:
    """Make a code, wait until somebody confirms it, look the card up.

    ``show_code`` gets the text of the QR code as soon as there is one; ``tell`` gets every step at its end.
    ``wait_seconds``: how long to wait for the phone, after which the trial has failed. ``platform``: None for
    the one of the settings. What the platform does wrong is in the result, not raised.

    Raises :class:`~quanheng.errors.ConfigurationError` when a key file cannot be used.
    """
    tried = platform or NationalPlatform(settings)
    steps: list[StepResult] = []

    def note(result: StepResult) -> None:
        steps.append(result)
        tell(result)

    try:
        code = await _make_code(tried, note)
        show_code(code)
        card_number = await _wait(tried, code, settings.poll_seconds, wait_seconds, note)
        await _identify(tried, card_number, note)
    except _FailedError as failed:
        note(failed.result)
    finally:
        if platform is None:
            await tried.close()
    return Trial(steps=tuple(steps))


async def _make_code(platform: CardPlatform, note: Callable[[StepResult], None]) -> str:
    begun = time.monotonic()
    try:
        code = await platform.make_code()
    except (PlatformUnavailableError, PlatformAnswerError) as error:
        raise _failed(TrialStep.MAKE_CODE, begun, error) from None
    note(_went_well(TrialStep.MAKE_CODE, begun, f"得到二维码，内容 {len(code)} 个字符"))
    return code


async def _wait(
    platform: CardPlatform,
    code: str,
    pause: float,
    wait_seconds: float,
    note: Callable[[StepResult], None],
) -> Sensitive:
    begun, asked, scanned = time.monotonic(), 0, False
    while True:
        try:
            answer = await platform.ask(code)
        except (PlatformUnavailableError, PlatformAnswerError) as error:
            raise _failed(TrialStep.SCAN, begun, error) from None
        asked += 1
        scanned = scanned or answer.state is ScanState.SCANNED
        if answer.state is ScanState.CONFIRMED and answer.essc_no is not None:
            seen = "见到“已扫描”状态" if scanned else "未见到“已扫描”状态（确认得快，或平台没有此状态）"
            note(_went_well(TrialStep.SCAN, begun, f"已确认，查询 {asked} 次，{seen}"))
            return answer.essc_no
        if answer.state is ScanState.CANCELLED:
            raise _ended(begun, "手机上已取消", "重新运行，并在手机上确认")
        if answer.state is ScanState.EXPIRED:
            raise _ended(
                begun,
                f"二维码在 {time.monotonic() - begun:.0f} 秒后过期，查询 {asked} 次",
                "没有扫描就立即过期的，平台不认识这个二维码：核对 services.ask、fields.qr_code 和 states",
            )
        if time.monotonic() - begun + pause > wait_seconds:
            raise _ended(
                begun,
                f"{wait_seconds:.0f} 秒内没有确认，查询 {asked} 次，" + ("已扫描" if scanned else "未见扫描"),
                "手机上确认过的，平台的状态值或字段名与设置不同：核对 fields.state、fields.essc_no 和 states",
            )
        await asyncio.sleep(pause)


async def _identify(
    platform: CardPlatform, card_number: Sensitive, note: Callable[[StepResult], None]
) -> None:
    begun = time.monotonic()
    try:
        card = await platform.identify(card_number)
    except (PlatformUnavailableError, PlatformAnswerError) as error:
        raise _failed(TrialStep.IDENTIFY, begun, error) from None
    if not card.usable:
        raise _FailedError(
            StepResult(
                step=TrialStep.IDENTIFY,
                good=False,
                seconds=time.monotonic() - begun,
                told=f"查到持卡人，但卡状态 {card.status or '缺失'} 不能登录：{_describe(card)}",
                remedy="换一张正常的卡；卡本来正常的，核对 fields.card_status 和 usable_card_states",
            )
        )
    note(_went_well(TrialStep.IDENTIFY, begun, _describe(card)))


def _describe(card: Card) -> str:
    name, number = card.name.reveal(), card.document.number.reveal()
    masked = f"{number[:4]}{'*' * (len(number) - 6)}{number[-2:]}" if len(number) > 10 else "*" * len(number)
    return (
        f"{name[:1]}{'*' * (len(name) - 1)}，证件 {card.document.kind.value} {masked}，"
        f"发卡地区 {card.region or '缺失'}，卡状态 {card.status or '缺失'}"
    )


def _went_well(step: TrialStep, begun: float, told: str) -> StepResult:
    return StepResult(step=step, good=True, seconds=time.monotonic() - begun, told=told)


def _ended(begun: float, told: str, remedy: str) -> _FailedError:
    seconds = time.monotonic() - begun
    return _FailedError(
        StepResult(step=TrialStep.SCAN, good=False, seconds=seconds, told=told, remedy=remedy)
    )


def _failed(step: TrialStep, begun: float, error: QuanhengError) -> _FailedError:
    code = error.code if isinstance(error, PlatformRefusedError) else ""
    return _FailedError(
        StepResult(
            step=step,
            good=False,
            seconds=time.monotonic() - begun,
            told=str(error.args[0]),
            remedy=error.remedy,
            platform_code=code,
        )
    )
