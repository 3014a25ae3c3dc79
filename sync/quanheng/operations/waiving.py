"""Waivers: asked for by one person, approved by another, ended by their day (``rules.md``, last section).

Only rules whose text leaves room (原则上) can be waived: the pack says which. A waiver is a proposal like any
other, decided with ``quanheng approve``; its key is a digest of all that it says, so nothing of it can be
changed under an approval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from quanheng.clock import day_in_china
from quanheng.engine.calendar import add_months
from quanheng.engine.waivers import waiver_key
from quanheng.errors import ConfigurationError, RefusedError
from quanheng.keycloak.login import AuthenticatedPerson
from quanheng.logs import redact_text
from quanheng.model.ids import OrgCode
from quanheng.model.person import HoldKind, PersonRecord, Proposal, ProposalKind, Waiver
from quanheng.operations.answering.looking import Subject, read_subject
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context
from quanheng.operations.logged_in import account_of
from quanheng.operations.noting import note
from quanheng.operations.offices_held import record_of, require_free
from quanheng.operations.trust import read_trusted_part, sign_proposals
from quanheng.operations.waivers import vetoed
from quanheng.policy.contents import Pack
from quanheng.policy.rules import covers
from quanheng.policy.schema import Exclusion, Maximum
from quanheng.store import tables
from quanheng.store.database import upsert
from quanheng.store.registry import put_proposals
from quanheng.store.registry_rows import waiver_row

LONGEST_MONTHS: Final = 12
"""How far ahead a waiver may end; after that somebody has to ask again."""
SHORTEST_TEXT: Final = 4
LONGEST_TEXT: Final = 500
_CLOCK_SLACK: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A waiver that may be asked for, not yet written down."""

    waiver: Waiver
    proposal: Proposal
    rule: Exclusion | Maximum


def prepare_waiver(
    context: Context, who: str, rule_id: str, *, reason: str, control: str, until: date
) -> Asked:
    """See whether a waiver may be asked for. Writes nothing.

    Raises :class:`ConfigurationError` for a person or rule that is not there and for a clock that is wrong,
    :class:`RefusedError` for a rule that may not be waived, an end in the past or more than a year ahead, and
    whatever else speaks against it.
    """
    rule = find_rule(context.pack, rule_id)
    require_clock(context)
    today = day_in_china(context.clock())
    _require_end(until, today)
    for name, text in (("reason", reason), ("control", control)):
        _require_text(name, text)
    subject = read_subject(context, who)
    person, area = _require_subject(subject, rule)
    waiver = Waiver(
        key="", person=person.id, rule=rule.id, reason=reason.strip(), control=control.strip(), until=until
    )
    waiver = replace(waiver, key=waiver_key(waiver))
    known = subject.registry.proposals.get(waiver.key)
    if known is not None:
        raise RefusedError(
            f"this very waiver was asked for before and is {known.state}",
            remedy="look at 'quanheng waivers'; ask with another reason, measure or end",
        )
    proposal = Proposal(
        key=waiver.key,
        kind=ProposalKind.WAIVER,
        subject=str(person.staff_no),
        summary=f"豁免“{rule.label}”（{rule.article}）至 {until.isoformat()}：{person.name}"
        f"（人员编号 {person.staff_no}）；理由：{waiver.reason}；防控措施：{waiver.control}",
        area=area,
        post=None,
        origin=f"rule:{rule.id}",
        proposer="",
    )
    return Asked(waiver=waiver, proposal=proposal, rule=rule)


def ask_waiver(context: Context, asked: Asked, person: AuthenticatedPerson) -> Proposal:
    """Write down that a person, who has proved who it is, asks for a waiver. A second person decides.

    Raises :class:`RefusedError` when the account is not an enabled one of this registry, or is held.
    """
    user = account_of(context, person)
    made = replace(asked.proposal, proposer=f"realm:{person.username}")
    # The keyring is opened before the transaction: it may need one of its own.
    (proposal,) = sign_proposals(context.keyring, [made])
    waiver, now = asked.waiver, context.clock()
    with hold_lease(context) as lease, context.database.transaction() as connection:
        lease.assert_held(connection)
        registry = read_trusted_part(connection, context.keyring, [user.id], [waiver.person]).registry
        require_free(context, registry, record_of(registry, person.username))
        if proposal.key in registry.proposals:
            raise RefusedError(
                "this very waiver was asked for a moment ago", remedy="look at 'quanheng waivers'"
            )
        # The revision stays: what was only asked for changes no plan.
        upsert(connection, tables.waiver, [waiver_row(waiver)])
        put_proposals(connection, [proposal], now)
        note(
            context,
            connection,
            "waiver_requested",
            {
                "key": waiver.key,
                "user": str(registry.persons[waiver.person].username),
                "rule": waiver.rule,
                "article": asked.rule.article,
                "reason": waiver.reason,
                "control": waiver.control,
                "until": waiver.until.isoformat(),
                "asked_by": str(person.username),
            },
        )
    return proposal


