"""Which administrators' posts somebody who logged in holds, rightly and now."""

from __future__ import annotations

from quanheng.clock import day_in_china
from quanheng.delegation.holders import Seat
from quanheng.engine.holds import holds_of, told_reason
from quanheng.engine.offices import was_given_office
from quanheng.engine.trees import Trees
from quanheng.errors import RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.model.ids import PostId, Username
from quanheng.model.person import Hold, PersonRecord
from quanheng.model.realm import RealmUser
from quanheng.model.registry import Registry
from quanheng.operations.context import Context
from quanheng.operations.logged_in import account_of
from quanheng.policy.units import Units


def record_of(registry: Registry, username: Username) -> PersonRecord:
    """The person of a user name. Raises :class:`RefusedError` when it is nobody's of the registry."""
    for person in registry.persons.values():
        if person.username == username:
            return person
    raise RefusedError(
        f"{username} is not a person of this realm's registry", remedy="log in as one of the administrators"
    )


def require_free(context: Context, registry: Registry, record: PersonRecord) -> None:
    """Refuse whom anything holds, by the registry's word: a freeze stands before Keycloak knows of it, and an
    account that somebody switched on in the console stays on until the watcher looks.

    Raises :class:`RefusedError`.
    """
    holds = _holds(context, registry, record)
    if holds:
        raise RefusedError(
            f"the account {record.username} is off: “{told_reason(holds)}”",
            remedy="have somebody else ask or decide; 'quanheng explain' tells how it stands",
        )


def seats_of(
    context: Context, registry: Registry, units: Units, person: AuthenticatedPerson
) -> tuple[Seat, ...]:
    """The administrators' groups that Keycloak has the person in now, read live, of those that the person
    was rightly given. Auditing decides nothing (三员).

    A group is known by its whole path, which is unique; anybody with a group could write our key into it.
    Raises :class:`RefusedError` for whoever is not an enabled account of a person of the registry, or is
    held.
    """
    record = record_of(registry, person.username)
    user = account_of(context, person)
    require_free(context, registry, record)
    return _seats(context, registry, units, record, user)


def seats_of_record(
    context: Context, registry: Registry, units: Units, record: PersonRecord
) -> tuple[Seat, ...]:
    """The same for somebody who is not here now, and was: nothing for whoever is held, or off."""
    account = registry.accounts.get(record.id)
    user = context.realm.read_user(account.keycloak_id) if account is not None else None
    if user is None or not user.enabled or _holds(context, registry, record):
        return ()
    return _seats(context, registry, units, record, user)


def _seats(
    context: Context, registry: Registry, units: Units, record: PersonRecord, user: RealmUser
) -> tuple[Seat, ...]:
    trees = Trees(context.pack, units)
    places = {
        trees.administrator_path(area, post): Seat(area.code, PostId(post.id))
        for area in units
        for post in context.pack.posts_at(area.code)
        if post.kind == "administrator" and post.id not in context.pack.audit_posts
    }
    groups = [context.realm.read_group(identifier) for identifier in sorted(user.groups)]
    held = (places[group.path] for group in groups if group is not None and group.path in places)
    return tuple(
        seat for seat in held if was_given_office(registry.proposals, record.id, seat.area, seat.post)
    )


def _holds(context: Context, registry: Registry, record: PersonRecord) -> list[Hold]:
    mine = registry.of(record.id)
    today = day_in_china(context.clock())
    return holds_of(record, tuple(mine.claims.values()), mine.holds, context.pack, today=today)
