"""What ``approve`` and ``reject`` share: who decides, and what exactly."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

from cyclopts import Parameter
from rich.console import Console

from quanheng.cli.asking import confirm
from quanheng.cli.labels import PROPOSAL_STATES
from quanheng.cli.proposals import print_proposals, proposal_payload
from quanheng.cli.session import Session
from quanheng.errors import ConfigurationError, RefusedError
from quanheng.keycloak.login import AuthenticatedPerson, authenticate_person
from quanheng.model.person import Proposal, ProposalKind
from quanheng.operations.approve import decide_all, read_proposals
from quanheng.operations.lifecycle.lifting import HANDLED, AccountNow, accounts_after

_START_SECONDS: Final = 10.0


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is decided when no keys are named, and how."""

    area: str | None = None
    """Everything that waits in this area; it is listed first. Never includes an unsafe plan."""
    post: str | None = None
    """With --area, only this post."""
    yes: Annotated[bool, Parameter(negative=())] = False
    """Do not ask whether the list is right."""
    open_with: str | None = None
    """Program that is given the address to log in at; otherwise the address is shown."""


def decide_chosen(session: Session, named: Sequence[str], choice: Choice, *, approve: bool) -> None:
    """Have a person log in, decide the proposals that were meant as that person, and report."""
    keys = _choose(session, named, choice)
    if not keys:
        raise ConfigurationError(
            "no proposal is named", remedy="copy keys from 'quanheng proposals', or name an area with --area"
        )
    person = authenticate(session, choice.open_with)
    done = decide_all(session.context, list(dict.fromkeys(keys)), person, approve=approve)
    accounts = accounts_after(session.context, done.people)
    payload = {
        "decided_by": str(person.username),
        "proposals": [proposal_payload(item) for item in done.proposals],
        "accounts": [
            {"username": str(item.username), "enabled": item.enabled, "why": item.why} for item in accounts
        ],
    }
    session.report(payload, lambda out: _tell(out, str(person.username), done.proposals, accounts))


def _tell(out: Console, who: str, decided: Sequence[Proposal], accounts: Sequence[AccountNow]) -> None:
    state = PROPOSAL_STATES[decided[0].state]
    later = any(item.kind not in HANDLED for item in decided)
    out.print(
        f"{who}：{state} {len(decided):,} 项。"
        + ("下次同步（quanheng sync）时生效；超限计划须运行 quanheng apply --digest。" if later else "")
    )
    for item in accounts:
        off = f"停用（{item.why}）" if item.why else "尚未启用，值守进程或下次同步（quanheng sync）时处理"
        on = "启用" if not item.why else f"尚未停用（{item.why}），值守进程或下次同步（quanheng sync）时处理"
        out.print(f"{item.username}：账号现为{on if item.enabled else off}。")


def _choose(session: Session, keys: Sequence[str], choice: Choice) -> list[str]:
    """The keys that were meant."""
    area, post = choice.area, choice.post
    if keys and area is not None:
        raise ConfigurationError("keys and --area are given both", remedy="give one of them")
    if post is not None and area is None:
        raise ConfigurationError("--post goes with --area", remedy="name the area too")
    return list(keys) if area is None else _choose_area(session, area, post, yes=choice.yes)


def _choose_area(session: Session, area: str, post: str | None, *, yes: bool) -> list[str]:
    """Keys of everything that waits in an area, after a person has seen the list and agreed.

    Unsafe plans are never among them: each is decided by its own key.
    """
    found: list[Proposal] = [
        item
        for item in read_proposals(session.context)
        if item.area == area
        and (post is None or item.post == post)
        and item.kind is not ProposalKind.UNSAFE_PLAN
    ]
    if not found:
        raise RefusedError(
            f"nothing waits for a decision in area {area}",
            remedy="look at 'quanheng proposals'; an area is named by its exact code",
        )
    print_proposals(session.err, found)
    if not yes and not confirm(f"以上 {len(found):,} 项全部处理？"):
        raise RefusedError("not confirmed; nothing was decided", remedy="name single keys instead")
    return [item.key for item in found]


def authenticate(session: Session, open_with: str | None, *, role: str = "决定人") -> AuthenticatedPerson:
    """Have a person log in to the realm in a browser; what was typed there never comes here.

    ``role``: what the person is asked as.
    """
    keycloak = session.settings.keycloak
    return authenticate_person(
        keycloak.url, keycloak.realm, _opener(session, open_with, role), ca_file=keycloak.ca_file
    )


def _opener(session: Session, open_with: str | None, role: str) -> Callable[[str], None]:
    def show(url: str) -> None:
        session.err.print(f"请在本机浏览器中打开以下地址，由{role}本人登录：")
        session.err.print(url, soft_wrap=True)

    if open_with is None:
        return show
    return partial(_start, open_with)


def _start(command: str, url: str) -> None:
    """Start the operator's own program; one that fails at once need not be waited for."""
    remedy = "name a program that opens an address, or leave --open-with out"
    try:
        process = subprocess.Popen([*shlex.split(command), url], stdin=subprocess.DEVNULL)  # noqa: S603
        code = process.wait(_START_SECONDS)
    except subprocess.TimeoutExpired:
        return  # a browser stays open
    except (OSError, ValueError, IndexError):
        raise ConfigurationError("--open-with: the program cannot be started", remedy=remedy) from None
    if code != 0:
        raise ConfigurationError(f"--open-with: the program ended with {code}", remedy=remedy)
