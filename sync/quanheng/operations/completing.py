"""Drafts: accounts that somebody made in the console, listed, and completed by an application (decision 6).

Whoever completes one says who the person is, as a row of a source would, and answers for it: the claim is
signed, and stands until a source names the person. The account then becomes the person's at once, through
the same plan, safety and apply as any repair; died in between, the next sync finishes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from quanheng.clock import day_in_china
from quanheng.delegation.holders import Seat
from quanheng.engine.adopt import adopt_accounts
from quanheng.engine.drafts import WITHOUT_NUMBER, Draft, possessions_of, shows_number
from quanheng.engine.matching import is_nobodys
from quanheng.engine.merge import AcceptedReading, merge
from quanheng.engine.trees import Trees
from quanheng.errors import RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.model.ids import KeycloakId, OrgCode, Username
from quanheng.model.person import APPLICATION, PersonRecord
from quanheng.model.realm import ObservedRealm, RealmUser
from quanheng.model.registry import AccountRecord, Registry, RegistryDelta
from quanheng.model.staff import Declaration, Mode, OrgUnit, Origin, Reading, RejectedRow, StaffRow
from quanheng.operations.carrying_out import hold_lease, recover
from quanheng.operations.committing import commit
from quanheng.operations.context import Context
from quanheng.operations.keepers import keepers_of
from quanheng.operations.noting import note
from quanheng.operations.offices_held import record_of, seats_of
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.planning import compare
from quanheng.operations.refresh import read_live, refresh_mirror
from quanheng.operations.standing import APPLICATION_COMPLETED
from quanheng.operations.trust import read_trusted, sign_claim
from quanheng.operations.watching.drafts import DRAFT_SEEN
from quanheng.operations.watching.repairing import repair
from quanheng.policy.units import Units
from quanheng.sources.reasons import EXPLANATIONS
from quanheng.sources.rows import RowJudge
from quanheng.store.tables import ledger
from quanheng.store.watching import ToJudge

FIELDS: Final = ("staff_no", "name", "document_kind", "document_number", "phone", "employment", "org")
"""What an application says of a person; names as in ``sources.yaml``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLine:
    """A draft for a list."""

    draft: Draft
    made_at: datetime | None
    """When it was made, or came into an organisation; None when nobody was watching."""
    made_by: str
    """User name of who did it, or Keycloak's id for somebody of another realm; empty when it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What became of a completion."""

    username: Username
    """The name that was issued."""
    by: Username
    enabled: bool
    """Whether the account is the person's, and enabled, now; else the next sync makes it so."""
    waits: tuple[str, ...] = ()
    """Why it is not."""
    made_by: str = ""
    """Who made the draft, as in :class:`DraftLine`."""
    alone: bool = False
    """Whether that is the account of whoever completed it: then who runs the command is the second person."""
    unproved: tuple[str, ...] = ()
    """Labels of the qualifications that the stated employment would give, and that a source has to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Examined:
    """An application that nothing speaks against but who makes it."""

    draft: RealmUser
    unit: OrgUnit
    """Where the draft is."""
    row: StaffRow
    registry: Registry
    units: Units


def read_drafts(context: Context) -> tuple[DraftLine, ...]:
    """Every draft, read live, the oldest first. Writes nothing."""
    observed = read_live(context.realm)
    keyring = context.keyring
    with context.database.reading() as connection:
        registry = read_trusted(connection, keyring).registry
        seen = _read_seen(connection)
    adopted = adopt_accounts(registry, observed, today=day_in_china(context.clock()))
    _, difference = compare(context, adopted.registry, observed, read_recoded(context))
    lines = []
    for draft in difference.drafts:
        at, by = seen.get(draft.user.id, _UNSEEN)
        lines.append(DraftLine(draft=draft, made_at=at, made_by=_name_of(observed, by)))
    first = datetime.min.replace(tzinfo=context.clock().tzinfo)
    return tuple(sorted(lines, key=lambda line: (line.made_at or first, line.draft.user.username)))


_UNSEEN: Final = (None, KeycloakId(""))


def _name_of(observed: ObservedRealm, actor: KeycloakId) -> str:
    known = observed.users.get(actor)
    return str(actor if known is None else known.username)


def _read_seen(connection: Connection) -> Mapping[KeycloakId, tuple[datetime, KeycloakId]]:
    """When each draft came into an organisation, and through which account."""
    query = select(ledger.c.at, ledger.c.body).where(ledger.c.kind == DRAFT_SEEN)
    found = {}
    for at, body in connection.execute(query):
        told = json.loads(body)
        moment = datetime.fromisoformat(told["at"]) if told["at"] else at
        found[KeycloakId(told["user"])] = (moment, KeycloakId(told["actor"]))
    return found


def prepare_completion(context: Context, username: Username, values: Mapping[str, str]) -> None:
    """See whether a draft may be completed with these values, before anybody has to log in. Writes nothing.

    Raises :class:`RefusedError` that names the field, what is wrong with it and what to do, never a value.
    """
    keyring = context.keyring
    with context.database.reading() as connection:
        registry = read_trusted(connection, keyring).registry
    _require_unknown(registry, _examine(context, registry, username, values), context)


def complete(
    context: Context, username: Username, values: Mapping[str, str], person: AuthenticatedPerson
) -> Completed:
    """Complete a draft as a person who has proved who it is, and make it that account.

    Raises :class:`RefusedError` as :func:`prepare_completion` does, and when it is not this person's to do.
    """
    keyring, now = context.keyring, context.clock()
    with hold_lease(context) as lease:
        recover(context, lease)
        observed = refresh_mirror(context, lease)
        with context.database.transaction() as connection:
            lease.assert_held(connection)
            registry = read_trusted(connection, keyring).registry
            examined = _examine(context, registry, username, values)
            approver = record_of(registry, person.username)
            _require_another(context, examined.row, approver)
            _require_charge(context, examined, approver, seats_of(context, registry, examined.units, person))
            _require_unknown(registry, examined, context)
            taken = {user.username for user in observed.users.values()}
            # The draft was seen at the latest just now, when the mirror was brought up to date.
            _, maker = _read_seen(connection).get(examined.draft.id, _UNSEEN)
            made_by, alone = _name_of(observed, maker), maker == person.subject
            delta, made = _build_delta(context, examined, approver, now, taken)
            commit(context, connection, delta)
            note(
                context,
                connection,
                APPLICATION_COMPLETED,
                {
                    "person": str(made.id),
                    "username": str(made.username),
                    "user": str(examined.draft.id),
                    "org": str(examined.row.org),
                    "completed_by": str(approver.username),
                    "made_by": made_by,
                    "maker_completed": alone,
                },
            )
        done = repair(context, lease, ToJudge(users=frozenset({examined.draft.id})))
    waits = [str(item) for item in done.excess] + [str(item.refusal) for item in done.outcome.refused]
    account = context.realm.read_user(examined.draft.id)
    return Completed(
        username=made.username,
        by=approver.username,
        enabled=account is not None and account.enabled and account.username == made.username,
        waits=tuple(waits),
        made_by=made_by,
        alone=alone,
        unproved=tuple(
            item.label
            for item in context.pack.qualifications.qualifications
            if examined.row.employment in item.employments
        ),
    )


def _build_delta(
    context: Context, examined: _Examined, approver: PersonRecord, now: datetime, taken: set[Username]
) -> tuple[RegistryDelta, PersonRecord]:
    """The person, the signed claim, and whose the account is: found and issued as for a source's row."""
    registry = examined.registry
    origin = Origin(APPLICATION, f"{approver.username} {now.isoformat(timespec='seconds')}")
    declaration = Declaration(
        source=APPLICATION,
        mode=Mode.DELTA,
        scope=(examined.row.org,),
        as_of=now,
        sequence=0,
        digest="",
        row_count=1,
    )
    row = replace(examined.row, origin=origin, status_from=day_in_china(now))
    reading = Reading(declaration=declaration, rows=(row,))
    accepted = AcceptedReading(reading=reading, absence_scope=(), remembered=declaration)
    delta = merge(registry, [accepted], pack=context.pack, issuer=context.issuer(), taken=taken).delta
    (made,) = delta.persons
    account = AccountRecord(person=made.id, keycloak_id=examined.draft.id, enabled_written=False)
    return (
        replace(
            delta,
            sources=(),
            claims_put=tuple(sign_claim(context.keyring, claim) for claim in delta.claims_put),
            adopted=(account,),
        ),
        made,
    )


