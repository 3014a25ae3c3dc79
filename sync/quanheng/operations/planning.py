"""From sources, registry and mirror to a plan. Writes nothing to Keycloak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from quanheng.clock import day_in_china
from quanheng.engine.adopt import adopt_accounts, lost_names
from quanheng.engine.desired import Desired, build_desired
from quanheng.engine.diff import Difference, build_difference
from quanheng.engine.merge import merge
from quanheng.engine.plan import Plan, digest_of, order_changes
from quanheng.engine.safety import judge_safety
from quanheng.engine.trees import Trees
from quanheng.engine.undisputed import find_undisputed
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import OrgCode, PostId
from quanheng.model.realm import ObservedRealm
from quanheng.model.registry import Registry
from quanheng.operations.context import Context
from quanheng.operations.glass.accounts import ids_of_glass
from quanheng.operations.guarding import NAMES_BACK, describe_swap, exchanged_names, names_of
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.readings import Readings, read_sources
from quanheng.operations.trust import read_trusted, sign_proposals
from quanheng.policy.sealed_roles import contents_of
from quanheng.policy.units import in_scope
from quanheng.store.plans import read_left_over


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan and what it was made from."""

    plan: Plan
    readings: Readings
    registry: Registry
    """The registry as it will be."""


def make_plan(context: Context, observed: ObservedRealm) -> Planned:
    """Read the sources and decide what has to change in what ``observed`` shows."""
    now = context.clock()
    keyring = context.keyring
    with context.database.reading() as connection:
        trusted = read_trusted(connection, keyring)
        left_over = read_left_over(connection, keyring)
    registry = trusted.registry
    recoded = read_recoded(context)
    readings = read_sources(context, registry, units_of(context, registry, recoded))
    merged = merge(
        registry,
        readings.accepted,
        pack=context.pack,
        issuer=context.issuer(),
        taken={user.username for user in observed.users.values()},
        lost=lost_names(registry, observed),
    )
    adopted = adopt_accounts(merged.registry, observed, today=day_in_china(now))
    delta = adopted.extend(merged.delta)
    desired, difference = compare(context, adopted.registry, observed, recoded)
    delta = replace(delta, adopted=(*delta.adopted, *difference.linked))
    known = registry.proposals
    proposals = {item.key: item for item in (*delta.proposals, *desired.proposals)}
    new = [item for key, item in proposals.items() if known.get(key) != item]
    delta = replace(delta, proposals=sign_proposals(keyring, new))
    changes = order_changes(difference.changes)
    plan = Plan(
        digest=digest_of(
            context.realm_name, registry.revision, changes, [item.remembered for item in readings.accepted]
        ),
        realm=context.realm_name,
        base_revision=registry.revision,
        planner=context.who,
        created_at=now,
        changes=changes,
        delta=delta,
        findings=(
            *trusted.findings,
            *readings.findings(),
            *merged.findings,
            *adopted.findings,
            *desired.findings,
            *difference.findings,
        ),
        excess=judge_safety(
            changes,
            dict(context.settings.safety),
            accounts=len(adopted.registry.accounts),
            groups=len(observed.groups),
            may_grow=_may_grow(registry, readings),
            approved_keys=approved_keys(context, desired),
            admitted=[*left_over, *find_undisputed(changes, merged.registry)],
        ),
        sources=readings.summaries,
    )
    return Planned(plan=plan, readings=readings, registry=adopted.registry)


def compare(
    context: Context,
    registry: Registry,
    observed: ObservedRealm,
    recoded: Mapping[OrgCode, OrgCode],
    *,
    everybody: bool = True,
) -> tuple[Desired, Difference]:
    """What should be there, and how ``observed`` differs from it. ``everybody``: it shows all users, so that
    whose account a draft is to be can be told.

    While duties' roles go by each other's names that is told, and no change gives anything or goes by such a
    name.
    """
    units = units_of(context, registry, recoded)
    exchanged = exchanged_names(context, names_of(observed))
    desired = build_desired(registry, units, context.pack, context.rules, today=day_in_china(context.clock()))
    difference = build_difference(
        desired,
        observed,
        registry,
        default_role=context.realm.default_role,
        roots=Trees(context.pack, units).roots,
        contents=contents_of(context.rules, observed.roles),
        recoded=recoded,
        exchanged=exchanged.names,
        has_password=(lambda user: bool(context.realm.read_passwords(user))) if everybody else None,
    )
    told = [
        Finding(
            kind=FindingKind.EXCHANGED_NAMES,
            subject=str(swap.was),
            detail=f"{describe_swap(context, swap)}。{NAMES_BACK}",
            violation=True,
        )
        for swap in exchanged.swaps
    ]
    # The sealed accounts are no strangers; what else they hold is told like any stranger's.
    sealed = {observed.users[user].username for user in ids_of_glass(context) if user in observed.users}
    found = [
        item
        for item in difference.findings
        if item.kind is not FindingKind.FOREIGN_USER or item.subject not in sealed
    ]
    return desired, replace(difference, findings=(*found, *told))


def _may_grow(registry: Registry, readings: Readings) -> bool:
    """A first load, or a source that now speaks of organisations it did not speak of before."""
    if not registry.accounts:
        return True
    for item in readings.accepted:
        declaration = item.reading.declaration
        last = registry.sources.get(declaration.source)
        if last is None or not all(in_scope(code, last.scope) for code in declaration.scope):
            return True
    return False


def approved_keys(context: Context, desired: Desired) -> frozenset[str]:
    """Groups that nobody joins without a second person's approval."""
    pack = context.pack
    guarded = set()
    for key in desired.groups:
        kind, _, rest = key.partition(":")
        area, _, name = rest.partition(":")
        post = pack.post_at(PostId(name), OrgCode(area)) if kind in ("duty", "admin") else None
        if post is not None and post.approval == "second_person":
            guarded.add(key)
    return frozenset(guarded)
