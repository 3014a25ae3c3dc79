"""The realm of :mod:`bench.console`: every group of a scope, its people, administrators who log in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final

from tests.fixtures.divisions import BUREAU_NAME, build_scope, bureau_code, read_units
from tests.fixtures.people import Population, generate_many
from tests.fixtures.rows import SyntheticRow

from bench.acting import Grantor, Membership, log_in
from bench.harness import BenchRealm, Servers, open_context
from quanheng.engine.desired import CARD_PROVIDER
from quanheng.engine.trees import Trees
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.open import open_realm
from quanheng.model.ids import GroupPath, KeycloakId, OrgCode, PostId, Username
from quanheng.model.realm import Attributes, FederatedIdentity, NewUser
from quanheng.model.staff import OrgKind
from quanheng.operations.delegating import apply_delegation
from quanheng.policy.pack import find_pack, load_pack
from quanheng.policy.units import Units
from quanheng.sources.organisations import with_root

REALM: Final = "console"
_PACK: Final = "shanxi"
_BUREAUS_ONE_IN: Final = 10
_SEED: Final = 5
_PERMANENT: Final = GroupPath(("资格", "正式在编"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """An administrator's post, and whom its holder has charge of."""

    name: str
    area: OrgCode
    post: PostId
    about: OrgCode
    """A unit that it has charge of."""
    searched: OrgCode
    """A unit that it looks for, by name."""
    word: str
    """Of many groups that it sees."""
    duty: PostId
    """Of that unit's people."""
    grants: bool


class Places:
    """The group of each unit and of each post, by the pack."""

    def __init__(self, scope: str) -> None:
        pack = load_pack(find_pack(_PACK))
        self.units = with_root(Units({unit.code: unit for unit in read_units(scope)}), pack)
        self._trees = Trees(pack, self.units)
        self._posts = pack.post_by_id

    def home(self, code: str) -> GroupPath:
        """The group of a unit, or of the nearest above that has one."""
        path = self._trees.home_path(self.units.by_code[OrgCode(code)])
        if path is None:
            raise SystemExit(f"{code} has no group")
        return path

    def area(self, code: str) -> OrgCode:
        """The county, city or province of a unit."""
        found = self.units.area(self.units.by_code[OrgCode(code)])
        if found is None:
            raise SystemExit(f"{code} is in no area")
        return found.code

    def post(self, area: OrgCode, post: str) -> GroupPath:
        """The group of a post in an area."""
        return self._trees.post_path(self.units.by_code[area], self._posts[PostId(post)])


class Stage:
    """The realm, and everybody in it.

    User names are drawn, as a sync issues them; ``in_order`` gives each county a stretch of them.
    """

    def __init__(self, servers: Servers, scope: str, people: int, *, in_order: bool = False) -> None:
        self.places = Places(scope)
        units = read_units(scope)
        realm = BenchRealm(servers, REALM, Population(scope=build_scope(scope), units=units, people=()))
        realm.prepare()
        rows = _rows(scope, people)
        numbers = list(range(len(rows)))
        if not in_order:
            Random(_SEED).shuffle(numbers)  # noqa: S311 - a bench, the same each time
        people_of = zip(numbers, rows, strict=True)
        realm.import_people([_person(number, row, self.places) for number, row in people_of])
        self.rest = open_realm(realm.settings)
        self._realm = realm
        self._writer = Grantor(self.rest.connection)
        self._ids = {group.path: group.id for group in self.rest.read_groups().values()}
        self._names = (Username(f"administrator{number:03}") for number in count())
        towns = Counter(self.places.area(row.org) for row in rows if row.post_id == "operator")
        self._county = towns.most_common(1)[0][0]
        self.permissions = self._permissions()
        # Hundreds of thousands that no sync will ask for, and of which no page shows anything.
        realm.administrator.request("DELETE", realm.administrator.realm_path("/admin-events"))

    def offices(self) -> tuple[Office, ...]:
        """Two of the county with most people, two of the province."""
        county, province = self._county, OrgCode(self._county[:2])
        town = min(
            unit.code for unit in self.places.units if unit.parent == county and unit.kind is OrgKind.TOWNSHIP
        )
        return tuple(
            Office(
                name=f"{tier} {label}",
                area=area,
                post=PostId(post),
                about=about,
                searched=searched,
                word=word,
                duty=PostId(duty),
                grants=grants,
            )
            for tier, area, about, searched, word, duty in (
                ("county", county, town, town, "镇", "operator"),
                ("province", province, bureau_code(county), county, BUREAU_NAME, "handler"),
            )
            for label, post, grants in (
                ("系统管理员", "system_admin", False),
                ("业务管理员", "business_admin", True),
            )
        )

    def log_in(self, office: Office, roles: Sequence[str] = ()) -> Connection:
        """A new holder of an office, with these roles of the realm's management besides."""
        holder = self._add(_PERMANENT, self.places.post(office.area, office.post))
        return log_in(self._realm.settings.keycloak, self._realm.administrator, holder, roles)

    def newcomers(self, office: Office, number: int) -> list[KeycloakId]:
        """New people of its unit who have no duty."""
        return [self._add(self.places.home(office.about)) for _ in range(number)]

    def way(self, path: GroupPath) -> tuple[KeycloakId, ...]:
        """Ids of the groups of a path, from its root."""
        return tuple(self._ids[GroupPath(path[: length + 1])] for length in range(len(path)))

    def take_back(self, user: KeycloakId, group: KeycloakId) -> None:
        """End a membership; not measured."""
        self._writer.leave([Membership(user=user, group=group)], 1)

    def _add(self, *groups: GroupPath) -> KeycloakId:
        return self.rest.create_user(_somebody(next(self._names), "新人", groups, {}))

    def _permissions(self) -> dict[str, int]:
        """How many there are; raises when they are not as the pack says."""
        with open_context(self._realm.config_file) as context:
            applied = apply_delegation(context, None)
            found = context.realm.permissions.read()
        if applied.changes or applied.foreign or applied.waiting or found is None:
            raise SystemExit(f"the sync had not written the permissions: {len(applied.changes)} changes")
        return {"policies": len(found.policies), "permissions": len(found.permissions)}


def _rows(scope: str, people: int) -> list[SyntheticRow]:
    """Neighbours are neighbours: a batch of few groups is imported sooner."""
    bureaus = people // _BUREAUS_ONE_IN
    rows = (
        *generate_many(people - bureaus, scope=scope, source="hr").people,
        *generate_many(bureaus, scope=scope, source="ldap").people,
    )
    return sorted(rows, key=lambda row: row.org)


def _person(number: int, row: SyntheticRow, places: Places) -> NewUser:
    duty = places.post(places.area(row.org), row.post_id)
    attributes = {"org_code": (row.org,), "staff_no": (row.staff_no,), "person_id": (f"{number:032x}",)}
    return _somebody(Username(f"person{number:06}"), row.name, (places.home(row.org), duty), attributes)


def _somebody(name: Username, full_name: str, groups: Sequence[GroupPath], attributes: Attributes) -> NewUser:
    return NewUser(
        username=name,
        enabled=True,
        name=full_name,
        attributes=attributes,
        groups=tuple(groups),
        identities=frozenset({FederatedIdentity(CARD_PROVIDER, f"subject-{name}", name)}),
    )
