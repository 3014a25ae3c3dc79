"""Looking at one person of the realm as it is now, for commands that answer and write nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import Connection, or_, select

from quanheng.clock import day_in_china
from quanheng.engine.adopt import adopt_accounts
from quanheng.engine.deciding import Placed, employments_of
from quanheng.engine.desired import DesiredPeople, DesiredUser, build_people
from quanheng.engine.holds import is_over
from quanheng.engine.trees import Trees
from quanheng.engine.waivers import waivers_in_force
from quanheng.errors import ConfigurationError, RefusedError
from quanheng.logs import redact_text
from quanheng.model.finding import Finding
from quanheng.model.ids import PersonId, PostId, QualificationId, RoleName, Username, join
from quanheng.model.person import PersonRecord
from quanheng.model.realm import ObservedRealm, RealmUser
from quanheng.model.registry import Registry
from quanheng.model.staff import OrgUnit
from quanheng.operations.context import Context
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.refresh import hint_of, is_stale, read_changed, read_live
from quanheng.operations.trust import read_trusted, read_trusted_part
from quanheng.operations.watching.news import read_news
from quanheng.policy.effective import Powers, held_through_post
from quanheng.policy.rules import Held, WaiverInForce
from quanheng.policy.units import Units
from quanheng.store import tables
from quanheng.store.mirror import read_mirror, read_mirror_state
from quanheng.store.watching import read_seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Somebody, as the sources, the decisions and Keycloak have it now."""

    observed: ObservedRealm
    registry: Registry
    """As far as it is about this person; what is not signed was taken out."""
    units: Units
    trees: Trees
    today: date
    person: PersonRecord | None
    """None for an account that is not ours."""
    user: RealmUser | None
    """None for a person without an account."""
    desired: DesiredUser | None
    findings: tuple[Finding, ...]
    """Why something is not granted."""
    placed: tuple[Placed, ...]
    areas: tuple[OrgUnit, ...]
    """Counties, cities or provinces where the sources have the person; one, when all is well."""
    held: tuple[Held, ...]
    """In fact, whoever gave it."""
    pending: tuple[Held, ...]
    """By right, but not in fact: the next sync gives it, or waits for something."""
    waivers: tuple[WaiverInForce, ...]
    qualifications: frozenset[QualificationId]

    @property
    def area(self) -> OrgUnit | None:
        """The one area; None when there is none, or several."""
        return self.areas[0] if len(self.areas) == 1 else None

    @property
    def name(self) -> str:
        """The user name."""
        return str(self.person.username if self.person is not None else self.user and self.user.username)


def look(context: Context) -> ObservedRealm:
    """The realm as it is now: the mirror, and read anew what events tell of. Nothing is written.

    The mirror itself is brought up to date only by who holds the lease, since what is new in it is judged.
    """
    realm = context.realm
    with context.database.reading() as connection:
        state = read_mirror_state(connection, context.realm_name)
        observed = None if state is None else read_mirror(connection)
        seen = read_seen(connection)
        stale = is_stale(connection)
    if state is None or observed is None or stale:
        return read_live(realm)
    news = read_news(realm, state, seen, moment=realm.read_server_time())
    hint, many = hint_of(context, news)
    if news.gap or hint.everything or len(hint.users) > many:
        return read_live(realm)
    return read_changed(context, observed, hint)


def find_persons(connection: Connection, who: str) -> tuple[PersonId, ...]:
    """People of this user name or staff number. Who has it for a user name alone is meant, then: those we
    issue, and a feed could else hide somebody behind another's staff number."""
    table = tables.person
    query = select(table.c.id, table.c.username).where(or_(table.c.username == who, table.c.staff_no == who))
    found = connection.execute(query).all()
    named = [row for row in found if row.username == who]
    return tuple(PersonId(row.id) for row in named or found)


