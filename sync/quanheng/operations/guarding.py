"""Giving the guard inside Keycloak the rules of the packs, signed, whenever they changed (decision 12)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from quanheng.clock import day_in_china
from quanheng.engine.desired import CARD_PROVIDER
from quanheng.engine.trees import KEY
from quanheng.engine.waivers import waivers_in_force
from quanheng.identity.rules_key import read_rules_key, thumbprint
from quanheng.keycloak.guard import GuardStatus
from quanheng.keycloak.sealing import digest_of_rules, seal
from quanheng.model.change import Json
from quanheng.model.ids import KeycloakId, QualificationId
from quanheng.model.realm import ObservedRealm
from quanheng.operations.context import Context
from quanheng.operations.noting import note_if_begun
from quanheng.operations.trust import read_trusted
from quanheng.policy.contents import Pack
from quanheng.store.meta import read_text, write_text

_ISSUED: Final = "rules_issued"
"""Entry of ``meta``: the last issue of the rules that the guard took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue of the rules."""

    sequence: int = 0
    digest: str = ""
    """Of what they say: :func:`digest_of_rules`."""
    key: str = ""
    """Thumbprint of the key that signed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Rules that were put in force just now."""

    sequence: int
    digest: str
    duties: int
    exclusions: int
    maxima: int
    waivers: int


def publish_rules(context: Context, observed: ObservedRealm, *, force: bool = False) -> Published | None:
    """Give the guard the rules of the packs when they, or what they refer to, changed, or it lacks them.

    ``observed`` needs its roles and groups alone. Returns None when the guard has them already, and when
    this server has no guard (``doctor`` says so). ``force`` publishes in any case. Whoever calls from a sync
    goes on with what takes power away when this raises, and gives none.

    Raises :class:`UnsealableRulesError` when the realm lacks a role of the packs,
    :class:`ConfigurationError` when there is no key, and :class:`RealmRefusedError` (409) when the guard
    does not believe them, for want of our public key for one.
    """
    status = context.guard.read_status()
    if status is None:
        return None
    now = context.clock()
    keyring = context.keyring
    with context.database.reading() as connection:
        registry = read_trusted(connection, keyring).registry
    last = read_issue(context)
    key = read_rules_key(context.settings.keys_directory)
    waivers = waivers_in_force(registry, today=day_in_china(now))
    rules = context.rules
    sealed = seal(
        rules,
        observed,
        realm=context.realm_name,
        # A store that was restored knows less than the guard does.
        sequence=max(last.sequence, status.sequence) + 1,
        now=now,
        waivers=waivers,
        writers=[KeycloakId(user) for user in context.realm.own_actors],
        qualifications=qualification_groups(context.pack, observed),
        card=CARD_PROVIDER,
        key=key,
    )
    issue = Issue(sequence=sealed.sequence, digest=digest_of_rules(sealed), key=thumbprint(key.public_key()))
    if not force and _has(status, last, issue):
        return None
    # Remembered first: should the answer be lost, the number is not used for anything else.
    _remember(context, Issue(sequence=issue.sequence))
    context.guard.publish(sealed)
    _remember(context, issue)
    published = Published(
        sequence=issue.sequence,
        digest=issue.digest,
        duties=len(rules.duties),
        exclusions=len(rules.exclusions),
        maxima=len(rules.maxima),
        waivers=len(waivers),
    )
    body: dict[str, Json] = {"realm": context.realm_name, **asdict(published)}
    note_if_begun(context, "rules_published", body)
    return published


def read_issue(context: Context) -> Issue:
    """The last issue of the rules that the guard took; of number 0 when there is none."""
    with context.database.reading() as connection:
        text = read_text(connection, _ISSUED)
    return Issue() if text is None else Issue(**json.loads(text))


def qualification_groups(pack: Pack, observed: ObservedRealm) -> Mapping[QualificationId, KeycloakId]:
    """The group of each qualification that has one: with our key below our root, preferably at its place.

    The same choice as the comparison makes (:func:`quanheng.engine.diff_groups.match_groups`).
    """
    root = pack.organisations.qualification_root
    found: dict[QualificationId, KeycloakId] = {}
    ours = [group for group in observed.groups.values() if group.path[0] == root]
    for item in pack.qualifications.qualifications:
        path = (root, item.label)
        keyed = [group for group in ours if group.attributes.get(KEY, ())[:1] == (f"qual:{item.id}",)]
        keyed.sort(key=lambda group: (len(group.path), group.path))
        placed = [group for group in ours if group.path == path]
        candidates = [*(group for group in keyed if group in placed), *keyed, *placed]
        if candidates:
            found[QualificationId(item.id)] = candidates[0].id
    return found


def _has(status: GuardStatus, last: Issue, issue: Issue) -> bool:
    """Whether the guard has these very rules in force."""
    return (
        status.valid
        and status.sequence == last.sequence
        and (last.digest, last.key) == (issue.digest, issue.key)
    )


def _remember(context: Context, issue: Issue) -> None:
    with context.database.transaction() as connection:
        write_text(connection, _ISSUED, json.dumps(asdict(issue)))
