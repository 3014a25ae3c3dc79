"""Several packs in one realm: where two speak, the stricter holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from quanheng.errors import ConfigurationError
from quanheng.model.ids import PostId
from quanheng.policy.contents import Pack, Stricter, stricter_post
from quanheng.policy.lifecycle_stacking import stack_lifecycles
from quanheng.policy.lint import lint
from quanheng.policy.schema import (
    AdministrationFile,
    Charge,
    Exclusion,
    Maximum,
    Minimum,
    PermissionsFile,
    Post,
    PostsFile,
    RulesFile,
    Stages,
    Subsystem,
)
from quanheng.policy.units import in_scope

_Scoped = TypeVar("_Scoped", Post, Charge, Exclusion, Maximum, Minimum, Stages)


def stack(packs: Sequence[Pack]) -> Pack:
    """One pack that says what all of them say.

    The first owns the realm, the organisations, sources, statuses, kinds of employment and 三员. The others
    add posts, charges, permissions and rules inside their own scope, and make posts stricter there.
    Raises :class:`ConfigurationError` with every contradiction between them.
    """
    if not packs:
        raise ConfigurationError("no pack is named", remedy="name one in 'packs' of quanheng.toml")
    stacked = packs[0]
    for upper in packs[1:]:
        faults = _clashes(stacked, upper)
        if not faults:
            stacked = _put(stacked, upper)
            faults = lint(stacked)
        if faults:
            raise ConfigurationError(
                "\n".join(f"{stacked.info.id} + {upper.info.id}: {fault}" for fault in faults),
                remedy="see 'Stacking' in docs/reference/packs.md",
            )
    return stacked


def _clashes(base: Pack, upper: Pack) -> list[str]:
    """What keeps two packs from being put together."""
    faults = []
    if upper.info.realm != base.info.realm:
        faults.append(f"pack.yaml: realm '{upper.info.realm}' is not '{base.info.realm}'")
    faults += [
        f"pack.yaml: scope '{code}' lies outside the first pack's"
        for code in upper.info.scope
        if not in_scope(code, base.info.scope)
    ]
    titles = {item.letter: item.title for item in base.info.regulations}
    faults += [
        f"pack.yaml: regulation '{item.letter}' is '{titles[item.letter]}' in the pack below; use another"
        for item in upper.info.regulations
        if titles.get(item.letter, item.title) != item.title
    ]
    faults += _clashing_qualifications(base, upper)
    faults += _clashing_posts(base, upper)
    faults += _clashing_permissions(base, upper)
    known = {rule.id for rule in _rules(base)}
    faults += [
        f"rules.yaml: rule id '{rule.id}' is in the pack below; give it another"
        for rule in _rules(upper)
        if rule.id in known
    ]
    return faults


def _clashing_qualifications(base: Pack, upper: Pack) -> Iterable[str]:
    known = {item.id: item for item in base.qualifications.qualifications}
    for item in upper.qualifications.qualifications:
        if known.get(item.id) != item:
            yield f"qualifications.yaml: {item.id}: not in the first pack; repeat its words"


def _clashing_posts(base: Pack, upper: Pack) -> Iterable[str]:
    labels = {label: post.id for label, post in base.post_by_label.items()}
    for post in upper.posts.posts:
        where = f"posts.yaml: {post.id}"
        below = base.post_by_id.get(PostId(post.id))
        for label in (post.label, *post.aliases):
            if labels.get(label, post.id) != post.id:
                yield f"{where}: label '{label}' is post '{labels[label]}' in the pack below"
        if below is None:
            continue
        for name in ("label", "kind", "category"):
            if getattr(post, name) != getattr(below, name):
                yield f"{where}: {name} is '{getattr(below, name)}' in the pack below; a post is one thing"
        merged = stricter_post(below, post)
        if not merged.tiers:
            yield f"{where}: tiers: none is left of those in the pack below"
        if not merged.bases:
            yield f"{where}: bases: none is left of those in the pack below"
        if merged.approval == "second_person" and not merged.approved_by:
            yield f"{where}: approved_by: nobody is left of those in the pack below"


def _clashing_permissions(base: Pack, upper: Pack) -> Iterable[str]:
    below = {item.id: item for item in base.permissions.subsystems}
    business = {item.id: item for item in base.permissions.businesses}
    for item in upper.permissions.businesses:
        if business.get(item.id, item) != item:
            yield f"permissions.yaml: business '{item.id}' is another in the pack below"
    for subsystem in upper.permissions.subsystems:
        known = below.get(subsystem.id)
        if known is not None and known.label != subsystem.label:
            yield f"permissions.yaml: {subsystem.id}: label is '{known.label}' in the pack below"
        taken = {item.id for item in known.permissions} if known is not None else set()
        for permission in subsystem.permissions:
            where = f"permissions.yaml: {subsystem.id}/{permission.id}"
            if permission.id in taken:
                yield f"{where}: is in the pack below"
            for post in permission.posts:
                if PostId(post) in base.post_by_id:
                    yield f"{where}: posts: '{post}' is the pack below's: its role is the same everywhere"


def _rules(pack: Pack) -> tuple[Exclusion | Maximum | Minimum | Stages, ...]:
    rules = pack.rules
    return (*rules.exclusions, *rules.maxima, *rules.minima, *rules.stages)


def _put(base: Pack, upper: Pack) -> Pack:
    scope = upper.info.scope
    layer = {
        PostId(post.id): stricter_post(base.post_by_id[PostId(post.id)], post)
        for post in upper.posts.posts
        if PostId(post.id) in base.post_by_id
    }
    added = [_scoped(post, scope) for post in upper.posts.posts if PostId(post.id) not in base.post_by_id]
    below, above = base.rules, upper.rules
    letters = {item.letter: item for item in (*base.info.regulations, *upper.info.regulations)}
    return Pack(
        info=base.info.model_copy(update={"regulations": tuple(letters.values())}),
        organisations=base.organisations,
        qualifications=base.qualifications,
        posts=PostsFile(posts=(*(_named(post, upper) for post in base.posts.posts), *added)),
        administration=AdministrationFile(
            charges=(
                *base.administration.charges,
                *(_scoped(charge, scope) for charge in upper.administration.charges),
            ),
            officers=base.administration.officers,
        ),
        permissions=_permissions(base.permissions, upper.permissions),
        rules=RulesFile(
            exclusions=(*below.exclusions, *(_scoped(rule, scope) for rule in above.exclusions)),
            maxima=(*below.maxima, *(_scoped(rule, scope) for rule in above.maxima)),
            minima=(*below.minima, *(_scoped(rule, scope) for rule in above.minima)),
            stages=(*below.stages, *(_scoped(rule, scope) for rule in above.stages)),
        ),
        statuses=base.statuses,
        sources=base.sources,
        lifecycle=stack_lifecycles(base.lifecycle, upper.lifecycle, upper.info.scope),
        stricter=(*base.stricter, Stricter(areas=scope, posts=layer)) if layer else base.stricter,
    )


def _scoped(item: _Scoped, scope: tuple[str, ...]) -> _Scoped:
    """The same, in its own areas or else in its pack's scope alone."""
    return item.model_copy(update={"areas": item.areas or scope})


def _named(post: Post, upper: Pack) -> Post:
    """A post that sources also know by the upper pack's aliases."""
    other = upper.post_by_id.get(PostId(post.id))
    if other is None:
        return post
    return post.model_copy(update={"aliases": stricter_post(post, other).aliases})


def _permissions(below: PermissionsFile, above: PermissionsFile) -> PermissionsFile:
    more = {item.id: item for item in above.subsystems}
    subsystems: list[Subsystem] = []
    for item in below.subsystems:
        added = more.pop(item.id, None)
        permissions = (*item.permissions, *(added.permissions if added is not None else ()))
        subsystems.append(item.model_copy(update={"permissions": permissions}))
    return PermissionsFile(
        crossing_kinds=tuple(dict.fromkeys((*below.crossing_kinds, *above.crossing_kinds))),
        # Each pack was linted by its own word, and permissions are carried by posts of their own pack.
        one_category=False,
        businesses=tuple({item.id: item for item in (*below.businesses, *above.businesses)}.values()),
        subsystems=(*subsystems, *more.values()),
    )
