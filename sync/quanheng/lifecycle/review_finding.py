"""What the monthly review finds by looking at registry and realm together (S11, E8, J9, J11, G22). Pure.

It judges nothing anew: what is right the desired state says, what is held and what conflicts the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Final

from quanheng.lifecycle.review import Found, Handling, ReviewKind
from quanheng.lifecycle.review_lines import REAL_NAME, of_person, of_stranger
from quanheng.lifecycle.review_powers import powers_over_realm, surplus_roles
from quanheng.lifecycle.review_scene import Scene
from quanheng.lifecycle.review_twins import find_duplicates
from quanheng.lifecycle.review_words import about_of, everything, few, kind_of, labels, last_login, reason_of
from quanheng.model.finding import FindingKind
from quanheng.model.ids import RoleName, join
from quanheng.model.person import Hold, HoldKind, ProposalKind, ProposalState
from quanheng.model.realm import RealmUser
from quanheng.policy.effective import held_through_post

_EXCUSED: Final = frozenset({HoldKind.ABSENT, HoldKind.INVESTIGATION})
"""Holds that end by themselves: who has one is not surplus, and a list must not tell which it is."""
TABLE: Final = "J11"
"""Article: what somebody has is checked against 《账号权限对照表》."""


def find_all(scene: Scene) -> Iterator[Found]:
    """Everything, in no order."""
    for find in _FINDERS:
        yield from find(scene)


def find_illegal(scene: Scene) -> Iterator[Found]:
    """Drafts that nobody completed, strangers with duties or without a real name, and people whom an
    application brought in and no source bears out."""
    kind = ReviewKind.ILLEGAL
    for draft in scene.drafts:
        detail = "控制台建立的草稿账号，尚未补全实名信息"
        yield of_stranger(scene, draft.user, kind, detail, Handling.COMPLETE)
    for user in (*(draft.user for draft in scene.drafts), *scene.strangers):
        others = powers_over_realm(scene, user)
        if held := everything(scene, user, others):
            detail, about = f"{kind_of(scene, user)}持有岗位或权限：{held}", _about(scene, user, others)
            yield of_stranger(scene, user, kind, detail, Handling.REVOKE, about)
    for user in scene.strangers:
        if (
            _is_powerless(scene, user)
            and not user.service_account
            and user.groups.isdisjoint(scene.own_groups)
        ):
            yield of_stranger(scene, user, kind, "不是实名账号，来历不明", Handling.FREEZE)
    for person, user in scene.deregistered:
        others = surplus_roles(scene, user)
        held = everything(scene, user, others)
        if held or user.enabled:
            detail = f"已注销，仍{f'持有：{held}' if held else '启用'}"
            proposed = Handling.REVOKE if held else Handling.FREEZE
            about = f"deregistered:{_about(scene, user, others)}"
            yield of_person(scene, person, kind, detail, proposed, REAL_NAME, about)
    doubtful = {
        item.subject: item.detail
        for item in scene.findings
        if item.kind is FindingKind.APPLICATION_UNCONFIRMED and item.violation
    }
    for person, want, _ in scene.people:
        if (told := doubtful.get(str(person.username))) is not None:
            yield of_person(scene, person, kind, told, Handling.COMPLETE, REAL_NAME, "application")
        if any(hold.kind is HoldKind.IDENTITY_IN_DOUBT for hold in want.holds):
            yield of_person(scene, person, kind, "身份待核实", Handling.COMPLETE, REAL_NAME, "identity")


def find_surplus(scene: Scene) -> Iterator[Found]:
    """Accounts without a duty, and strangers in our groups."""
    article = scene.pack.lifecycle.review.article
    waiting = {(item.subject, item.kind) for item in scene.registry.proposals.values() if item.state is _OPEN}
    for person, want, _ in scene.people:
        kinds = {hold.kind for hold in want.holds}
        if want.bases or kinds & _EXCUSED:
            continue
        number = str(person.staff_no)
        if HoldKind.LEFT in kinds:
            more = "，已有待批准的注销事项" if (number, ProposalKind.DEREGISTER) in waiting else ""
            since = _since(want.holds, HoldKind.LEFT)
            detail, proposed = f"已于 {since} 离岗，尚未注销{more}", Handling.DEREGISTER
        elif (number, ProposalKind.GUARDED_POST) in waiting:
            continue  # its post waits for approval
        elif HoldKind.FROZEN in kinds:
            since = _since(want.holds, HoldKind.FROZEN)
            detail, proposed = f"没有任何岗位，已于 {since} 冻结", Handling.DEREGISTER
        else:
            detail, proposed = f"没有任何岗位{last_login(scene, person.id)}", Handling.FREEZE
        yield of_person(scene, person, ReviewKind.SURPLUS, detail, proposed, article)
    for user in scene.strangers:
        groups = sorted(join(scene.observed.groups[key].path) for key in user.groups & scene.own_groups)
        if groups and _is_powerless(scene, user):
            detail = f"{kind_of(scene, user)}，属于本系统的组：{few(groups)}"
            yield of_stranger(scene, user, ReviewKind.SURPLUS, detail, Handling.REVOKE, "|".join(groups))


def find_over_privileged(scene: Scene) -> Iterator[Found]:
    """What people hold in fact beyond what the table gives the posts that they hold rightly."""
    for person, want, user in scene.people:
        right = {
            (item.role, item.area)
            for basis in want.bases
            for item in held_through_post(
                scene.rules, RoleName(scene.pack.post_by_id[basis.post].role), basis.area, ""
            )
        }
        more = [item for item in scene.held.get(user.id, ()) if (item.role, item.area) not in right]
        texts = [labels(scene, more)] if more else []
        posts = [RoleName(scene.pack.post_by_id[basis.post].role) for basis in want.bases]
        others = surplus_roles(scene, user, posts)
        direct = others & user.roles
        if direct:
            texts.append(f"直接授予的角色 {few(sorted(direct))}")
        if through := others - scene.contents_of(direct):
            texts.append(f"经组获得的角色 {few(sorted(through))}")
        if texts:
            detail = f"超出《账号权限对照表》：{'；'.join(texts)}"
            about = about_of(more, others)
            yield of_person(scene, person, ReviewKind.OVER_PRIVILEGED, detail, Handling.REVOKE, TABLE, about)


def find_conflicting(scene: Scene) -> Iterator[Found]:
    """Whoever breaks a rule of separation, once for each rule. Strangers' duties are illegal anyway."""
    persons = scene.registry.persons
    for user, conflict in scene.conflicts:
        person = scene.owners.get(user.id)
        if person is not None:
            yield of_person(
                scene,
                persons[person],
                ReviewKind.CONFLICT,
                reason_of(scene, conflict),
                Handling.SEPARATE,
                conflict.article,
                f"{conflict.rule}:{'|'.join(sorted({item.role for item in conflict.held}))}",
            )


