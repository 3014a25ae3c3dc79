"""Which console changes stand: an entitled administrator's grants and revokes (decision 3). Pure.

A grant becomes a basis, a revoke a withholding; whatever else was done is not in the desired state, and the
plan undoes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TypeVar

from quanheng.engine.desired import DesiredPeople, DesiredUser, build_people
from quanheng.engine.trees import Trees
from quanheng.model.ids import KeycloakId, OrgCode, PersonId, PostId, RoleName
from quanheng.model.person import BasisKind, Claim, GrantedBasis, Hold, Withholding
from quanheng.model.realm import RealmUser
from quanheng.model.registry import ClaimKey, Registry, Seat
from quanheng.policy.effective import held_through_post
from quanheng.policy.judge import may_grant
from quanheng.policy.pack import Pack
from quanheng.policy.rules import CompiledRules, Held
from quanheng.policy.units import Units
from quanheng.watch.actors import Move, MoveKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """A move that stands, or does not, and why."""

    move: Move
    seat: Seat | None
    """Whose post it is about; None when it is not about one of ours at a post of ours."""
    outcome: str
    """``basis``, ``basis_ended``, ``withholding``, ``withholding_ended``, or ``as_desired`` when it only made
    things as they should be; empty when it does not stand."""
    why: str = ""
    """A Chinese sentence when it does not stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What is to be written because of console changes. Nothing in it is signed yet."""

    registry: Registry
    """As it is then."""
    bases_put: tuple[GrantedBasis, ...] = ()
    bases_ended: tuple[Seat, ...] = ()
    withholdings_put: tuple[Withholding, ...] = ()
    withholdings_ended: tuple[Seat, ...] = ()
    moves: tuple[Stood, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is to be written."""
        return not (self.bases_put or self.bases_ended or self.withholdings_put or self.withholdings_ended)


