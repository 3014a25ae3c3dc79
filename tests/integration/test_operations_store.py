"""What the operations keep in the store, on SQLite and PostgreSQL: registry, plans, journal, mirror."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from fixtures.identities import a_mint
from fixtures.pure import AS_OF, HR, UNITS, accepted, claim, lay, person, registry, row
from quanheng.engine.plan import Plan, SourceSummary
from quanheng.engine.safety import Excess
from quanheng.engine.steps import Result
from quanheng.errors import RefusedError
from quanheng.identity.port import Keyring
from quanheng.ledger.chain import Ledger
from quanheng.ledger.verify import verify
from quanheng.model.change import Change, ChangeKind
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import KeycloakId, OrgCode, PostId, RoleName, Username
from quanheng.model.person import Hold, HoldKind, Proposal, ProposalKind, ProposalState
from quanheng.model.realm import FederatedIdentity, ObservedRealm, RealmGroup, RealmRole, RealmUser
from quanheng.model.registry import AccountRecord, RegistryDelta, claim_key
from quanheng.store import tables
from quanheng.store.database import Database
from quanheng.store.faults import StoreConflictError
from quanheng.store.lease import Lease, LeaseLostError
from quanheng.store.meta import read_number, write_number
from quanheng.store.mirror import (
    MirrorState,
    drop_users,
    put_groups,
    put_users,
    read_mirror,
    read_mirror_state,
    replace_mirror,
    write_mirror_state,
)
from quanheng.store.plans import (
    PlanState,
    approve_plan,
    read_approval,
    read_journal,
    read_left_over,
    read_plan,
    read_unfinished,
    save_plan,
    set_plan_state,
)
from quanheng.store.recorder import StoreRecorder
from quanheng.store.registry import commit_delta, put_accounts, read_registry

_MINT = a_mint()
NUMBER, PHONE = _MINT.resident_number(), _MINT.phone()
ONE = person(1)
USER = RealmUser(
    id=KeycloakId("u1"),
    username=Username("sx0000001"),
    enabled=True,
    name="𠮷·建军",
    attributes={"staff_no": ("S1",), "two": ("a", "b")},
    groups=frozenset({KeycloakId("g1")}),
    roles=frozenset({RoleName("default-roles-shanxi"), RoleName("client/role")}),
    identities=frozenset({FederatedIdentity("social-card", "s", "n")}),
)
GROUP = RealmGroup(
    id=KeycloakId("g1"),
    path=("机构", "一/二"),
    attributes={"quanheng_key": ("k",)},
    roles=frozenset({RoleName("post-operator")}),
)
ROLE = RealmRole(
    id=KeycloakId("1"), name=RoleName("r"), description="说明", composites=frozenset({RoleName("a/b")})
)
CHANGES = tuple(
    Change(
        kind=ChangeKind.CREATE,
        subject=f"sx{number}",
        reason="来源中的实名人员",
        person=person(number).id,
        origin="hr people.csv:2",
        article="S6",
        detail={"enabled": True, "attributes": {"staff_no": [f"S{number}"]}, "groups": [["机构"]]},
        private={"name": f"人{number}", "subject": f"card-{number}"},
    )
    for number in (1, 2, 3)
)


def plan(digest: str = "a" * 64, **fields: object) -> Plan:
    """A plan with something of everything."""
    merged = lay(registry(), accepted([row(1)], units=UNITS.values()))
    values = {
        "digest": digest,
        "realm": "shanxi",
        "base_revision": 3,
        "planner": "os:a@b",
        "created_at": AS_OF,
        "changes": CHANGES,
        "delta": replace(
            merged.delta,
            holds_lifted=((ONE.id, "frozen"),),
            adopted=(AccountRecord(person=ONE.id, keycloak_id=KeycloakId("u1"), enabled_written=True),),
        ),
        "findings": (Finding(kind=FindingKind.FOREIGN_USER, subject="x", detail="y", violation=True),),
        "excess": (Excess(name="disable", count=3, allowed=1, population=9),),
        "sources": (
            SourceSummary(source="hr", accepted=True, message="", rejected={"bad_phone": 1}, notes=("n",)),
        ),
        **fields,
    }
    return Plan(**values)  # type: ignore[arg-type]


@pytest.fixture
def lease(database: Database) -> Iterator[Lease]:
    """The lease of the realm."""
    with Lease.acquire(database, "shanxi", "test", database.clock) as held:
        yield held


def test_delta_is_what_is_read_back(database: Database, keyring: Keyring) -> None:
    """A registry that is written by its delta is read back equal, and the revision has risen."""
    rows = [row(1), row(2, "140902000", "handler", status_from=date(2026, 1, 1))]
    merged = lay(registry(units={}, sources={}), accepted(rows, units=UNITS.values()))
    proposal = Proposal(
        key="k",
        kind=ProposalKind.GUARDED_POST,
        subject="S1",
        summary="句",
        area=OrgCode("140902"),
        post=PostId("reviewer"),
        origin="o",
        proposer="source:hr",
        decided_by=Username("sx1"),
        decided_at=AS_OF,
        state=ProposalState.APPROVED,
    )
    hold = Hold(person=ONE.id, kind=HoldKind.FROZEN, since=date(2026, 3, 1), reason="停用", origin="console")
    account = AccountRecord(person=ONE.id, keycloak_id=KeycloakId("u1"), enabled_written=True)
    delta = replace(merged.delta, proposals=(proposal,), holds_put=(hold,), adopted=(account,))
    with database.transaction() as connection:
        commit_delta(connection, _with_documents(delta), keyring, AS_OF)
    with database.reading() as connection:
        known = read_registry(connection)
    assert dict(known.persons) == dict(merged.registry.persons)
    assert dict(known.claims) == dict(merged.registry.claims)
    assert dict(known.units) == dict(merged.registry.units)
    assert dict(known.sources) == dict(merged.registry.sources)
    assert (known.holds, dict(known.proposals), dict(known.accounts)) == (
        (hold,),
        {"k": proposal},
        {ONE.id: account},
    )
    assert (known.revision, known.next_serial) == (1, 3)


def _with_documents(delta: RegistryDelta) -> RegistryDelta:
    secrets = {key: replace(item, document_number=NUMBER, phone=PHONE) for key, item in delta.secrets.items()}
    return replace(delta, secrets=secrets)


def test_delta_changes_and_ends(database: Database, keyring: Keyring) -> None:
    """A later delta changes people and claims in place, ends what is over, and lifts holds."""
    first = lay(registry(units={}), accepted([row(1), row(2)], units=UNITS.values()))
    with database.transaction() as connection:
        commit_delta(connection, _with_documents(first.delta), keyring, AS_OF)
    with database.reading() as connection:
        known = read_registry(connection)
    people = {item.staff_no: item for item in known.persons.values()}
    changed = replace(people["S1"], name="新名")  # type: ignore[index]
    kept = next(item for item in known.claims.values() if item.person == changed.id)
    gone = next(key for key, item in known.claims.items() if item.person != changed.id)
    hold = Hold(person=changed.id, kind=HoldKind.FROZEN, since=AS_OF.date(), reason="", origin="console")
    with database.transaction() as connection:
        commit_delta(connection, RegistryDelta(holds_put=(hold,), next_serial=3), keyring, AS_OF)
        delta = RegistryDelta(
            persons=(changed,),
            claims_put=(replace(kept, missing_since=date(2026, 3, 1), quarantined=True),),
            claims_ended=(gone,),
            units_gone=(OrgCode("140902Y01"),),
            holds_lifted=((changed.id, HoldKind.FROZEN),),
            next_serial=3,
        )
        commit_delta(connection, delta, keyring, AS_OF)
    with database.reading() as connection:
        now = read_registry(connection)
    assert now.persons[changed.id].name == "新名"
    assert [item.missing_since for item in now.claims.values()] == [date(2026, 3, 1)]
    assert OrgCode("140902Y01") not in now.units
    assert now.holds == ()
    assert now.revision == 3


def test_no_number_in_the_clear(database: Database, keyring: Keyring) -> None:
    """Neither the person's row nor the plan's holds an ID number or phone in the clear."""
    merged = lay(registry(units={}), accepted([row(1)]))
    delta = _with_documents(merged.delta)
    with database.transaction() as connection:
        commit_delta(connection, delta, keyring, AS_OF)
        save_plan(connection, plan(delta=delta), keyring)
    with database.reading() as connection:
        for table in (tables.person, tables.plan):
            for found in connection.execute(select(table)):
                assert NUMBER.encode() not in repr(tuple(found)).encode()
                assert PHONE.encode() not in repr(tuple(found)).encode()


def test_account_moves_to_a_new_user(database: Database) -> None:
    """A person's account that was made anew replaces the old one; two people cannot share a user."""
    with database.transaction() as connection:
        for identifier in ("u1", "u2"):
            commit_accounts(connection, ONE.id, identifier)
    with database.reading() as connection:
        assert [item.keycloak_id for item in read_registry(connection).accounts.values()] == ["u2"]
    with pytest.raises(StoreConflictError), database.transaction() as connection:
        commit_accounts(connection, person(2).id, "u2")


