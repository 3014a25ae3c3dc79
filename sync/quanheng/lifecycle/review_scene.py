"""What the monthly review looks at: registry and realm together, and where each account belongs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from quanheng.engine.desired import DesiredUser
from quanheng.engine.drafts import Draft
from quanheng.engine.holds import is_deregistered, is_over
from quanheng.engine.matching import find_roots
from quanheng.engine.trees import root_names
from quanheng.lifecycle.review import LONGEST_NAME
from quanheng.logs import holds_number
from quanheng.model.finding import Finding
from quanheng.model.ids import GroupPath, KeycloakId, OrgCode, PersonId, PostId, RoleName
from quanheng.model.person import PersonRecord
from quanheng.model.realm import ObservedRealm, RealmGroup, RealmUser
from quanheng.model.registry import Registry
from quanheng.model.staff import OrgUnit
from quanheng.policy.contents import Pack
from quanheng.policy.effective import closure
from quanheng.policy.rules import CompiledRules, Conflict, Held
from quanheng.policy.units import Units, area_code


@dataclass(frozen=True, slots=True)
class Where:
    """Where an account belongs."""

    unit: OrgUnit
    area: OrgUnit


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that is looked at."""

    registry: Registry
    """Trusted, with the accounts as they are in ``observed``."""
    observed: ObservedRealm
    desired: Mapping[PersonId, DesiredUser]
    findings: Sequence[Finding]
    """Of the desired state."""
    drafts: Sequence[Draft]
    held: Mapping[KeycloakId, Sequence[Held]]
    conflicts: Sequence[tuple[RealmUser, Conflict]]
    rules: CompiledRules
    pack: Pack
    units: Units
    today: date
    default_role: RoleName
    known: frozenset[KeycloakId]
    """Accounts that are nobody's and rightly so: the sealed ones, and those of our own clients."""
    last_logins: Mapping[PersonId, date | None]
    """The day of the newest login that keeps each account alive; None without any."""

    @cached_property
    def owners(self) -> Mapping[KeycloakId, PersonId]:
        """Whose each account of ours is."""
        return {item.keycloak_id: person for person, item in self.registry.accounts.items()}

    @cached_property
    def root(self) -> Where:
        """The topmost area: of whatever belongs nowhere else."""
        unit = self.units.by_code[OrgCode(self.pack.info.root[0])]
        return Where(unit, unit)

    @cached_property
    def places(self) -> Mapping[PersonId, Where]:
        """Where the sources have people, or had last; who is in several areas is the topmost one's."""
        said: dict[PersonId, list[tuple[bool, OrgCode]]] = defaultdict(list)
        for claim in self.registry.claims.values():
            over = is_over(claim, self.pack, today=self.today)
            said[claim.person].append((over, claim.org))
        found = {}
        for person, items in said.items():
            now = [org for over, org in items if not over] or [org for _, org in items]
            found[person] = self._where(now)
        return found

    def where(self, person: PersonId) -> Where:
        """Where somebody belongs; of whom no source speaks, by what we wrote into the account."""
        known = self.places.get(person)
        if known is not None:
            return known
        account = self.registry.accounts.get(person)
        user = self.observed.users.get(account.keycloak_id) if account is not None else None
        return self._where(map(OrgCode, user.attributes.get("org_code", ()) if user is not None else ()))

    def where_stranger(self, user: RealmUser) -> Where:
        """Where an account belongs that is nobody's: by the groups of ours that it is in."""
        codes = (
            code
            for group in user.groups & self.own_groups
            for code in self.observed.groups[group].attributes.get("org_code", ())
        )
        return self._where(map(OrgCode, codes))

    def answered_in(self, person: PersonId) -> OrgCode:
        """The area whose administrators answer for somebody: about an administrator those of the level above
        (S4)."""
        area = self.where(person).area
        above = self.units.lineage(area)[:-1]
        return above[-1].code if above and person in self.administrators else area.code

    @cached_property
    def administrators(self) -> frozenset[PersonId]:
        """People any of whose posts is an administrator's, by the sources or in fact."""
        said = (claim.person for claim in self.registry.claims.values() if self._leads(claim.post))
        held = (
            person
            for person, want in self.desired.items()
            if any(self._leads(basis.post) for basis in want.bases)
        )
        roles = {RoleName(post.role) for post in self.pack.posts.posts if post.kind == "administrator"}
        there = (
            person
            for person, account in self.registry.accounts.items()
            if (user := self.observed.users.get(account.keycloak_id)) is not None
            and not roles.isdisjoint(self.roles_of(user))
        )
        return frozenset([*said, *held, *there])

    def roles_of(self, user: RealmUser) -> frozenset[RoleName]:
        """Every role that an account has by whatever way: directly, through a group or one above it, within
        another role."""
        there = set(user.roles)
        for key in user.groups:
            there |= self._roles_of_group(key)
        return self.contents_of(frozenset(there))

    def contents_of(self, roles: frozenset[RoleName]) -> frozenset[RoleName]:
        """These roles and everything that they contain; most people have what others have, too."""
        known = self._contents.get(roles)
        if known is None:
            known = self._contents[roles] = closure(roles, self.observed.roles)
        return known

    @cached_property
    def _contents(self) -> dict[frozenset[RoleName], frozenset[RoleName]]:
        return {}

    def _roles_of_group(self, key: KeycloakId) -> frozenset[RoleName]:
        group, found = self.observed.groups.get(key), frozenset[RoleName]()
        while group is not None:
            found |= group.roles
            group = self.groups_by_path.get(group.path[:-1])
        return found

    def _leads(self, post: PostId | None) -> bool:
        found = self.pack.post_by_id.get(post) if post is not None else None
        return found is not None and found.kind == "administrator"

    @cached_property
    def own_groups(self) -> frozenset[KeycloakId]:
        """Every group of our trees."""
        roots = find_roots(root_names(self.pack), self.observed.groups)
        return frozenset(key for key, group in self.observed.groups.items() if group.path[0] in roots)

    @cached_property
    def groups_by_path(self) -> Mapping[GroupPath, RealmGroup]:
        """Every group by its path."""
        return {group.path: group for group in self.observed.groups.values()}

    @cached_property
    def people(self) -> tuple[tuple[PersonRecord, DesiredUser, RealmUser], ...]:
        """People who have an account that was not deregistered, by user name."""
        return tuple(item for item in self._everybody if not is_deregistered(item[1].holds))

    @cached_property
    def deregistered(self) -> tuple[tuple[PersonRecord, RealmUser], ...]:
        """People whose account was deregistered and is still there, by user name."""
        return tuple((who, user) for who, want, user in self._everybody if is_deregistered(want.holds))

    @cached_property
    def _everybody(self) -> tuple[tuple[PersonRecord, DesiredUser, RealmUser], ...]:
        found = []
        for person, account in self.registry.accounts.items():
            want, user = self.desired.get(person), self.observed.users.get(account.keycloak_id)
            if want is not None and user is not None:
                found.append((self.registry.persons[person], want, user))
        return tuple(sorted(found, key=lambda item: item[0].username))

    @cached_property
    def strangers(self) -> tuple[RealmUser, ...]:
        """Accounts that are nobody's, no draft, and not known to be so."""
        others = self.draft_ids | self.known | self.owners.keys()
        return tuple(user for user in self.observed.users.values() if user.id not in others)

    @cached_property
    def draft_ids(self) -> frozenset[KeycloakId]:
        """Accounts that the console made and nobody completed."""
        return frozenset(draft.user.id for draft in self.drafts)

    def _where(self, codes: Iterable[OrgCode]) -> Where:
        found: dict[OrgCode, Where] = {}
        for code in codes:
            unit = self.units.resolve(code) or self.units.resolve(area_code(code) or OrgCode(""))
            area = self.units.area(unit) if unit is not None else None
            if unit is not None and area is not None:
                found.setdefault(area.code, Where(unit, area))
        return next(iter(found.values())) if len(found) == 1 else self.root


def label_of(user: RealmUser) -> str:
    """What an account is called here; by its id when its name is long or may be somebody's number."""
    name = str(user.username)
    return str(user.id) if len(name) > LONGEST_NAME or holds_number(name) else name
