"""Lines of a list with what people need to know of the account: office, name, kind. Names are only here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from quanheng.lifecycle.review import HANDLINGS, KINDS, ReviewItem
from quanheng.lifecycle.review_scene import Scene, Where, label_of
from quanheng.lifecycle.review_words import kind_of
from quanheng.lifecycle.terms import KINDS as TERMS
from quanheng.logs import holds_number
from quanheng.model.ids import PersonId
from quanheng.model.realm import RealmUser
from quanheng.operations.review.finding import Review
from quanheng.operations.review.marking import mark_of
from quanheng.printable import printable

_HIDDEN: Final = "（含号码，未显示）"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRow:
    """One line as it is shown; the first five are columns of 《账号清理清单》 (J annex 3)."""

    item: ReviewItem
    system: str
    office: str
    name: str
    account_type: str
    mark: str = ""
    """What tells that the workbook still shows this; see :mod:`quanheng.operations.review.marking`."""

    @property
    def kind(self) -> str:
        """What was found, in Chinese."""
        return KINDS[self.item.kind]

    @property
    def proposed(self) -> str:
        """What is proposed, in Chinese."""
        return HANDLINGS[self.item.proposed]

    @property
    def shown(self) -> tuple[str, ...]:
        """The cells of the workbook but answer and reason, in their order."""
        item = self.item
        return (
            self.system,
            self.office,
            self.name,
            item.username,
            self.account_type,
            self.kind,
            item.detail,
            self.proposed,
        )

    @property
    def answer(self) -> str:
        """What was answered, in Chinese; empty without an answer."""
        return HANDLINGS[self.item.answer] if self.item.answer is not None else ""


def build_rows(review: Review, items: Iterable[ReviewItem]) -> tuple[ReviewRow, ...]:
    """The lines, in the same order. Of an account that is gone little is known."""
    scene = review.scene
    strangers = {
        label_of(user): user for key, user in scene.observed.users.items() if key not in scene.owners
    }
    subsystems = {item.id: item.label for item in scene.pack.permissions.subsystems}
    rows = []
    for item in items:
        person = scene.registry.persons.get(item.person) if item.person is not None else None
        account = scene.registry.accounts.get(item.person) if item.person is not None else None
        user = (
            strangers.get(item.username)
            if item.person is None
            else (scene.observed.users.get(account.keycloak_id) if account is not None else None)
        )
        if item.person is not None:
            where = scene.where(item.person)
        else:
            where = scene.where_stranger(user) if user is not None else scene.root
        name = person.name if person is not None else (user.name if user is not None else "")
        row = ReviewRow(
            item=item,
            system=_systems(scene, user, subsystems),
            office=_office(scene, where, item),
            name=shown_name(name),
            account_type=_type(review, item.person, user),
        )
        rows.append(replace(row, mark=mark_of(review.indexer, item.key, tuple(map(printable, row.shown)))))
    return tuple(rows)


def shown_name(name: str) -> str:
    """A name as lists have it."""
    return _HIDDEN if holds_number(name) else printable(name)


def _systems(scene: Scene, user: RealmUser | None, subsystems: Mapping[str, str]) -> str:
    """Information systems in which the account has permissions; without any, the login itself."""
    held = scene.held.get(user.id, ()) if user is not None else ()
    clients = {str(item.role).partition("/")[0] for item in held if "/" in item.role}
    return "、".join(label for name, label in subsystems.items() if name in clients) or "统一登录"


def _office(scene: Scene, where: Where, item: ReviewItem) -> str:
    """The organisation below the county that answers; with its county when that is another."""
    lineage = scene.units.lineage(where.unit)
    codes = [unit.code for unit in lineage]
    if item.county in codes:
        lineage = lineage[codes.index(item.county) + 1 :]
    return printable("".join(unit.name for unit in lineage)) or where.unit.name


def _type(review: Review, person: PersonId | None, user: RealmUser | None) -> str:
    if person is None:
        return kind_of(review.scene, user) if user is not None else "非实名账号"
    line = review.terms.get(person)
    if line is not None and line.kind is not None:
        return TERMS[line.kind]
    return "管理员账号" if person in review.scene.administrators else "普通账号"