def commit_accounts(connection: object, of: object, identifier: str) -> None:
    """Write one account."""
    account = AccountRecord(person=of, keycloak_id=KeycloakId(identifier), enabled_written=True)  # type: ignore[arg-type]
    put_accounts(connection, [account])  # type: ignore[arg-type]


def test_plan_is_read_back_whole(database: Database, keyring: Keyring) -> None:
    """A plan comes back equal under its digest or the beginning of it, and under nothing shorter."""
    saved = plan()
    with database.transaction() as connection:
        save_plan(connection, saved, keyring)
    with database.reading() as connection:
        found = read_plan(connection, saved.digest[:12], keyring)
        assert (found.plan, found.state) == (saved, PlanState.PROPOSED)
        for digest in ("a" * 7, "b" * 64, "a%aaaaaaa"):
            with pytest.raises(RefusedError, match="no single plan"):
                read_plan(connection, digest, keyring)


def test_ambiguous_digest_is_refused(database: Database, keyring: Keyring) -> None:
    """Two plans that begin alike are told apart by a longer beginning."""
    with database.transaction() as connection:
        for end in "xy":
            save_plan(connection, plan("a" * 10 + end), keyring)
    with database.reading() as connection:
        with pytest.raises(RefusedError):
            read_plan(connection, "a" * 10, keyring)
        assert read_plan(connection, "a" * 10 + "y", keyring).plan.digest.endswith("y")


