"""Prove that ``lifecycle.yaml``, and what statuses propose, fit the rest of a pack. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from quanheng.model.person import HoldKind
from quanheng.policy.contents import Pack
from quanheng.policy.lint_words import unknown
from quanheng.policy.units import in_scope

_LASTS = (HoldKind.ABSENT, HoldKind.INVESTIGATION)


def lint_lifecycle(pack: Pack) -> list[str]:
    """Every fault as one sentence; empty when there is none."""
    return [*_statuses(pack), *_inactivity(pack), *_rest(pack), *_articles(pack)]


def _statuses(pack: Pack) -> Iterator[str]:
    for status in pack.statuses.statuses:
        where = f"statuses.yaml: {status.id}"
        if status.proposes == "deregister" and status.hold is not HoldKind.LEFT:
            yield f"{where}: proposes: 'deregister' is for statuses with 'hold: left'"
        if status.proposes == "withhold" and status.hold not in _LASTS:
            yield f"{where}: proposes: 'withhold' is for statuses that hold the account while they last"
        if status.within_working_days is not None and status.proposes is None:
            yield f"{where}: within_working_days: nothing is proposed that could be late"


def _inactivity(pack: Pack) -> Iterator[str]:
    inactivity = pack.lifecycle.inactivity
    if inactivity is None:
        return
    posts = [post.id for post in pack.posts.posts]
    for item in (*inactivity.overrides, *inactivity.exemptions):
        yield from unknown("lifecycle.yaml: inactivity: posts", item.posts, posts)
    for exempt in inactivity.exemptions:
        somewhere = exempt.areas and not all(in_scope(code, exempt.areas) for code in pack.info.scope)
        some = exempt.posts and not set(posts) <= set(exempt.posts)
        if not (somewhere or some):
            yield (
                f"lifecycle.yaml: inactivity: exemptions: the one until {exempt.until} concerns everybody; "
                "name posts, or areas below the pack's"
            )
    alive = [item.id for item in pack.permissions.subsystems if item.keeps_alive]
    if not alive and not pack.lifecycle.logins.clients:
        yield "lifecycle.yaml: inactivity: no login keeps an account alive; see keeps_alive"


def _rest(pack: Pack) -> Iterator[str]:
    lifecycle = pack.lifecycle
    if lifecycle.tenure is None and any(post.tenure_years for post in pack.posts.posts):
        yield "lifecycle.yaml: tenure: is missing, and posts have tenure_years"
    if lifecycle.temporary is not None:
        employments = [item.id for item in pack.qualifications.employments]
        yield from unknown(
            "lifecycle.yaml: temporary: employments", lifecycle.temporary.employments, employments
        )
    passwords = lifecycle.passwords
    if passwords is not None and passwords.administrator_length < passwords.length:
        yield "lifecycle.yaml: passwords: administrator_length is shorter than length"


def _articles(pack: Pack) -> Iterator[str]:
    lifecycle = pack.lifecycle
    letters = {regulation.letter for regulation in pack.info.regulations}
    parts = (lifecycle.inactivity, lifecycle.tenure, lifecycle.temporary, lifecycle.review)
    cited = [part.article for part in parts if part is not None]
    if lifecycle.inactivity is not None:
        cited += [item.article for item in lifecycle.inactivity.overrides]
    if lifecycle.passwords is not None:
        cited += lifecycle.passwords.articles
    for article in dict.fromkeys(cited):
        yield from unknown("lifecycle.yaml: article", article[:1], letters)
