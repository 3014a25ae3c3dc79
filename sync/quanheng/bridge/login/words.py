"""What the pages say, in simplified Chinese and in English.

A refusal never says a name or a number. An account that is frozen is told with the same words whatever it is
frozen for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from quanheng.bridge.login.waiting import Notice
from quanheng.bridge.values import Locale, Login, LoginState, RefusalReason
from quanheng.printable import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language. ``{…}`` are filled in."""

    tag: str
    """Of the language (BCP 47)."""
    other: Locale
    other_tag: str
    other_name: str
    title: str
    asks: str
    steps: tuple[str, str]
    code_label: str
    countdown: tuple[str, str]
    """Before and after the seconds."""
    origin: str
    unknown_browser: str
    warning: str
    phone_step: str
    phone_open: str
    phone_hint: str
    new_code: str
    another_card: str
    cancel: str
    go_back: str
    go_on: str
    going_back: str
    going_back_link: str
    contact: str
    no_more_codes: str
    states: Mapping[LoginState, str]
    hints: Mapping[LoginState, str]
    notices: Mapping[Notice, str]
    over: str
    refusals: Mapping[RefusalReason, str]
    ask_card_office: str
    ask_office: str
    ask_nobody: str
    begin_again: str
    gone_title: str
    gone: str
    unusable_title: str
    unusable: str
    slow_down_title: str
    slow_down: str
    full_title: str
    full: str
    again: str
    fault_title: str
    fault: str
    not_found_title: str
    not_found: str
    forged_title: str
    forged: str
    goodbye_title: str
    goodbye: str
    home_title: str
    home: str


_CARD: Final = frozenset(
    {
        RefusalReason.CARD_SEALED,
        RefusalReason.CARD_LOST,
        RefusalReason.CARD_LOCKED,
        RefusalReason.CARD_CANCELLED,
        RefusalReason.CARD_UNUSABLE,
    }
)