@dataclass
class Adopter:
    """Decides move after move; each sees what those before it left behind."""

    registry: Registry
    """The people concerned: those it was done to and those who did it."""
    pack: Pack
    rules: CompiledRules
    units: Units
    standing: Mapping[KeycloakId, RealmUser]
    """Those who acted, as the mirror had them before: what they were given meanwhile entitles nobody."""
    posts: Mapping[KeycloakId, tuple[PostId, OrgCode]]
    """Post and area of each group that carries a post's role, known by its whole path."""
    today: date
    now: datetime
    _trees: Trees = field(init=False)
    _found: list[Stood] = field(default_factory=list)

    _claims: dict[PersonId, dict[ClaimKey, Claim]] = field(init=False)
    _holds: dict[PersonId, list[Hold]] = field(init=False)

    def __post_init__(self) -> None:
        self._trees = Trees(self.pack, self.units)
        # By person: each move looks at one, and there may be hundreds.
        self._claims = defaultdict(dict)
        for key, claim in self.registry.claims.items():
            self._claims[claim.person][key] = claim
        self._holds = defaultdict(list)
        for hold in self.registry.holds:
            self._holds[hold.person].append(hold)

    def adopt(self, moves: Iterable[Move]) -> Adoption:
        """What of these stands."""
        first = self.registry
        people = {account.keycloak_id: person for person, account in first.accounts.items()}
        for move in moves:
            person = people.get(move.user)
            post = self.posts.get(move.group) if move.group is not None else None
            seat = (person, *post) if person is not None and post is not None else None
            if seat is None:
                self._found.append(Stood(move=move, seat=None, outcome=""))
            elif move.kind is MoveKind.JOINED:
                self._joined(move, seat, people)
            elif move.kind is MoveKind.LEFT:
                self._left(move, seat, people)
        last = self.registry
        bases, ended = _difference(first.bases, last.bases)
        withheld, lifted = _difference(first.withholdings, last.withholdings)
        return Adoption(
            registry=last,
            bases_put=bases,
            bases_ended=ended,
            withholdings_put=withheld,
            withholdings_ended=lifted,
            moves=tuple(self._found),
        )

    def _joined(self, move: Move, seat: Seat, people: Mapping[KeycloakId, PersonId]) -> None:
        if self._has(self.registry, seat):
            self._told(move, seat, "as_desired")  # it is theirs already; somebody put it back
            return
        if why := self._not_entitled(move, seat, people):
            self._told(move, seat, "", why)
            return
        freed = replace(self.registry, withholdings=_without(self.registry.withholdings, seat))
        if freed.withholdings != self.registry.withholdings and self._has(freed, seat):
            self._keep(move, seat, "withholding_ended", freed)
            return
        person, post, area = seat
        basis = GrantedBasis(
            person=person,
            post=post,
            area=area,
            kind=BasisKind.CONSOLE,
            actor=str(move.actor),
            at=move.at or self.now,
            reason="管理员在控制台授予",
        )
        granted = replace(freed, bases=(*_without(freed.bases, seat), basis))
        before = {(item.post, item.area) for item in self._user(self.registry, person).bases}
        after = {(item.post, item.area) for item in self._user(granted, person).bases}
        if (post, area) in after and before <= after:
            self._keep(move, seat, "basis", granted)
        else:
            self._told(move, seat, "", self._obstacle(granted, basis))

    def _left(self, move: Move, seat: Seat, people: Mapping[KeycloakId, PersonId]) -> None:
        if not self._has(self.registry, seat):
            self._told(move, seat, "as_desired")  # it was not theirs
            return
        if why := self._not_entitled(move, seat, people):
            self._told(move, seat, "", why)
            return
        console = [
            item for item in self.registry.bases if _seat(item) == seat and item.kind is BasisKind.CONSOLE
        ]
        ended = self.registry
        if console:
            ended = replace(ended, bases=_without(ended.bases, seat))
            if not self._has(ended, seat):
                self._keep(move, seat, "basis_ended", ended)
                return
        person, post, area = seat
        withholding = Withholding(
            person=person,
            post=post,
            area=area,
            actor=str(move.actor),
            at=move.at or self.now,
            reason="管理员在控制台收回",
        )
        self._keep(move, seat, "withholding", replace(ended, withholdings=(*ended.withholdings, withholding)))

    def _not_entitled(self, move: Move, seat: Seat, people: Mapping[KeycloakId, PersonId]) -> str:
        """Why whoever acted may not; empty when entitled."""
        if move.actor is None:
            return "没有操作记录"
        actor = people.get(move.actor)
        if actor is None:
            return "操作人不是本域管理员"
        person, post, area = seat
        if actor == person:
            return "不得为本人授予或收回"
        role = RoleName(self.pack.post_by_id[post].role)
        if not may_grant(self.rules, self._powers(move.actor, actor), role, area):
            return "操作人的岗位无权在该地区授予或收回此岗位"
        return ""

    def _powers(self, actor: KeycloakId, person: PersonId) -> list[Held]:
        """What an actor held by right, and in fact, before."""
        user = self.standing.get(actor)
        want = self._user(self.registry, person)
        if user is None or not user.enabled or not want.enabled:
            return []
        seats = {self.posts[group] for group in user.groups if group in self.posts}
        return [
            held
            for basis in want.bases
            if (basis.post, basis.area) in seats
            for held in held_through_post(
                self.rules, RoleName(self.pack.post_by_id[basis.post].role), basis.area, ""
            )
        ]

    def _people(self, registry: Registry, person: PersonId) -> DesiredPeople:
        # Narrowed before: claims and holds of hundreds would be gone through for each move.
        alone = replace(
            registry, claims=self._claims.get(person, {}), holds=tuple(self._holds.get(person, ()))
        )
        return build_people(
            alone.of(person), self.units, self.pack, self.rules, self._trees, today=self.today
        )

    def _user(self, registry: Registry, person: PersonId) -> DesiredUser:
        return self._people(registry, person).users[person]

    def _has(self, registry: Registry, seat: Seat) -> bool:
        person, post, area = seat
        return any((item.post, item.area) == (post, area) for item in self._user(registry, person).bases)

    def _obstacle(self, granted: Registry, basis: GrantedBasis) -> str:
        """Why this basis grants nothing in ``granted``, or not without taking something away."""
        here = {
            area
            for claim in self._claims.get(basis.person, {}).values()
            if (unit := self.units.resolve(claim.org)) is not None
            and (area := self.units.area(unit)) is not None
        }
        if here and basis.area not in {area.code for area in here}:
            theirs = self.units.resolve(basis.area)
            named = "、".join(sorted(area.name for area in here))
            return (
                f"岗位属于 {basis.area if theirs is None else theirs.name}，人员属于 {named}，不得跨地区授予"
            )
        # What was so before, and of another post, did not stop this one.
        known = set(self._people(self.registry, basis.person).findings)
        label = self.pack.post_by_id[basis.post].label
        new = [item for item in self._people(granted, basis.person).findings if item not in known]
        about = [item.detail for item in new if label in item.detail]
        return about[-1] if about else "该岗位不在本人所属地区或级别"

    def _keep(self, move: Move, seat: Seat, outcome: str, registry: Registry) -> None:
        self.registry = registry
        self._told(move, seat, outcome)

    def _told(self, move: Move, seat: Seat, outcome: str, why: str = "") -> None:
        self._found.append(Stood(move=move, seat=seat, outcome=outcome, why=why))


_S = TypeVar("_S", GrantedBasis, Withholding)


def _without(items: tuple[_S, ...], seat: Seat) -> tuple[_S, ...]:
    return tuple(item for item in items if _seat(item) != seat)


def _difference(old: tuple[_S, ...], new: tuple[_S, ...]) -> tuple[tuple[_S, ...], tuple[Seat, ...]]:
    """What is new, and the seats that are gone."""
    there = {_seat(item) for item in new}
    return tuple(item for item in new if item not in old), tuple(
        _seat(item) for item in old if _seat(item) not in there
    )


def _seat(item: GrantedBasis | Withholding) -> Seat:
    return (item.person, item.post, item.area)