def test_newest_making_of_a_plan_stands(database: Database, keyring: Keyring) -> None:
    """A plan saved again under its digest is the newer one, proposed, whatever it was before."""
    newer = replace(
        plan(), planner="os:c@d", changes=(replace(CHANGES[0], private={"name": "人", "subject": "z"}),)
    )
    with database.transaction() as connection:
        save_plan(connection, plan(), keyring)
        approve_plan(connection, "a" * 64, Username("sx1"), AS_OF)
        assert read_approval(connection, "a" * 64) == AS_OF
        save_plan(connection, newer, keyring)
        assert read_approval(connection, "a" * 64) is None
    with database.reading() as connection:
        found = read_plan(connection, "a" * 64, keyring)
    assert (found.plan, found.state) == (newer, PlanState.PROPOSED)


def test_what_an_interrupted_plan_left(database: Database, keyring: Keyring) -> None:
    """Of the last plan that began: what is not in its journal, when it was superseded; else nothing."""
    with database.transaction() as connection:
        assert read_left_over(connection, keyring) == ()
        save_plan(connection, plan(), keyring)
        set_plan_state(connection, "a" * 64, PlanState.APPLYING, AS_OF)
        assert read_unfinished(connection) == "a" * 64
        assert read_left_over(connection, keyring) == ()
        connection.execute(tables.journal.insert().values(plan="a" * 64, step=1, done_at=AS_OF))
        set_plan_state(connection, "a" * 64, PlanState.SUPERSEDED, AS_OF)
        assert read_unfinished(connection) is None
        assert read_left_over(connection, keyring) == [CHANGES[0], CHANGES[2]]
        save_plan(connection, plan("b" * 64, base_revision=4), keyring)
        assert read_left_over(connection, keyring) == [CHANGES[0], CHANGES[2]]
        set_plan_state(connection, "b" * 64, PlanState.APPLIED, AS_OF)
        assert read_left_over(connection, keyring) == ()


def results() -> list[Result]:
    """Three users made."""
    return [
        Result(step=step, change=change, user=replace(USER, id=KeycloakId(f"u{step}")))
        for step, change in enumerate(CHANGES)
    ]


def begun(database: Database, keyring: Keyring) -> Plan:
    """A plan under way, in a store with a ledger."""
    with database.transaction() as connection:
        Ledger(connection, keyring, database.clock).begin({})
        save_plan(connection, plan(), keyring)
        set_plan_state(connection, "a" * 64, PlanState.APPLYING, AS_OF)
    return plan()