ZH: Final = Words(
    tag="zh-CN",
    other="en",
    other_tag="en",
    other_name="English",
    title="电子社保卡扫码登录",
    asks="请您用电子社保卡扫码登录",
    steps=("在手机上打开“电子社保卡”，点“扫一扫”", "扫描二维码，手机上显示“{system}”的，再点“确认”"),
    code_label="登录二维码，请用手机上的电子社保卡扫描",
    countdown=("二维码还有", "秒失效"),
    origin="本次登录由 {address}（{browser}）于 {time} 发起",
    unknown_browser="未知浏览器",
    warning="只扫描自己电脑上打开的二维码。别人发来的二维码不要扫：一经确认，就是让别人用您的身份登录。",
    phone_step="点“打开电子社保卡”，显示“{system}”的，再点“确认”",
    phone_open="打开电子社保卡",
    phone_hint="手机不能扫描自己屏幕上的二维码。请在电脑上登录，或用另一部手机扫描。",
    new_code="刷新二维码",
    another_card="重新扫码",
    cancel="取消登录",
    go_back="返回业务系统",
    go_on="进入系统",
    going_back="正在返回业务系统…",
    going_back_link="没有自动返回的，请点这里",
    contact="技术支持：{contact}",
    no_more_codes="二维码已刷新多次，不能再刷新。请返回业务系统重新登录。",
    states={
        LoginState.PREPARING: "正在生成二维码…",
        LoginState.WAITING: "请用电子社保卡扫码",
        LoginState.SCANNED: "已扫描，请在手机上确认",
        LoginState.ACCEPTED: "已确认，正在进入系统…",
        LoginState.DONE: "本次登录已完成",
        LoginState.REFUSED: "不能登录",
        LoginState.CANCELLED: "登录已取消",
        LoginState.EXPIRED: "二维码已失效",
    },
    hints={
        LoginState.PREPARING: "一般只需要一两秒。",
        LoginState.SCANNED: "请核对手机上显示的系统名称，确认后本页自动进入系统。",
        LoginState.ACCEPTED: "没有自动进入的，请点下面的按钮。",
        LoginState.DONE: "一次扫码只能登录一次。请回到业务系统；需要再次登录的，从业务系统重新进入。",
        LoginState.CANCELLED: "需要登录的，请刷新二维码重新扫描。",
        LoginState.EXPIRED: "为了安全，二维码只在短时间内有效。请刷新后重新扫描。",
    },
    notices={
        Notice.UNAVAILABLE: "电子社保卡平台暂时没有回应，正在重试",
        Notice.UNUSABLE: "电子社保卡平台的答复有误，正在重试",
        Notice.BUSY: "系统暂时繁忙，正在重试",
    },
    over="登录时间已过，请返回业务系统重新登录。",
    refusals={
        RefusalReason.CARD_SEALED: "您的社会保障卡处于封存状态，不能用来登录。",
        RefusalReason.CARD_LOST: "您的社会保障卡已挂失，不能用来登录。",
        RefusalReason.CARD_LOCKED: "您的社会保障卡应用已锁定，不能用来登录。",
        RefusalReason.CARD_CANCELLED: "您的社会保障卡已注销，不能用来登录。",
        RefusalReason.CARD_UNUSABLE: "您的社会保障卡目前不能用来登录。",
        RefusalReason.UNKNOWN: "系统中没有您的账号。",
        RefusalReason.IN_DOUBT: "您的身份信息正在核实，暂时不能登录。",
        RefusalReason.DRAFT: "您的账号尚未启用。",
        RefusalReason.INACTIVE: "您的账号因长期未登录已停用。",
        RefusalReason.ABSENT: "按人事信息您目前不在岗，账号已停用。",
        RefusalReason.LEFT: "按人事信息您已离岗，账号已停用。",
        RefusalReason.ACCOUNT_EXPIRED: "您的账号是临时账号，没有有效的使用期限，已停用。",
        RefusalReason.FROZEN: "您的账号已冻结，暂时不能登录。",
        RefusalReason.ANSWER: "电子社保卡平台没有给出可用的信息，这次不能登录。",
    },
    ask_card_office="请联系发卡地的社会保障卡经办机构，或拨打 12333 咨询。",
    ask_office="请联系{office}的账号管理员。",
    ask_nobody="请联系本单位的账号管理员。",
    begin_again="请返回业务系统，重新点“登录”。",
    gone_title="找不到这次登录",
    gone="这次登录不是在这个浏览器中发起的，或者已经过期。",
    unusable_title="登录请求有误",
    unusable="业务系统发来的登录请求不能使用。再次出现的，请告知该系统的管理员。",
    slow_down_title="请求过于频繁",
    slow_down="请等待 {seconds} 秒后再试。",
    full_title="登录的人太多",
    full="同时登录的人数已到上限，请过 {seconds} 秒再试。",
    again="再试一次",
    fault_title="系统出错了",
    fault="刚才的操作没有完成，请稍后再试。",
    not_found_title="没有这个页面",
    not_found="请检查地址，或从业务系统重新进入。",
    forged_title="操作没有执行",
    forged="这个操作不是从登录页面发出的。请回到登录页面再试。",
    goodbye_title="已退出登录",
    goodbye="本系统不保留登录状态，下次登录需要重新扫码。公用电脑请关闭浏览器。",
    home_title="统一身份认证",
    home="请从业务系统进入登录。",
)

