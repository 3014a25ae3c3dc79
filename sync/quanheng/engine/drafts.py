"""Accounts that somebody made in the console, and the people they are meant for. Pure (decision 6).

A draft is a user in one of our organisations that says of nobody whose it is. It is disabled and holds
nothing until the sources or an application say who the person is; then it becomes that person's account, and
keeps its id. Nothing but the exact staff number links it: neither name nor user name nor phone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from quanheng.engine.comparison import Comparison
from quanheng.engine.desired import DesiredUser
from quanheng.engine.diff_foreign import disarm, report_taken_name
from quanheng.engine.matching import is_nobodys
from quanheng.logs import holds_number
from quanheng.model.change import ChangeKind
from quanheng.model.finding import FindingKind
from quanheng.model.ids import KeycloakId, OrgCode, PersonId, RoleName
from quanheng.model.realm import RealmUser
from quanheng.model.registry import AccountRecord
from quanheng.policy.units import area_code

WITHOUT_NUMBER: Final = "请由主域管理员删除此草稿，另建时不填证件号码、电话"
"""What to do with a draft that holds somebody's number."""

HasPassword = Callable[[KeycloakId], bool]
"""Whether a user has a password: asked only of drafts that could be linked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An account made in the console that is nobody's yet."""

    user: RealmUser
    organisations: tuple[OrgCode, ...]
    """Where the administrator put it, sorted."""
    obstacle: str = ""
    """Why it is not linked though its staff number is somebody's, and what to do; empty while it waits."""

    @property
    def label(self) -> str:
        """Its name for people; its id when the name may be somebody's number (decision 8)."""
        return str(self.user.id if shows_number(self.user) else self.user.username)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """Drafts, and those of them that are somebody's account from now on."""

    drafts: Mapping[KeycloakId, Draft] = field(default_factory=dict)
    """Without those that are linked."""
    accounts: Mapping[PersonId, AccountRecord] = field(default_factory=dict)


def shows_number(user: RealmUser) -> bool:
    """Whether what a user is called, or its staff number, looks like an ID number or a phone (decision 8)."""
    texts = (user.username, user.name, *user.attributes.get("staff_no", ()))
    return any(map(holds_number, texts))


def possessions_of(user: RealmUser, organisations: frozenset[KeycloakId], default_role: RoleName) -> str:
    """What a draft has that no draft needs, in words: it came from somebody, and nobody knows why.

    ``organisations``: ids of organisations' groups.
    """
    found = []
    if user.identities:
        found.append("已关联外部身份")
    if user.roles - {default_role}:
        found.append("直接持有角色")
    if user.groups - organisations:
        found.append("属于机构以外的组")
    return "、".join(found)


def link_drafts(work: Comparison, has_password: HasPassword | None) -> Linked:
    """Find the drafts, and whose account each is to be.

    ``has_password`` None: nobody is linked, since not everybody was looked at.
    """
    ours = {account.keycloak_id for account in work.registry.accounts.values()}
    drafts = {
        user.id: Draft(user=user, organisations=codes)
        for user in work.observed.users.values()
        if user.id not in ours and is_nobodys(user) and (codes := _organisations(work, user))
    }
    if not drafts or has_password is None:
        return Linked(drafts=drafts)
    found: dict[KeycloakId, Draft] = {}
    accounts: dict[PersonId, AccountRecord] = {}
    numbered: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts.values():
        for number in dict.fromkeys(draft.user.attributes.get("staff_no", ())):
            numbered[number].append(draft)
    holders: dict[str, list[DesiredUser]] = defaultdict(list)
    for want in work.desired.users.values():
        if str(want.person.staff_no) in numbered:
            holders[str(want.person.staff_no)].append(want)
    for draft in drafts.values():
        numbers = [number for number in draft.user.attributes.get("staff_no", ()) if holders.get(number)]
        if not numbers:
            found[draft.user.id] = draft
            continue
        people = [want for number in numbers for want in holders[number]]
        rivals = [rival for number in numbers for rival in numbered[number]]
        obstacle = _obstacle(work, draft, people, rivals, has_password)
        if obstacle:
            found[draft.user.id] = replace(draft, obstacle=obstacle)
        else:
            person = people[0].person.id
            accounts[person] = AccountRecord(
                person=person, keycloak_id=draft.user.id, enabled_written=draft.user.enabled
            )
    return Linked(drafts=found, accounts=accounts)


