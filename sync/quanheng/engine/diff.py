"""The changes that lead from what Keycloak holds to what it should hold. Pure.

Decision 9: only what is ours is changed; foreign users and groups are reported. But a duty on a
foreign user or a service account is always a violation, and our groups are ours to empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from quanheng.engine.comparison import Comparison
from quanheng.engine.desired import Desired
from quanheng.engine.diff_foreign import diff_foreign_user, report_shared_identities
from quanheng.engine.diff_groups import diff_groups, diff_roles, match_groups
from quanheng.engine.diff_users import create_user, diff_user
from quanheng.engine.drafts import Draft, HasPassword, diff_draft, link_drafts
from quanheng.engine.last_administrators import keep_last_administrators
from quanheng.engine.matching import find_roots
from quanheng.model.change import Change, ChangeKind
from quanheng.model.finding import Finding
from quanheng.model.ids import OrgCode, RoleName
from quanheng.model.realm import ObservedRealm
from quanheng.model.registry import AccountRecord, Registry

_GIVES: Final = frozenset(
    {
        ChangeKind.GROUP_CREATE,
        ChangeKind.GROUP_MOVE,
        ChangeKind.MOVE,
        ChangeKind.CREATE,
        ChangeKind.GROUP_ROLE_ADD,
        ChangeKind.ROLE_ADD,
        ChangeKind.GRANT,
        ChangeKind.ENABLE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What has to change, and what is only to be told."""

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    linked: tuple[AccountRecord, ...] = ()
    """Drafts that are somebody's account from now on."""
    drafts: tuple[Draft, ...] = ()
    """Those that are nobody's yet."""


def build_difference(
    desired: Desired,
    observed: ObservedRealm,
    registry: Registry,
    *,
    default_role: RoleName,
    roots: Iterable[str],
    contents: Mapping[RoleName, frozenset[RoleName]],
    recoded: Mapping[OrgCode, OrgCode] | None = None,
    exchanged: frozenset[RoleName] = frozenset(),
    has_password: HasPassword | None = None,
) -> Difference:
    """Compare. ``registry`` already knows which users are ours (:func:`adopt_accounts`).

    ``contents``: what each role contains that the rules protect (:func:`contents_of`).

    ``exchanged``: names of roles that may be others'. As long as there are any nobody is given anything,
    since applications go by names: a duty would give what another one's holders may. What takes away is
    right whichever of the exchanged roles it is, but for what our own groups and everybody should have.

    ``has_password``: see :func:`~quanheng.engine.drafts.link_drafts`.
    """
    work = Comparison(
        desired=desired,
        observed=observed,
        registry=registry,
        default_role=default_role,
        roots=find_roots(roots, observed.groups),
        recoded=recoded or {},
        contents=contents,
        exchanged=exchanged,
        by_path={group.path: group.key for group in desired.groups.values()},
        path_ids={group.path: group.id for group in observed.groups.values()},
    )
    match_groups(work)
    linked = link_drafts(work, has_password)
    if linked.accounts:
        registry = replace(registry, accounts={**registry.accounts, **linked.accounts})
        work.registry = registry
    diff_groups(work)
    diff_roles(work)
    ours = {account.keycloak_id: account.person for account in registry.accounts.values()}
    for person, user in desired.users.items():
        account = registry.accounts.get(person)
        have = observed.users.get(account.keycloak_id) if account is not None else None
        if have is not None:
            diff_user(work, user, have)
        elif user.create:
            create_user(work, user)
    wanted = {
        user.person.username
        for person, user in desired.users.items()
        if user.create or person in registry.accounts
    }
    for have in observed.users.values():
        is_wanted = have.username in wanted
        if (draft := linked.drafts.get(have.id)) is not None:
            diff_draft(work, draft, is_wanted=is_wanted)
        elif have.id not in ours:
            diff_foreign_user(work, have, is_wanted=is_wanted)
    report_shared_identities(work)
    if exchanged:
        kept_back = _GIVES | ({ChangeKind.ROLE_REMOVE} if default_role in exchanged else set())
        work.changes[:] = [change for change in work.changes if change.kind not in kept_back]
    keep_last_administrators(work)
    return Difference(
        changes=tuple(work.changes),
        findings=tuple(work.findings),
        linked=tuple(linked.accounts.values()),
        drafts=tuple(linked.drafts.values()),
    )