EN: Final = Words(
    tag="en",
    other="zh",
    other_tag="zh-CN",
    other_name="中文",
    title="Log in with the electronic social security card",
    asks="asks you to log in with your electronic social security card",
    steps=(
        "On your phone open 电子社保卡 (electronic social security card) and choose 扫一扫 (scan)",
        "Scan the code; when your phone says “{system}”, confirm",
    ),
    code_label="Login code: scan it with the electronic social security card on your phone",
    countdown=("This code ends in", "seconds"),
    origin="This login was begun from {address} ({browser}) at {time}",
    unknown_browser="unknown browser",
    warning=(
        "Scan only a code on your own computer. Never scan one that somebody sent you: "
        "confirming it lets them in as you."
    ),
    phone_step="Use the button; when the card's app says “{system}”, confirm",
    phone_open="Open 电子社保卡",
    phone_hint="A phone cannot scan its own screen. Log in on a computer, or scan with another phone.",
    new_code="New code",
    another_card="Scan again",
    cancel="Cancel",
    go_back="Back to the system",
    go_on="Continue",
    going_back="Going back to the system…",
    going_back_link="If nothing happens, follow this link",
    contact="Support: {contact}",
    no_more_codes="There were several codes already. Go back to the system and log in again.",
    states={
        LoginState.PREPARING: "Making a code…",
        LoginState.WAITING: "Scan with the electronic social security card",
        LoginState.SCANNED: "Scanned. Please confirm on your phone",
        LoginState.ACCEPTED: "Confirmed. Opening the system…",
        LoginState.DONE: "This login is finished",
        LoginState.REFUSED: "You cannot log in",
        LoginState.CANCELLED: "The login was cancelled",
        LoginState.EXPIRED: "The code has expired",
    },
    hints={
        LoginState.PREPARING: "This takes a second or two.",
        LoginState.SCANNED: "Check the name of the system on your phone. This page goes on by itself.",
        LoginState.ACCEPTED: "If nothing happens, use the button.",
        LoginState.DONE: "One scan logs in once. Go back to the system; to log in again, begin there.",
        LoginState.CANCELLED: "To log in, ask for a new code and scan it.",
        LoginState.EXPIRED: "Codes are valid for a short time only. Ask for a new one and scan it.",
    },
    notices={
        Notice.UNAVAILABLE: "The card platform does not answer at the moment. Trying again",
        Notice.UNUSABLE: "The card platform's answer is faulty. Trying again",
        Notice.BUSY: "The system is busy. Trying again",
    },
    over="The time for this login is over. Go back to the system and log in again.",
    refusals={
        RefusalReason.CARD_SEALED: "Your social security card is sealed and cannot be used to log in.",
        RefusalReason.CARD_LOST: "Your social security card is reported lost and cannot be used to log in.",
        RefusalReason.CARD_LOCKED: "Your social security card is locked and cannot be used to log in.",
        RefusalReason.CARD_CANCELLED: "Your social security card is cancelled and cannot be used to log in.",
        RefusalReason.CARD_UNUSABLE: "Your social security card cannot be used to log in at present.",
        RefusalReason.UNKNOWN: "You have no account in this system.",
        RefusalReason.IN_DOUBT: "Your identity is being checked. You cannot log in for now.",
        RefusalReason.DRAFT: "Your account is not enabled yet.",
        RefusalReason.INACTIVE: "Your account was not used for a long time and is disabled.",
        RefusalReason.ABSENT: "According to personnel you are away from your post. Your account is disabled.",
        RefusalReason.LEFT: "According to personnel you have left your post. Your account is disabled.",
        RefusalReason.ACCOUNT_EXPIRED: "Your account is for a limited time that is over. It is disabled.",
        RefusalReason.FROZEN: "Your account is frozen. You cannot log in for now.",
        RefusalReason.ANSWER: "The card platform gave no usable answer. You cannot log in this time.",
    },
    ask_card_office="Ask the office that issued your card, or call 12333.",
    ask_office="Ask the account administrator of {office}.",
    ask_nobody="Ask the account administrator of your office.",
    begin_again="Go back to the system and log in again.",
    gone_title="No such login",
    gone="This login was not begun in this browser, or its time is over.",
    unusable_title="Faulty login request",
    unusable="The system sent a login request that cannot be used. Should it happen again, tell its owner.",
    slow_down_title="Too many requests",
    slow_down="Please wait {seconds} seconds and try again.",
    full_title="Too many people are logging in",
    full="The number of logins at once is limited. Please try again in {seconds} seconds.",
    again="Try again",
    fault_title="Something went wrong",
    fault="That was not completed. Please try again later.",
    not_found_title="No such page",
    not_found="Check the address, or begin at the system.",
    forged_title="Nothing was done",
    forged="That did not come from the login page. Go back to the login page and try again.",
    goodbye_title="Logged out",
    goodbye="Nothing of your login is kept here; the next one needs a new scan. On a shared computer, "
    "close the browser.",
    home_title="Identity service",
    home="Begin at the system that you want to log in to.",
)

WORDS: Final[Mapping[Locale, Words]] = {"zh": ZH, "en": EN}


def status_of(words: Words, login: Login, notice: Notice) -> str:
    """What is announced when the page changes, in one sentence."""
    if notice:
        return words.notices[notice]
    if login.state is LoginState.REFUSED and login.refusal is not None:
        return words.refusals[login.refusal]
    return words.states[login.state]


def whom_to_ask(words: Words, login: Login) -> str:
    """Who can help somebody who was refused."""
    if login.refusal in _CARD:
        return words.ask_card_office
    if login.office:
        return words.ask_office.format(office=printable(login.office))
    return words.ask_nobody