def test_record_is_one_transaction(database: Database, keyring: Keyring, lease: Lease) -> None:
    """Journal, ledger, mirror and accounts of a step are there together, and the ledger names no person."""
    recorder = StoreRecorder(database, keyring, lease)
    recorder.require_writer()
    recorder.record(begun(database, keyring), results())
    with database.reading() as connection:
        assert read_journal(connection, "a" * 64) == {0, 1, 2}
        assert set(read_mirror(connection).users) == {"u0", "u1", "u2"}
        assert {item.keycloak_id for item in read_registry(connection).accounts.values()} == {
            "u0",
            "u1",
            "u2",
        }
        assert verify(connection, keyring).entries == 4
        bodies = [entry.body for entry in connection.execute(select(tables.ledger))]
    assert not any("人1" in body or "card-1" in body for body in bodies)


def test_a_step_is_recorded_once(database: Database, keyring: Keyring, lease: Lease) -> None:
    """A step that is in the ledger cannot be entered again: the second record is undone whole."""
    recorder = StoreRecorder(database, keyring, lease)
    begun_plan = begun(database, keyring)
    recorder.record(begun_plan, results()[:1])
    with pytest.raises(StoreConflictError):
        recorder.record(begun_plan, results())
    with database.reading() as connection:
        assert read_journal(connection, "a" * 64) == {0}
        assert set(read_mirror(connection).users) == {"u0"}
        assert connection.execute(select(func.count()).select_from(tables.ledger)).scalar() == 2


def test_nothing_is_recorded_without_the_lease(database: Database, keyring: Keyring) -> None:
    """Whoever has lost the lease records nothing."""
    now = [AS_OF]
    first = Lease.acquire(database, "shanxi", "one", lambda: now[0])
    now[0] += timedelta(minutes=2)
    second = Lease.acquire(database, "shanxi", "two", lambda: now[0])
    recorder = StoreRecorder(database, keyring, first)
    with pytest.raises(LeaseLostError):
        recorder.require_writer()
    with pytest.raises(LeaseLostError):
        recorder.record(begun(database, keyring), results())
    with database.reading() as connection:
        assert read_journal(connection, "a" * 64) == frozenset()
    second.release()


def test_mirror_is_what_is_read_back(database: Database) -> None:
    """Users, groups and roles come back equal; single ones are put and dropped; a sweep replaces all."""
    whole = ObservedRealm(groups={GROUP.id: GROUP}, users={USER.id: USER}, roles={ROLE.name: ROLE})
    state = MirrorState(cursor=AS_OF, swept_at=datetime(2026, 3, 1, tzinfo=UTC))
    with database.transaction() as connection:
        assert read_mirror_state(connection, "shanxi") is None
        replace_mirror(connection, whole)
        write_mirror_state(connection, "shanxi", state)
        assert (read_mirror(connection), read_mirror_state(connection, "shanxi")) == (whole, state)
        other = replace(USER, id=KeycloakId("u2"), service_account=True)
        put_users(connection, [replace(USER, enabled=False), other])
        put_groups(connection, [replace(GROUP, roles=frozenset())])
        assert read_mirror(connection).users == {
            "u1": replace(USER, enabled=False),
            "u2": other,
        }
        assert read_mirror(connection).groups[GROUP.id].roles == frozenset()
        drop_users(connection, [KeycloakId("u1")])
        assert set(read_mirror(connection).users) == {"u2"}
        replace_mirror(connection, whole)
        assert read_mirror(connection) == whole


def test_counters(database: Database) -> None:
    """A counter has its default until it is set."""
    with database.transaction() as connection:
        assert read_number(connection, "revision", 7) == 7
        write_number(connection, "revision", 8)
        write_number(connection, "revision", 9)
        assert read_number(connection, "revision", 7) == 9


def test_claims_without_post_have_a_key(database: Database, keyring: Keyring) -> None:
    """A claim of no post and one of a post at the same place are two, and each ends by itself."""
    merged = lay(registry(units={}), accepted([row(1, post=None), row(1)]))
    with database.transaction() as connection:
        commit_delta(connection, _with_documents(merged.delta), keyring, AS_OF)
        none = next(item for item in merged.registry.claims.values() if item.post is None)
        ended = RegistryDelta(claims_ended=(claim_key(none),), next_serial=2)
        commit_delta(connection, ended, keyring, AS_OF)
        assert [item.post for item in read_registry(connection).claims.values()] == ["operator"]
    assert claim(ONE).source == HR
