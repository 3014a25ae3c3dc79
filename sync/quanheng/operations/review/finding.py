"""What the monthly review finds now, from the mirror and the registry. Writes nothing.

Keycloak is asked for what changed since the mirror was written, never for one account after another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from quanheng.clock import day_in_china
from quanheng.engine.adopt import adopt_accounts
from quanheng.identity.port import Indexer
from quanheng.lifecycle.inactivity import Subject, clients_that_count, describe_span, judge_use
from quanheng.lifecycle.requests import approved_requests
from quanheng.lifecycle.review import Found, Handling, ReviewKind
from quanheng.lifecycle.review_finding import find_all
from quanheng.lifecycle.review_scene import Scene
from quanheng.lifecycle.tenure import TenureState
from quanheng.lifecycle.terms import KINDS, TermState
from quanheng.model.ids import KeycloakId, PersonId
from quanheng.model.person import AccountRequest, HoldKind
from quanheng.operations.answering.looking import look
from quanheng.operations.context import Context
from quanheng.operations.glass.accounts import ids_of_glass
from quanheng.operations.judging import judge_observed
from quanheng.operations.lifecycle.tenure import read_tenures
from quanheng.operations.lifecycle.terms import TermLine, read_terms
from quanheng.operations.organisations import read_recoded, units_of
from quanheng.operations.planning import compare
from quanheng.operations.trust import read_trusted
from quanheng.policy.schema_lifecycle import Inactivity
from quanheng.store.login_position import read_problem
from quanheng.store.logins import Use, read_gaps, read_unused

_DOUBTFUL: Final = "；登录记录不完整，请先核实"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What was found, and what it was found in."""

    found: tuple[Found, ...]
    scene: Scene
    terms: Mapping[PersonId, TermLine]
    """Accounts that are for a time."""
    indexer: Indexer
    """Marks what is shown."""


def find_review(context: Context) -> Review:
    """Look at every account as it is now.

    Raises :class:`UnreachableError` when Keycloak cannot be asked what changed.
    """
    uses = _read_uses(context)
    scene = _scene(context, uses)
    terms = {line.person: line for line in read_terms(context)}
    with_account = {person.id for person, _, _ in scene.people}
    found = [
        *find_all(scene),
        *_find_idle(context, scene, uses),
        *_find_terms(context, scene, terms),
        *_find_tenures(context, scene),
    ]
    return Review(
        found=tuple(
            item
            for item in found
            if item.person is None or item.person in with_account or item.kind is ReviewKind.ILLEGAL
        ),
        scene=scene,
        terms=terms,
        indexer=context.keyring,
    )


def _read_uses(context: Context) -> Mapping[PersonId, Use]:
    clients, now = clients_that_count(context.pack), context.clock()
    with context.database.reading() as connection:
        return {
            use.person: use
            for on in (True, False)
            for use in read_unused(connection, clients, now, now=now, switched_on=on)
        }


def _scene(context: Context, uses: Mapping[PersonId, Use]) -> Scene:
    observed, keyring = look(context), context.keyring
    recoded, today = read_recoded(context), day_in_china(context.clock())
    with context.database.reading() as connection:
        trusted = read_trusted(connection, keyring).registry
    registry = adopt_accounts(trusted, observed, today=today).registry
    # ``everybody=False``: whether a draft could be linked is not asked, which takes a request for each.
    desired, difference = compare(context, registry, observed, recoded, everybody=False)
    judged = judge_observed(context, registry, observed)
    return Scene(
        registry=registry,
        observed=observed,
        desired=desired.users,
        findings=desired.findings,
        drafts=difference.drafts,
        held=judged.held,
        conflicts=judged.conflicts,
        rules=context.rules,
        pack=context.pack,
        units=units_of(context, registry, recoded),
        today=today,
        default_role=context.realm.default_role,
        known=ids_of_glass(context) | frozenset(map(KeycloakId, context.realm.own_actors)),
        last_logins={
            person: day_in_china(use.last) if use.last is not None else None for person, use in uses.items()
        },
    )


