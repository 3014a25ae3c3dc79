"""Recognise our accounts in what Keycloak holds, and what people did to their switches. Pure.

Decision 4: a disable in the console becomes a hold, an enable lifts only the console's own.
Decision 9: a user is ours when we made it or adopted it; nothing else about it counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import KeycloakId, PersonId
from quanheng.model.person import Hold, HoldKind, PersonRecord
from quanheng.model.realm import ObservedRealm, RealmUser
from quanheng.model.registry import AccountRecord, Registry, RegistryDelta

CONSOLE: Final = "console"
"""Origin of a hold that somebody set by switching the account off in the console."""


RESTORED: Final = "restored"
"""Origin of a hold on an account that was found off after the store came from a backup: by a freeze or a lock
perhaps that the backup knows nothing of. No switch in the console lifts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The registry with accounts and console holds as they are now."""

    registry: Registry
    holds_put: tuple[Hold, ...]
    holds_lifted: tuple[tuple[PersonId, str], ...]
    accounts: tuple[AccountRecord, ...]
    findings: tuple[Finding, ...]

    def extend(self, delta: RegistryDelta) -> RegistryDelta:
        """The delta with what was learned by looking."""
        return replace(delta, holds_put=self.holds_put, holds_lifted=self.holds_lifted, adopted=self.accounts)


def adopt_accounts(registry: Registry, observed: ObservedRealm, *, today: date) -> Adopted:
    """Match people to users: by the id we kept; failing that by what we wrote into it."""
    by_card = _by_card(observed)
    accounts = dict(registry.accounts)
    holds = {(hold.person, hold.kind): hold for hold in registry.holds}
    put: list[Hold] = []
    lifted: list[tuple[PersonId, str]] = []
    findings: list[Finding] = []
    held = {person for person, _ in holds}
    for person in registry.persons.values():
        user = _find(person, accounts.get(person.id), observed, by_card)
        if user is None:
            accounts.pop(person.id, None)
            continue
        account = accounts.get(person.id)
        if account is None or account.keycloak_id != user.id:
            account = AccountRecord(person=person.id, keycloak_id=user.id, enabled_written=user.enabled)
        key = (person.id, HoldKind.FROZEN)
        if account.enabled_written and not user.enabled:
            if key not in holds:  # a freeze by form is not the console's to lift later
                holds[key] = _found_off(person.id, today, restored=registry.restored)
                put.append(holds[key])
            account = replace(account, enabled_written=False)
            findings.append(_tell_off(person, restored=registry.restored))
        elif user.enabled and not account.enabled_written and key in holds and holds[key].origin == CONSOLE:
            del holds[key]
            lifted.append((person.id, HoldKind.FROZEN))
            account = replace(account, enabled_written=True)
        elif user.enabled and not account.enabled_written and person.id not in held:
            # Switched on by hand at the moment when the last hold was lifted: what we would have done. Did we
            # not take it for ours, whoever switches it off next would not be heeded.
            account = replace(account, enabled_written=True)
        accounts[person.id] = account
    return Adopted(
        registry=replace(registry, accounts=accounts, holds=tuple(holds.values())),
        holds_put=tuple(put),
        holds_lifted=tuple(lifted),
        accounts=tuple(item for key, item in accounts.items() if registry.accounts.get(key) != item),
        findings=tuple(findings),
    )


def _found_off(person: PersonId, today: date, *, restored: bool) -> Hold:
    return Hold(
        person=person,
        kind=HoldKind.FROZEN,
        since=today,
        reason="恢复备份后发现已停用，原因不明" if restored else "管理员在控制台停用",
        origin=RESTORED if restored else CONSOLE,
    )


def _tell_off(person: PersonRecord, *, restored: bool) -> Finding:
    if restored:
        kind, how = FindingKind.OFF_AFTER_RESTORE, "恢复备份后发现已停用，保持停用；查明原因后申请解冻"
    else:
        kind, how = FindingKind.FROZEN_IN_CONSOLE, "已在控制台停用，保持停用；在控制台启用即可解除"
    return Finding(kind=kind, subject=str(person.username), detail=how)


def lost_names(registry: Registry, observed: ObservedRealm) -> frozenset[PersonId]:
    """People who never had an account and whose user name a stranger has: Keycloak would not make theirs."""
    by_card = _by_card(observed)
    taken = {user.username for user in observed.users.values()}
    return frozenset(
        person.id
        for person in registry.persons.values()
        if person.username in taken
        and person.id not in registry.accounts
        and _find(person, None, observed, by_card) is None
    )


_ByCard = Mapping[tuple[str, tuple[str, ...] | None], RealmUser]


def _by_card(observed: ObservedRealm) -> _ByCard:
    # Neither alone proves anything (administrators edit attributes and link cards): both must agree.
    return {
        (identity.subject, user.attributes.get("person_id")): user
        for user in observed.users.values()
        for identity in user.identities
    }


def _find(
    person: PersonRecord,
    account: AccountRecord | None,
    observed: ObservedRealm,
    by_card: _ByCard,
) -> RealmUser | None:
    if account is not None and (user := observed.users.get(KeycloakId(account.keycloak_id))) is not None:
        return user
    return by_card.get((person.subject, (str(person.id),)))