def _examine(
    context: Context, registry: Registry, username: Username, values: Mapping[str, str]
) -> _Examined:
    units = units_of(context, registry, read_recoded(context))
    draft, unit = _find_draft(context, registry, units, username)
    row = _judge(context, units, values)
    if (own := draft.attributes.get("staff_no", ())) and own != (str(row.staff_no),):
        raise _wrong(
            context,
            "staff_no",
            "不是建立草稿时所填的编号",
            "核对后填写同一编号，或请建立草稿的管理员在控制台更正",
        )
    here, there = units.area(unit), units.resolve(row.org)
    area = units.area(there) if there is not None else None
    if here is None or area is None or area.code != here.code:
        raise _wrong(context, "org", "不在草稿所在的县（区）", "填写本县的机构编码；外县人员由该县建立和补全")
    return _Examined(draft=draft, unit=unit, row=row, registry=registry, units=units)


def _find_draft(
    context: Context, registry: Registry, units: Units, username: Username
) -> tuple[RealmUser, OrgUnit]:
    """The draft of a user name, read live, and where it is; refused when it has anything of its own."""
    user = context.realm.find_user(username)
    if user is None:
        raise RefusedError(
            f"there is no account {username}",
            remedy="copy the name from 'quanheng accounts drafts'; one that is shown by its id has somebody's"
            " number in it: have the master administrator delete it, and make another",
        )
    if any(account.keycloak_id == user.id for account in registry.accounts.values()):
        raise RefusedError(
            f"{username} is a person's account already",
            remedy="when it was completed and is not enabled yet, run 'quanheng sync'",
        )
    trees = Trees(context.pack, units)
    grouped = context.pack.organisations.grouped
    places = {trees.home_path(unit): unit for unit in units if unit.kind in grouped}
    groups = {key: context.realm.read_group(key) for key in sorted(user.groups)}
    at = {key: places[group.path] for key, group in groups.items() if group and group.path in places}
    if not is_nobodys(user) or len(at) != 1:
        raise RefusedError(
            f"{username} is no draft: a draft has no person_id and is in one organisation",
            remedy="see 'quanheng accounts drafts' and 'quanheng check'",
        )
    if shows_number(user):
        raise RefusedError("草稿的用户名、姓名或人员编号中有证件号码或电话", remedy=WITHOUT_NUMBER)
    own = possessions_of(user, frozenset(at), context.realm.default_role)
    if own or context.realm.read_passwords(user.id):
        raise RefusedError(
            f"草稿 {username} {own or '设有密码'}",
            remedy="请主域管理员删除此草稿并查明是谁所为，再另建草稿",
        )
    return user, next(iter(at.values()))


