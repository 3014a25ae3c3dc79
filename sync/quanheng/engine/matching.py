"""Which group of a realm is which of ours: by the key we wrote into it, failing that by its place. Pure.

One choice for the comparison, the guard's rules and the judge: whoever renames or moves a group in the
console, or copies our key into another, changes it for all three alike or for none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from quanheng.engine.trees import KEY, qualification_places, root_names
from quanheng.model.ids import GroupPath, KeycloakId, OrgCode, QualificationId
from quanheng.model.realm import RealmGroup, RealmUser
from quanheng.policy.pack import Pack

Groups = Mapping[KeycloakId, RealmGroup]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Our groups as they were found."""

    ids: Mapping[str, KeycloakId]
    """Key of each that exists → its id."""
    keys: Mapping[KeycloakId, str]
    """Id of each that exists → its key."""
    doubles: tuple[RealmGroup, ...]
    """Groups with the key of another."""


def is_nobodys(user: RealmUser) -> bool:
    """Whether a user says of nobody whose it is, and is no client's own."""
    return not user.service_account and not any(user.attributes.get("person_id", ()))


def find_roots(names: Iterable[str], groups: Groups) -> frozenset[str]:
    """Names of the tops of our trees, one that was renamed in the console among them."""
    tops = {group.path[0]: group for group in groups.values() if len(group.path) == 1}
    known = set(names)
    there = {key for name in known & tops.keys() for key in tops[name].attributes.get(KEY, ())}
    renamed = {
        name
        for name, group in tops.items()
        for key in group.attributes.get(KEY, ())[:1]
        if key.startswith("root:") and key not in there
    }
    return frozenset(known | renamed)


def match(
    groups: Groups,
    places: Mapping[str, GroupPath],
    roots: frozenset[str],
    recoded: Mapping[OrgCode, OrgCode] | None = None,
) -> Matched:
    """Match groups below ``roots`` to ``places``: where the group of each key should be.

    ``recoded``: old code → new, of organisations; a group may still have the key of the old one.
    """
    candidates = _candidates(groups, roots)
    keyed = {key: _chosen(found, places.get(key)) for key, found in candidates.items()}
    by_path = {group.path: group for group in groups.values()}
    predecessors = {new: old for old, new in (recoded or {}).items()}
    ids: dict[str, KeycloakId] = {}
    keys: dict[KeycloakId, str] = {}
    for key, path in places.items():
        found = keyed.get(key) or keyed.get(_recoded_from(key, predecessors)) or by_path.get(path)
        if found is not None and found.id not in keys:
            ids[key], keys[found.id] = found.id, key
    for key, group in keyed.items():
        if group.id not in keys:
            ids.setdefault(key, group.id)
            keys[group.id] = key
    doubles = [group for key, found in candidates.items() for group in found if group is not keyed[key]]
    return Matched(ids=ids, keys=keys, doubles=tuple(doubles))


def qualification_groups(pack: Pack, groups: Groups) -> Mapping[QualificationId, KeycloakId]:
    """The group of each qualification that has one."""
    places = qualification_places(pack)
    roots = find_roots(root_names(pack), groups)
    ids = match(groups, {f"qual:{name}": path for name, path in places.items()}, roots).ids
    return {name: ids[f"qual:{name}"] for name in places if f"qual:{name}" in ids}


def _candidates(groups: Groups, roots: frozenset[str]) -> Mapping[str, list[RealmGroup]]:
    """Groups of our trees by key, the highest first."""
    candidates: dict[str, list[RealmGroup]] = defaultdict(list)
    for group in sorted(groups.values(), key=lambda item: (len(item.path), item.path)):
        if group.path[0] in roots:
            for key in group.attributes.get(KEY, ())[:1]:
                candidates[key].append(group)
    return candidates


def _chosen(found: list[RealmGroup], place: GroupPath | None) -> RealmGroup:
    """Of several with one key, the one at its place is ours, then the highest."""
    return next((group for group in found if group.path == place), found[0])


def _recoded_from(key: str, predecessors: Mapping[OrgCode, OrgCode]) -> str:
    """The key that the same group had under the unit's old code; empty when there was none."""
    word, _, rest = key.partition(":")
    code, mark, post = rest.partition(":")
    old = predecessors.get(OrgCode(code)) if word != "qual" else None
    return f"{word}:{old}{mark}{post}" if old is not None else ""
