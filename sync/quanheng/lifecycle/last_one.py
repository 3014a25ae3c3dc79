"""The last administrator of a kind at the top is not locked for not logging in (decision 5). Pure.

Nobody would be left who could ask for the account to be unlocked, or approve it. Below the top the level
above does both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from quanheng.engine.offices import was_given_office
from quanheng.lifecycle.inactivity import Verdict
from quanheng.model.ids import OrgCode, PersonId, PostId
from quanheng.model.registry import Registry
from quanheng.policy.contents import Pack


def top_offices(registry: Registry, pack: Pack, posts: Collection[PostId], person: PersonId) -> set[PostId]:
    """Those of somebody's posts that are an administrator's of the topmost area, rightly given."""
    root = OrgCode(pack.info.root[0])
    found = set()
    for name in posts:
        post = pack.post_at(name, root)
        decides = post is not None and post.kind == "administrator" and name not in pack.audit_posts
        if decides and was_given_office(registry.proposals, person, root, name):
            found.add(name)
    return found


def keep_last(registry: Registry, pack: Pack, due: Sequence[Verdict]) -> frozenset[PersonId]:
    """Of those who are due, whom nobody would be left without: of each office whoever was there last."""
    locked = {item.person: item for item in due}
    held = {hold.person for hold in registry.holds}
    posts: dict[PersonId, set[PostId]] = defaultdict(set)
    for claim in registry.claims.values():
        if claim.post is not None:
            posts[claim.person].add(claim.post)
    for basis in registry.bases:
        posts[basis.person].add(basis.post)
    holders: dict[PostId, set[PersonId]] = defaultdict(set)
    for person, names in posts.items():
        account = registry.accounts.get(person)
        if account is not None and account.enabled_written and person not in held:
            for office in top_offices(registry, pack, names, person):
                holders[office].add(person)
    kept = set()
    for people in holders.values():
        if people <= locked.keys():
            kept.add(max(people, key=lambda person: (locked[person].due, person)))
    return frozenset(kept)
