"""Giving the guard inside Keycloak the rules of the packs, signed, whenever they changed (decision 12)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from string import digits
from typing import Final

from quanheng.clock import day_in_china
from quanheng.engine.desired import CARD_PROVIDER
from quanheng.engine.matching import qualification_groups
from quanheng.engine.waivers import waivers_in_force
from quanheng.identity.rules_key import read_rules_key, thumbprint
from quanheng.keycloak.configuration_files import read_default_role
from quanheng.keycloak.guard import GuardStatus
from quanheng.keycloak.sealing import Exchanged, Swap, digest_of_rules, duty_ids, find_exchanged, seal
from quanheng.model.change import Json
from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.realm import ObservedRealm
from quanheng.operations.context import Context
from quanheng.operations.glass.accounts import names_of_glass
from quanheng.operations.noting import note_if_begun
from quanheng.operations.waivers import read_waived
from quanheng.store.meta import read_text, write_text

_ISSUED: Final = "rules_issued"
"""Entry of ``meta``: the last issue of the rules, as :class:`Issue`."""
_DUTIES: Final = "rules_duties"
"""Entry of ``meta``: which duty each role was, by Keycloak's id, at the last issue in which it was one. None
is forgotten: who makes one anew and publishes could put the old one in another's place otherwise."""
NAMES_BACK: Final = (
    "请查明是谁改名，并在 Keycloak 控制台把各角色的名称改回；守卫拒绝改名时，"
    "按操作文档《在 Keycloak 中安装守卫》“角色名被互换”一节处理。改回之前：守卫得不到新规则，"
    "仍按上一期规则和角色 ID 判断；同步只停用、收回和更正资料，不授予、不启用，也不按名称改动组和角色；"
    "realm apply 拒绝运行。"
)
"""What a person does about names that were exchanged, and what is done meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """The last issue of the rules."""

    sequence: int = 0
    digest: str = ""
    """Of what the guard took last: :func:`digest_of_rules`; empty while it never took any."""
    key: str = ""
    """Thumbprint of the key that signed them; empty while it is not known whether it took this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Rules that were put in force just now."""

    sequence: int
    digest: str
    duties: int
    exclusions: int
    maxima: int
    waivers: int


def publish_rules(context: Context, observed: ObservedRealm) -> Published | None:
    """Give the guard the rules of the packs when they, or what they refer to, changed, or it lacks them.

    ``observed`` needs its roles and groups alone. Returns None when the guard has them already, and when
    this server has no guard (``doctor`` says so): then the names of duties' roles are remembered alone.
    Whoever calls from a sync goes on with what takes power away when this raises, and gives none.

    Raises :class:`UnsealableRulesError` when the realm lacks a role of the packs, :class:`SwappedRolesError`
    when one duty's role goes by another's name (rules are made by name), :class:`ConfigurationError` when
    there is no key, and :class:`RealmRefusedError` (409) when the guard does not believe them, for want of
    our public key for one.
    """
    status = context.guard.read_status()
    rules = context.rules
    known = _read_duties(context)
    duties = {**known, **duty_ids(rules, observed)}
    exchanged_names(context, names_of(observed)).require_none()
    if status is None:
        if duties != known:
            _remember(context, read_issue(context), duties)
        return None
    now = context.clock()
    _ = context.keyring  # opened before the transaction: it may need one of its own
    with context.database.reading() as connection:
        registry = read_waived(connection, context)
    last = read_issue(context)
    key = read_rules_key(context.settings.keys_directory)
    waivers = waivers_in_force(registry, today=day_in_china(now))
    sealed = seal(
        rules,
        observed,
        realm=context.realm_name,
        # A store that was restored knows less than the guard does.
        sequence=max(last.sequence, status.sequence) + 1,
        now=now,
        waivers=waivers,
        writers=[KeycloakId(user) for user in context.realm.own_actors],
        qualifications=qualification_groups(context.pack, observed.groups),
        card=CARD_PROVIDER,
        default_role=(context.realm.default_role, read_default_role()),
        user_names={context.pack.username_form, *map(_numbered, names_of_glass(context))},
        key=key,
    )
    issue = Issue(sequence=sealed.sequence, digest=digest_of_rules(sealed), key=thumbprint(key.public_key()))
    if _has(status, last, issue):
        if duties != known:  # published by a version that did not write it down
            _remember(context, last, duties)
        return None
    # Remembered first: should the answer be lost, the number is not used for anything else; should the guard
    # never take them, roles are known all the same. That it had our rules before stays known: should it be
    # gone the next time, somebody has taken it out.
    _remember(context, replace(last, sequence=issue.sequence, key=""), duties)
    context.guard.publish(sealed)
    _remember(context, issue, duties)
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


def names_of(observed: ObservedRealm) -> Mapping[KeycloakId, RoleName]:
    """The name of each role."""
    return {role.id: name for name, role in observed.roles.items()}


def exchanged_names(context: Context, names: Mapping[KeycloakId, RoleName]) -> Exchanged:
    """Which duties' roles go by each other's names, by the names of all roles now. As long as some do, what
    is found by such a name may not be written."""
    known = _read_duties(context)
    return find_exchanged(context.rules, known, names, default_role=context.realm.default_role)


def describe_swap(context: Context, swap: Swap) -> str:
    """A line for people."""
    duties = context.rules.duties
    theirs = f"{duties[swap.now].label}的角色名" if swap.now in duties else "全员默认角色的名称"
    return f"{duties[swap.was].label}（{swap.was}）的角色现名 {swap.now}，即{theirs}"


def read_issue(context: Context) -> Issue:
    """The last issue of the rules; of number 0 when there is none."""
    with context.database.reading() as connection:
        text = read_text(connection, _ISSUED)
    return Issue() if text is None else Issue(**json.loads(text))


def _numbered(name: Username) -> str:
    """All names that differ from this one by their number alone."""
    return f"{name.rstrip(digits)}#" if name[-1:].isdigit() else name


def _has(status: GuardStatus, last: Issue, issue: Issue) -> bool:
    """Whether the guard has these very rules in force."""
    return (
        status.valid
        and status.sequence == last.sequence
        and (last.digest, last.key) == (issue.digest, issue.key)
    )


def _read_duties(context: Context) -> Mapping[KeycloakId, RoleName]:
    with context.database.reading() as connection:
        text = read_text(connection, _DUTIES)
    known: Mapping[str, str] = json.loads(text or "{}")
    return {KeycloakId(role): RoleName(name) for role, name in known.items()}


def _remember(context: Context, issue: Issue, duties: Mapping[KeycloakId, RoleName]) -> None:
    with context.database.transaction() as connection:
        write_text(connection, _ISSUED, json.dumps(asdict(issue)))
        write_text(connection, _DUTIES, json.dumps(duties, ensure_ascii=False, sort_keys=True))