def find_rule(pack: Pack, rule_id: str) -> Exclusion | Maximum:
    """A rule that may be waived, by its id.

    Raises :class:`ConfigurationError` when there is none of this id, :class:`RefusedError` when its text
    leaves no room.
    """
    wanted = rule_id.partition("#")[0]
    for rule in vetoed(pack):
        if rule.id != wanted:
            continue
        if rule.waivable:
            return rule
        raise RefusedError(
            f"{rule.id} “{rule.label}” ({rule.article}) may not be waived: its text leaves no room",
            remedy="take away one of the two things",
        )
    for reported in (*pack.rules.minima, *pack.rules.stages):
        if reported.id == wanted:
            raise RefusedError(
                f"{reported.id} “{reported.label}” ({reported.article}) is only reported, never vetoed",
                remedy="appoint somebody",
            )
    waivable = "、".join(rule.id for rule in vetoed(pack) if rule.waivable)
    raise ConfigurationError(
        f"the packs have no rule '{rule_id}'",
        remedy=f"name one of: {waivable}" if waivable else "no rule of these packs may be waived",
    )


def require_clock(context: Context) -> None:
    """What ends on a day counts in days: a machine that is wrong about them must not set its end.

    Raises :class:`ConfigurationError` when Keycloak's clock differs from this one's by minutes.
    """
    away = abs(context.realm.read_server_time() - context.clock())
    if away >= _CLOCK_SLACK:
        raise ConfigurationError(
            f"this machine's clock and Keycloak's differ by {int(away.total_seconds() // 60)} minutes",
            remedy="set the clock (see 'quanheng doctor'), then ask again",
        )


def _require_end(until: date, today: date) -> None:
    latest = add_months(today, LONGEST_MONTHS)
    if until < today:
        raise RefusedError(f"{until.isoformat()} is past", remedy="name the last day on which it counts")
    if until > latest:
        raise RefusedError(
            f"{until.isoformat()} is more than a year ahead",
            remedy=f"end it on {latest.isoformat()} or before",
        )


def _require_text(name: str, text: str) -> None:
    if not SHORTEST_TEXT <= len(text.strip()) <= LONGEST_TEXT:
        raise RefusedError(
            f"the {name} of a waiver has {SHORTEST_TEXT} to {LONGEST_TEXT} characters",
            remedy=f"say it with --{name}",
        )
    if redact_text(text) != text:
        raise RefusedError(
            f"the {name} holds what looks like an ID number or a phone; the ledger must not",
            remedy="say it without the number",
        )


def _require_subject(subject: Subject, rule: Exclusion | Maximum) -> tuple[PersonRecord, OrgCode]:
    """Somebody for whom a rule can be waived, and the area."""
    if subject.person is None or subject.desired is None:
        raise RefusedError(
            f"{subject.name} is not an account of a person from a source",
            remedy="no duty is given to such an account, with or without a waiver",
        )
    if subject.user is None:
        raise RefusedError(f"{subject.name} has no account yet", remedy="run 'quanheng sync' first")
    if any(hold.kind is HoldKind.LEFT for hold in subject.desired.holds):
        raise RefusedError(f"{subject.name} has left", remedy="nothing is to be waived")
    area = subject.area
    if area is None:
        raise RefusedError(
            f"the sources do not have {subject.name} in one county, city or province",
            remedy="clarify where the person works first",
        )
    if not covers(tuple(OrgCode(code) for code in rule.areas), area.code):
        raise RefusedError(
            f"rule {rule.id} does not apply in {area.code} {area.name}", remedy="nothing is to be waived"
        )
    return subject.person, area.code
