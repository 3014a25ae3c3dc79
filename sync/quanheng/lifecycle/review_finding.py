"""What the monthly review finds by looking at registry and realm together (S11, E8, J9, J11, G22). Pure.

It judges nothing anew: what is right the desired state says, what is held and what conflicts the judge.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from quanheng.lifecycle.review import Found, Handling, ReviewKind
from quanheng.lifecycle.review_own import same_person
from quanheng.lifecycle.review_powers import surplus_roles
from quanheng.lifecycle.review_scene import Scene, label_of
from quanheng.lifecycle.review_words import about_of, everything, few, labels
from quanheng.logs import redact_text
from quanheng.model.finding import FindingKind
from quanheng.model.ids import RoleName, join
from quanheng.model.person import HoldKind, PersonRecord, ProposalKind, ProposalState
from quanheng.model.realm import RealmUser
from quanheng.policy.effective import closure, held_through_post

_EXCUSED: Final = frozenset({HoldKind.ABSENT, HoldKind.INVESTIGATION})
"""Holds that end by themselves: who has one is not surplus, and a list must not tell which it is."""
REAL_NAME: Final = "E4"
"""Article: every account is somebody's, by real name."""
TABLE: Final = "J11"
"""Article: what somebody has is checked against 《账号权限对照表》."""


def find_all(scene: Scene) -> Iterator[Found]:
    """Everything, in no order."""
    for find in _FINDERS:
        yield from find(scene)


def _of_person(
    scene: Scene,
    person: PersonRecord,
    kind: ReviewKind,
    detail: str,
    proposed: Handling,
    article: str,
    about: str = "",
) -> Found:
    return Found(
        kind=kind,
        county=scene.answered_in(person.id),
        person=person.id,
        username=str(person.username),
        about=about,
        detail=redact_text(detail),
        proposed=proposed,
        article=article,
    )


def _of_stranger(
    scene: Scene, user: RealmUser, kind: ReviewKind, detail: str, proposed: Handling, about: str = ""
) -> Found:
    return Found(
        kind=kind,
        county=scene.where_stranger(user).area.code,
        person=None,
        username=label_of(user),
        about=about,
        detail=redact_text(detail),
        proposed=proposed,
        article=REAL_NAME,
    )


def find_illegal(scene: Scene) -> Iterator[Found]:
    """Drafts that nobody completed, strangers with duties or without a real name, and people whom an
    application brought in and no source bears out."""
    kind = ReviewKind.ILLEGAL
    for draft in scene.drafts:
        detail = "控制台建立的草稿账号，尚未补全实名信息"
        yield _of_stranger(scene, draft.user, kind, detail, Handling.COMPLETE)
    for user in scene.strangers:
        held = everything(scene, user)
        if held:
            what = "服务账号" if user.service_account else "非实名账号"
            detail, about = (
                f"{what}持有岗位或权限：{held}",
                about_of(scene, user),
            )
            yield _of_stranger(scene, user, kind, detail, Handling.REVOKE, about_of(scene, user))
        elif not user.service_account and user.groups.isdisjoint(scene.own_groups):
            yield _of_stranger(scene, user, kind, "不是实名账号，来历不明", Handling.FREEZE)
    for person, user in scene.deregistered:
        held = everything(scene, user)
        if held or user.enabled:
            detail = f"已注销，仍{f'持有：{held}' if held else '启用'}"
            proposed = Handling.REVOKE if held else Handling.FREEZE
            about = f"deregistered:{about_of(scene, user)}"
            yield _of_person(scene, person, kind, detail, proposed, REAL_NAME, about)
    doubtful = {
        item.subject: item.detail
        for item in scene.findings
        if item.kind is FindingKind.APPLICATION_UNCONFIRMED and item.violation
    }
    for person, want, _ in scene.people:
        if (told := doubtful.get(str(person.username))) is not None:
            yield _of_person(scene, person, kind, told, Handling.COMPLETE, REAL_NAME, "application")
        if any(hold.kind is HoldKind.IDENTITY_IN_DOUBT for hold in want.holds):
            yield _of_person(scene, person, kind, "身份待核实", Handling.COMPLETE, REAL_NAME, "identity")


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
            detail, proposed = f"已离岗，尚未注销{more}", Handling.DEREGISTER
        elif (number, ProposalKind.GUARDED_POST) in waiting:
            continue  # its post waits for approval
        elif HoldKind.FROZEN in kinds:
            detail, proposed = "没有任何岗位，已冻结", Handling.DEREGISTER
        else:
            detail, proposed = "没有任何岗位", Handling.FREEZE
        yield _of_person(scene, person, ReviewKind.SURPLUS, detail, proposed, article)
    for user in scene.strangers:
        groups = sorted(join(scene.observed.groups[key].path) for key in user.groups & scene.own_groups)
        if groups and not everything(scene, user):
            what = "服务账号" if user.service_account else "非实名账号"
            detail = f"{what}，属于本系统的组：{few(groups)}"
            yield _of_stranger(scene, user, ReviewKind.SURPLUS, detail, Handling.REVOKE)


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
        if others - closure(direct, scene.observed.roles):
            texts.append(f"经组获得的角色 {few(sorted(others - closure(direct, scene.observed.roles)))}")
        if texts:
            detail = f"超出《账号权限对照表》：{'；'.join(texts)}"
            # What grows is another line: who answered for less did not answer for this.
            about = "|".join(sorted({f"{item.role}@{item.area or ''}" for item in more} | set(others)))
            yield _of_person(scene, person, ReviewKind.OVER_PRIVILEGED, detail, Handling.REVOKE, TABLE, about)


