"""What powers mean, in words: which people of which area, in Chinese for whoever reads a report. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from quanheng.delegation.evaluating import EVERY, Power
from quanheng.model.ids import KeycloakId, OrgCode, join
from quanheng.model.permission import GROUPS
from quanheng.model.realm import ObservedRealm
from quanheng.model.staff import OrgKind
from quanheng.policy.schema import Over
from quanheng.policy.units import Units

SCOPES: Final[Mapping[tuple[str, str], str]] = {
    (GROUPS, "view"): "查看组",
    (GROUPS, "view-members"): "查看成员",
    (GROUPS, "manage-members"): "管理成员账号",
    (GROUPS, "manage-membership"): "加入、移出该组",
    (GROUPS, "manage-membership-of-members"): "调整成员所属的组",
    (GROUPS, "manage"): "修改组",
    (GROUPS, "impersonate-members"): "冒充成员",
    ("Users", "view"): "查看账号",
    ("Users", "manage"): "管理账号",
    ("Users", "map-roles"): "给账号授予角色",
    ("Users", "manage-group-membership"): "调整账号所属的组",
    ("Users", "impersonate"): "冒充账号",
    ("Users", "reset-password"): "重置口令",
    ("Roles", "map-role"): "授予角色",
    ("Roles", "map-role-composite"): "把角色并入其他角色",
    ("Roles", "map-role-client-scope"): "把角色加入客户端范围",
    ("Clients", "view"): "查看客户端",
    ("Clients", "manage"): "管理客户端",
    ("Clients", "map-roles"): "授予客户端的角色",
    ("Clients", "map-roles-composite"): "把客户端的角色并入其他角色",
    ("Clients", "map-roles-client-scope"): "把客户端的角色加入客户端范围",
}
"""What a scope of a type lets somebody do; others go by Keycloak's names."""

_KINDS: Final[Mapping[str, str]] = {"Users": "账号", "Roles": "角色", "Clients": "客户端", GROUPS: "组"}


class Where(StrEnum):
    """What a group of ours is, for who has power over it; people's places by the pack's own words."""

    TOWNS = Over.TOWNS
    BUREAUS = Over.BUREAUS
    ADMINISTRATORS = Over.ADMINISTRATORS
    DUTIES = "duties"
    WAY = "way"
    """Groups that lead to others: roots, areas, the duties and administrators of an area."""
    QUALIFICATIONS = "qualifications"
    OTHER = "other"
    """Groups that are not ours, users, roles, clients."""
    EVERYTHING = "everything"


WHERES: Final[Mapping[Where, str]] = {
    Where.TOWNS: "乡镇、村、网点",
    Where.BUREAUS: "局机关",
    Where.ADMINISTRATORS: "管理员",
    Where.DUTIES: "岗位",
    Where.WAY: "上级组",
    Where.QUALIFICATIONS: "资格",
    Where.OTHER: "",
    Where.EVERYTHING: "全部",
}


@dataclass(frozen=True, slots=True, order=True)
class Reach:
    """Over whom or what, as far as it has one name: the towns of a county."""

    area: OrgCode
    """Empty where there is none."""
    where: Where
    name: str
    """In words, without how many there are."""


class Wording:
    """Words for the groups of one realm."""

    def __init__(self, units: Units, keys: Mapping[KeycloakId, str], observed: ObservedRealm) -> None:
        """``keys``: which group is which of ours."""
        self._units = units
        self._keys = keys
        self._observed = observed
        self._roles = {role.id: name for name, role in observed.roles.items()}

    def reach(self, power: Power) -> Reach:
        """Over whom or what a power is."""
        kind = _KINDS.get(power.kind, power.kind)
        if power.target == EVERY:
            return Reach(OrgCode(""), Where.EVERYTHING, f"全部{kind}")
        key = self._keys.get(power.target, "") if power.kind == GROUPS else ""
        if not key:
            return Reach(OrgCode(""), Where.OTHER, f"{kind} {self._name(power)}")
        area, where = self.place(key)
        unit = self._units.by_code.get(area)
        named = f"{area} {unit.name}" if unit is not None else str(area)
        return Reach(area, where, f"{named}的{WHERES[where]}" if area else WHERES[where])

    def place(self, key: str) -> tuple[OrgCode, Where]:
        """Area and kind of one of our groups."""
        word, _, rest = key.partition(":")
        code = OrgCode(rest.partition(":")[0])
        if word == "qual":
            return OrgCode(""), Where.QUALIFICATIONS
        if word == "root":
            return OrgCode(""), Where.WAY
        if word != "org":
            kinds = {"duty": Where.DUTIES, "admin": Where.ADMINISTRATORS}
            return code, kinds.get(word, Where.WAY)
        unit = self._units.by_code.get(code)
        area = self._units.area(unit) if unit is not None else None
        if unit is None or area is None:
            return code, Where.OTHER
        if area.code == unit.code:
            return code, Where.WAY
        return area.code, Where.BUREAUS if unit.kind is OrgKind.BUREAU else Where.TOWNS

    def describe(self, powers: Iterable[Power], *, most: int = 6) -> str:
        """In one line: what, and over whom; of more than ``most`` reaches the rest is counted. That whoever
        does something to a group sees it goes without saying."""
        scopes = self.by_scope(powers)
        told = []
        for (kind, scope), reaches in scopes.items():
            if (kind, scope) == (GROUPS, "view") and len(scopes) > 1:
                continue
            label = SCOPES.get((kind, scope), f"{kind} {scope}")
            told.append(f"{label}：{self.count(reaches, most=most)}")
        return "；".join(told)

    def by_scope(self, powers: Iterable[Power]) -> Mapping[tuple[str, str], Mapping[Reach, int]]:
        """How many things of each reach, by type and scope, in the order of :data:`SCOPES`."""
        found: dict[tuple[str, str], dict[Reach, int]] = defaultdict(lambda: defaultdict(int))
        for power in sorted(powers):
            found[power.kind, power.scope][self.reach(power)] += 1
        order = {key: place for place, key in enumerate(SCOPES)}
        ranked = sorted(found, key=lambda key: (order.get(key, len(order)), key))
        return {key: dict(sorted(found[key].items())) for key in ranked}

    def count(self, reaches: Mapping[Reach, int], *, most: int = 6) -> str:
        """Reaches of one scope, with how many groups each is."""
        parts = [
            reach.name if reach.where in (Where.OTHER, Where.EVERYTHING) else f"{reach.name} {count} 组"
            for reach, count in list(reaches.items())[:most]
        ]
        more = len(reaches) - most
        return "、".join(parts) + (f" 等 {len(reaches)} 处" if more > 0 else "")

    def _name(self, power: Power) -> str:
        if power.kind == GROUPS and (group := self._observed.groups.get(power.target)) is not None:
            return join(group.path)
        user = self._observed.users.get(power.target) if power.kind == "Users" else None
        return str(user.username if user is not None else self._roles.get(power.target, power.target))