def read_subject(context: Context, who: str) -> Subject:
    """Look at somebody by user name or staff number.

    Raises :class:`ConfigurationError` when nobody is called so, or several people are, and
    :class:`RefusedError` for what looks like an ID number or a phone: it would stand in a URL.
    """
    if redact_text(who) != who:
        raise RefusedError(
            "nobody is looked up by an ID number or a phone", remedy="give the user name or the staff number"
        )
    observed = look(context)
    keyring = context.keyring
    with context.database.reading() as connection:
        ids = find_persons(connection, who)
        trusted = read_trusted_part(connection, keyring, (), ids)
    if len(ids) > 1:
        raise ConfigurationError(
            f"{len(ids)} people have been called {who}", remedy="give the user name, which is one person's"
        )
    person = trusted.registry.persons[ids[0]] if ids else None
    # Read anew in any case: not everything that is done to somebody makes an event.
    user = context.realm.find_user(Username(who) if person is None else person.username)
    if user is not None:
        observed = replace(observed, users={**observed.users, user.id: user})
    if person is None and user is None:
        raise ConfigurationError(
            f"nobody is called {who}, neither in the registry nor in Keycloak",
            remedy="give a user name as the console shows it, or a staff number",
        )
    decided = _decide(context, trusted.registry, observed)
    if decided.people.limited:  # who else holds a post of which a county has only so many, matters
        with context.database.reading() as connection:
            everybody = read_trusted(connection, keyring).registry
        decided = _decide(context, everybody, observed)
    return _subject(context, observed, decided, person, user)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    registry: Registry
    units: Units
    trees: Trees
    people: DesiredPeople


def _decide(context: Context, known: Registry, observed: ObservedRealm) -> _Decided:
    """What the people in a trusted registry should hold today."""
    today = day_in_china(context.clock())
    registry = adopt_accounts(known, observed, today=today).registry
    units = units_of(context, registry, read_recoded(context))
    trees = Trees(context.pack, units)
    people = build_people(registry, units, context.pack, context.rules, trees, today=today)
    return _Decided(registry=registry, units=units, trees=trees, people=people)


def _subject(
    context: Context,
    observed: ObservedRealm,
    decided: _Decided,
    person: PersonRecord | None,
    user: RealmUser | None,
) -> Subject:
    today = day_in_china(context.clock())
    registry, units, trees, people = decided.registry, decided.units, decided.trees, decided.people
    desired = people.users[person.id] if person is not None else None
    account = registry.accounts.get(person.id) if person is not None else None
    if account is not None:
        user = observed.users.get(account.keycloak_id)
    held = Powers(observed, context.rules).of_user(user) if user is not None else ()
    placed = _placed(context, registry, units, person, today)
    areas = {area.code: area for _, unit in placed if (area := units.area(unit)) is not None}
    mine = employments_of(placed)
    name = str(person.username) if person is not None else ""
    return Subject(
        observed=observed,
        registry=registry,
        units=units,
        trees=trees,
        today=today,
        person=person,
        user=user,
        desired=desired,
        findings=tuple(item for item in people.findings if item.subject == name),
        placed=placed,
        areas=tuple(areas[code] for code in sorted(areas)),
        held=held,
        pending=_pending(context, decided, desired, held),
        waivers=waivers_in_force(registry, today=today),
        qualifications=frozenset(
            QualificationId(item.id)
            for item in context.pack.qualifications.qualifications
            if mine.intersection(item.employments)
        ),
    )


def _pending(
    context: Context, decided: _Decided, desired: DesiredUser | None, held: Sequence[Held]
) -> tuple[Held, ...]:
    """What somebody's bases give and Keycloak does not have."""
    there = {(item.role, item.area) for item in held}
    found: list[Held] = []
    for basis in desired.bases if desired is not None else ():
        area, post = decided.units.resolve(basis.area), context.pack.post_by_id[basis.post]
        if area is not None and (RoleName(post.role), basis.area) not in there:
            place = join(decided.trees.post_path(area, post))
            found += held_through_post(context.rules, RoleName(post.role), basis.area, place)
    return tuple(found)


def _placed(
    context: Context, registry: Registry, units: Units, person: PersonRecord | None, today: date
) -> tuple[Placed, ...]:
    """Where the sources have a person now, in whatever post."""
    if person is None:
        return ()
    claims = [
        claim
        for claim in registry.claims.values()
        if claim.person == person.id and not is_over(claim, context.pack, today=today)
    ]
    return tuple((claim, unit) for claim in claims if (unit := units.resolve(claim.org)) is not None)


def post_of(context: Context, held: Held) -> PostId | None:
    """The post through which something is held, read off its path; None for what is mapped otherwise."""
    for step in held.path:
        duty = context.rules.duties.get(RoleName(step))
        if duty is not None and duty.post is not None:
            return duty.post
    return None