def _judge(context: Context, units: Units, values: Mapping[str, str]) -> StaffRow:
    """The row that a source would have sent, believed as such a row is."""
    pack = context.pack
    working = next(item for item in pack.statuses.statuses if item.hold is None and not item.ends_post)
    judge = RowJudge(
        pack=pack,
        units=units,
        scope=tuple(OrgCode(code) for code in pack.info.scope),
        labels=pack.sources.feed.people.model_dump(),
        today=day_in_china(context.clock()),
    )
    filled = {name: values.get(name, "").strip() for name in FIELDS} | {"status": working.label}
    row = judge.judge(filled, Origin(APPLICATION, ""), lambda: "")
    if isinstance(row, RejectedRow):
        known = EXPLANATIONS[row.reason]
        raise RefusedError(f"{row.field}：{known.label}（{row.value_kind}）", remedy=row.remedy)
    return row


def _wrong(context: Context, name: str, why: str, remedy: str) -> RefusedError:
    label = context.pack.sources.feed.people.model_dump()[name]
    return RefusedError(f"{label}：{why}", remedy=remedy)


def _require_unknown(registry: Registry, examined: _Examined, context: Context) -> None:
    """Refuse a person whom the registry knows, also one who has left: nobody has two accounts."""
    index = context.issuer().document_index(examined.row.document)
    for person in registry.persons.values():
        if person.document_index == index:
            has = registry.accounts.get(person.id)
            raise _wrong(
                context,
                "document_number",
                "此证件的人员已登记" + ("，并有账号" if has else ""),
                "由来源报送在岗即恢复原账号，此草稿请主域管理员删除"
                if has
                else "由来源报送：草稿写明同一人员编号的，下次同步即关联",
            )
    if any(person.staff_no == examined.row.staff_no for person in registry.persons.values()):
        raise _wrong(
            context, "staff_no", "已属于另一登记人员", "核对编号；确属重新发放的，由来源报送并经第二人批准"
        )


def _require_another(context: Context, row: StaffRow, approver: PersonRecord) -> None:
    index = context.issuer().document_index(row.document)
    if approver.document_index == index or approver.staff_no == row.staff_no:
        raise RefusedError(
            f"{approver.username} may not complete this draft: it is the same person",
            remedy="have another administrator complete it",
        )


def _require_charge(
    context: Context, examined: _Examined, approver: PersonRecord, seats: Sequence[Seat]
) -> None:
    """Refuse whoever has charge of no accounts there (S4 E8), by the place of the draft and of the person."""
    units = examined.units
    there = units.resolve(examined.row.org)
    places = [examined.unit, *([there] if there is not None else [])]
    pack = context.pack
    if all(keepers_of(pack, units, unit, administrator=False).intersection(seats) for unit in places):
        return
    raise RefusedError(
        f"{approver.username} may not complete this draft: it is not in this administrator's charge",
        remedy="have whoever keeps that organisation's accounts complete it, or the system administrator of "
        "the level above",
    )