def diff_draft(work: Comparison, draft: Draft, *, is_wanted: bool) -> None:
    """Tell of a draft that is not linked; switch it off, and take out of it what gives power.

    ``is_wanted``: its name is that of one of our people.
    """
    have = draft.user
    name = draft.label
    if shows_number(have):
        work.find(
            FindingKind.NUMBER_IN_DRAFT,
            name,
            f"草稿账号的用户名、姓名或人员编号中有证件号码或电话；{WITHOUT_NUMBER}",
            violation=True,
        )
    elif draft.obstacle:
        work.find(FindingKind.DRAFT_NOT_LINKED, name, f"草稿账号未能关联：{draft.obstacle}")
    else:
        work.find(
            FindingKind.DRAFT_ACCOUNT,
            name,
            "在控制台建立的草稿账号，等待来源按人员编号补全，或用 quanheng accounts complete 补全",
        )
    if is_wanted:
        report_taken_name(work, have)
    if have.enabled:
        work.add(
            ChangeKind.DISABLE,
            name,
            "草稿账号在补全实名信息之前不得启用",
            article="E4",
            detail={"id": have.id, "holds": ["draft"]},
        )
    disarm(work, have, "草稿账号", [group for group in have.groups if not _is_organisation(work, group)])


def _organisations(work: Comparison, user: RealmUser) -> tuple[OrgCode, ...]:
    return tuple(
        sorted(
            OrgCode(work.keys[group].removeprefix("org:"))
            for group in user.groups
            if _is_organisation(work, group)
        )
    )


def _is_organisation(work: Comparison, group: KeycloakId) -> bool:
    """Whether a group is that of an organisation that is there; a retired one is not."""
    key = work.keys.get(group, "")
    return key.startswith("org:") and key in work.desired.groups


def _obstacle(
    work: Comparison,
    draft: Draft,
    people: Sequence[DesiredUser],
    rivals: Sequence[Draft],
    has_password: HasPassword,
) -> str:
    """Why a draft cannot be the account of the people whose staff number it has; empty when it can.

    ``rivals``: all drafts with that number, itself among them. Those of other counties stop nothing: whoever
    makes one has no say in the person's own.
    """
    remove = "请由主域管理员删除此草稿"
    mend = f"{remove}，或更正其人员编号"
    for want in people:
        account = work.registry.accounts.get(want.person.id)
        if account is not None and account.keycloak_id in work.observed.users:
            return f"该人员编号的人员已有账号 {want.person.username}；{mend}"
    named = [str(want.person.username) for want in people if want.create]
    if not named:
        return f"该人员编号的人员已离岗；{mend}"
    made = f"该人员另建账号 {'、'.join(named)}；"
    if len(people) > 1 or len(draft.user.attributes.get("staff_no", ())) > 1:
        return f"人员编号不止一个，或不止属于一人；{made}{mend}"
    want = people[0]
    if not _same_county(draft, want):
        return f"草稿所在的县与来源中该人员的县不同；{made}{mend}"
    near = sum(_same_county(rival, want) for rival in rivals)
    if near > 1:
        return f"有 {near} 个草稿账号写了同一人员编号；{made}{remove}"
    organisations = frozenset(group for group in draft.user.groups if _is_organisation(work, group))
    if own := possessions_of(draft.user, organisations, work.default_role):
        return f"草稿{own}；{made}{remove}，并查明是谁所为"
    if has_password(draft.user.id):
        return f"草稿设有密码；{made}{remove}，并查明是谁所为"
    return ""


def _same_county(draft: Draft, want: DesiredUser) -> bool:
    theirs = {area_code(code) for code in want.attributes.get("org_code", ())}
    return None not in theirs and theirs == {area_code(code) for code in draft.organisations}