def find_conflicting(scene: Scene) -> Iterator[Found]:
    """Whoever breaks a rule of separation, once for each rule. Strangers' duties are illegal anyway."""
    persons = scene.registry.persons
    for user, conflict in scene.conflicts:
        person = scene.owners.get(user.id)
        if person is not None:
            yield _of_person(
                scene,
                persons[person],
                ReviewKind.CONFLICT,
                conflict.reason,
                Handling.SEPARATE,
                conflict.article,
                f"{conflict.rule}:{'|'.join(sorted({item.role for item in conflict.held}))}",
            )


def find_duplicates(scene: Scene) -> Iterator[Found]:
    """Accounts that are one person's: by card, by what we wrote into them, or by name and phone."""
    cards: dict[tuple[str, str], list[RealmUser]] = defaultdict(list)
    marks: dict[str, list[RealmUser]] = defaultdict(list)
    for user in scene.observed.users.values():
        for identity in user.identities:
            cards[identity.provider, identity.subject].append(user)
        for mark in set(user.attributes.get("person_id", ())) - {""}:
            marks[mark].append(user)
    names: dict[tuple[str, str], list[RealmUser]] = defaultdict(list)
    for person, _, user in scene.people:
        names[same_person(person)].append(user)
    for about, why, groups in (
        ("card", "关联同一外部身份", cards.values()),
        ("person", "人员标识相同", marks.values()),
        ("name_phone", "姓名、电话相同，疑为同一人", names.values()),
    ):
        for users in groups:
            if len(users) > 1:
                yield from _duplicates(scene, users, about, why)


def _duplicates(scene: Scene, users: Sequence[RealmUser], about: str, why: str) -> Iterator[Found]:
    def rank(user: RealmUser) -> tuple[bool, bool, bool, str]:
        person = scene.owners.get(user.id)
        want = scene.desired.get(person) if person is not None else None
        return person is None, not user.enabled, want is None or not want.bases, str(user.username)

    ordered = sorted(users, key=rank)
    for user in ordered:
        others = [label_of(other) for other in ordered if other is not user]
        person, first = scene.owners.get(user.id), user is ordered[0]
        duties = len({item.role for item in scene.held.get(user.id, ())})
        detail = f"与 {few(others)} {why}；本账号{'启用' if user.enabled else '停用'}，权限 {duties} 项"
        which = "|".join([about, *sorted(others)])
        if person is None:
            proposed = Handling.KEEP if first else Handling.FREEZE
            yield _of_stranger(scene, user, ReviewKind.DUPLICATE, detail, proposed, which)
        else:
            record, proposed = scene.registry.persons[person], Handling.KEEP if first else Handling.DEREGISTER
            article = scene.pack.lifecycle.review.article
            yield _of_person(scene, record, ReviewKind.DUPLICATE, detail, proposed, article, which)


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
            yield _of_person(
                scene, person, ReviewKind.WAIVER_ENDING, detail, Handling.END, article, waiver.key
            )


_OPEN: Final = ProposalState.OPEN
_FINDERS: Final[tuple[Callable[[Scene], Iterator[Found]], ...]] = (
    find_illegal,
    find_surplus,
    find_over_privileged,
    find_conflicting,
    find_duplicates,
    find_ending_waivers,
)