def find_ending_waivers(scene: Scene) -> Iterator[Found]:
    """Waivers in force that end soon."""
    review = scene.pack.lifecycle.review
    last = scene.today + timedelta(days=review.ending_days)
    labels = {rule.source: (rule.label, rule.article) for rule in scene.rules.vetoing}
    for waiver in scene.registry.waivers:
        proposal, person = scene.registry.proposals.get(waiver.key), scene.registry.persons.get(waiver.person)
        approved = proposal is not None and proposal.state is ProposalState.APPROVED
        if approved and person is not None and scene.today <= waiver.until <= last:
            label, article = labels.get(waiver.rule, (waiver.rule, review.article))
            detail = f"豁免“{label}”将于 {waiver.until.isoformat()} 到期"
            yield of_person(
                scene, person, ReviewKind.WAIVER_ENDING, detail, Handling.END, article, waiver.key
            )


def _about(scene: Scene, user: RealmUser, others: Iterable[RoleName]) -> str:
    return about_of(scene.held.get(user.id, ()), others)


def _is_powerless(scene: Scene, user: RealmUser) -> bool:
    return not scene.held.get(user.id) and not powers_over_realm(scene, user)


def _since(holds: Iterable[Hold], kind: HoldKind) -> str:
    return min(hold.since for hold in holds if hold.kind is kind).isoformat()


_OPEN: Final = ProposalState.OPEN
_FINDERS: Final[tuple[Callable[[Scene], Iterator[Found]], ...]] = (
    find_illegal,
    find_surplus,
    find_over_privileged,
    find_conflicting,
    find_duplicates,
    find_ending_waivers,
)