def _find_idle(context: Context, scene: Scene, uses: Mapping[PersonId, Use]) -> Iterator[Found]:
    """Accounts that nobody has logged in to for so long; those that were locked for it, too."""
    review, now = context.pack.lifecycle.review, context.clock()
    with context.database.reading() as connection:
        gaps, problem = read_gaps(connection), read_problem(connection)
    requests: dict[PersonId, list[AccountRequest]] = defaultdict(list)
    for request in approved_requests(scene.registry):
        requests[request.person].append(request)
    locks = context.pack.lifecycle.inactivity
    rule = Inactivity(
        after=review.idle, exemptions=locks.exemptions if locks is not None else (), article=review.article
    )
    floor = max((gap.until for gap in gaps), default=None)
    for person, want, user in scene.people:
        use, kinds = uses.get(person.id), {hold.kind for hold in want.holds}
        if use is None or kinds - {HoldKind.INACTIVE} or not (user.enabled or kinds):
            continue
        subject = Subject(
            person=person.id,
            posts=frozenset(basis.post for basis in want.bases),
            county=scene.where(person.id).area.code,
            orgs=frozenset([scene.where(person.id).unit.code, *(basis.area for basis in want.bases)]),
            counts_from=use.counts_from,
            last=use.last,
        )
        verdict = judge_use(subject, rule, requests.get(person.id, ()), floor=floor, today=scene.today)
        locked = HoldKind.INACTIVE in kinds
        if not locked and verdict.due > now:
            continue
        detail, proposed = _last_use(use), Handling.FREEZE
        if locked:
            detail, proposed = f"{detail}，已锁定，至今未解锁", Handling.DEREGISTER
        elif verdict.exempt is not None:
            until = verdict.exempt.until.isoformat()
            detail, proposed = f"{detail}，已批准免予锁定至 {until}", Handling.KEEP
        else:
            detail = f"{detail}，已满 {describe_span(review.idle)}"
        yield Found(
            kind=ReviewKind.IDLE,
            county=scene.answered_in(person.id),
            person=person.id,
            username=str(person.username),
            about="",
            detail=detail + (_DOUBTFUL if problem else ""),
            proposed=proposed,
            article=review.article,
        )


def _last_use(use: Use) -> str:
    if use.last is None:
        return f"自 {day_in_china(use.counts_from).isoformat()} 起从未登录"
    return f"最近登录 {day_in_china(use.last).isoformat()}"


def _find_terms(context: Context, scene: Scene, terms: Mapping[PersonId, TermLine]) -> Iterator[Found]:
    """Accounts for a time that end soon, have ended and are still there, or lack an end."""
    review, temporary = context.pack.lifecycle.review, context.pack.lifecycle.temporary
    for line in terms.values():
        what = KINDS[line.kind] if line.kind is not None else "临时人员账号"
        if line.state is TermState.ENDING and line.until is not None:
            detail, proposed = f"{what}将于 {line.until.isoformat()} 到期", Handling.END
        elif line.state is TermState.ENDED:
            detail, proposed = f"{what}已到期停用，尚未注销", Handling.DEREGISTER
        elif line.state is TermState.MISSING:
            detail, proposed = f"{what}没有期限和责任人", Handling.RENEW
        else:
            continue
        yield Found(
            kind=ReviewKind.TEMPORARY_ENDING,
            county=scene.answered_in(line.person),
            person=line.person,
            username=str(line.username),
            about=line.until.isoformat() if line.until is not None else "",
            detail=detail,
            proposed=proposed,
            article=temporary.article if temporary is not None else review.article,
        )


def _find_tenures(context: Context, scene: Scene) -> Iterator[Found]:
    """People near the end of the years in a high-risk post, or past it."""
    for line in read_tenures(context):
        judged = line.judged
        full = "已于" if line.state is TenureState.OVER else "将于"
        yield Found(
            kind=ReviewKind.TENURE_NEAR,
            county=scene.answered_in(line.person),
            person=line.person,
            username=str(line.username),
            about=f"{line.post}:{line.area}:{judged.since.isoformat()}",
            detail=f"{line.label}，自 {judged.since} 起任职，{full} {judged.over_from} 满 {line.years} 年",
            proposed=Handling.ROTATE,
            article=line.article,
        )
