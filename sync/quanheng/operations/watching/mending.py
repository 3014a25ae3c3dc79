"""What the guard would take away, taken away through the configurator where no guard does it.

Only where the operator declared that it stays open (``keycloak.configurator_stays_open``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection

from quanheng.errors import QuanhengError, UnreachableError
from quanheng.keycloak.configuration import UNFORESEEN
from quanheng.keycloak.configuration_files import read_mapper_rules
from quanheng.keycloak.guard import Restored
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.representation import plain_name
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.model.realm import ObservedRealm
from quanheng.operations.context import Context
from quanheng.operations.guarding import exchanged_names, names_of
from quanheng.store.meta import read_text, write_text
from quanheng.watch.causes import Remedy, find_remedy

_UNDER_WAY: Final = "causes_under_way"
"""Entry of ``meta``: what is being taken away, until the ledger has it. Who is killed between the removal and
the ledger leaves the next look nothing to find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What was set right, and why the rest was not."""

    restored: tuple[Restored, ...] = ()
    problem: str = ""


def mend_causes(context: Context, observed: ObservedRealm) -> Mended:
    """Set right what gives power past any grant, as far as Keycloak lets us.

    What one thing is refused for, or has the server fail, keeps no others; a server that answers nothing else
    either ends it. What somebody took
    away who was killed before it was told is among it. ``observed``: roles as they are now.
    """
    realm = context.realm
    restored: list[Restored] = []
    problems: list[str] = []
    planned: list[Restored] = []
    before = _read_under_way(context)
    try:
        remedy = find_remedy(
            observed.roles,
            context.rules,
            exchanged=exchanged_names(context, names_of(observed)).names,
            default_groups=realm.read_default_groups(),
            mappers=realm.read_mappers(),
            judge=read_mapper_rules(),
        )
        steps = list(_steps(context, observed, remedy))
        planned = [item for _, done in steps for item in done]
        restored += [item for item in before if item not in planned]
        if planned:
            _write_under_way(context, [*restored, *planned])
        for mend, done in steps:
            try:
                mend()
            except RealmRefusedError as error:
                problems.append(str(error))
            except UnreachableError as error:
                problems.append(str(error))
                realm.read_server_time()  # raises when it is gone
            else:
                restored += done
    except QuanhengError as error:
        problems.append(str(error))
    except UNFORESEEN as error:
        problems.append(f"something has a shape that nobody foresaw ({type(error).__name__})")
    if planned:
        _write_under_way(context, restored)  # not what was refused: somebody else may take that away
    return Mended(restored=tuple(restored), problem="; ".join(dict.fromkeys(problems)))


def forget_under_way(connection: Connection) -> None:
    """What was set right is told, within the transaction that tells it."""
    if read_text(connection, _UNDER_WAY):
        write_text(connection, _UNDER_WAY, "")


def _read_under_way(context: Context) -> list[Restored]:
    with context.database.reading() as connection:
        kept = read_text(connection, _UNDER_WAY)
    return [Restored(**item) for item in json.loads(kept or "[]")]


def _write_under_way(context: Context, items: Sequence[Restored]) -> None:
    with context.database.transaction() as connection:
        write_text(connection, _UNDER_WAY, json.dumps([asdict(item) for item in items], ensure_ascii=False))


def _steps(
    context: Context, observed: ObservedRealm, remedy: Remedy
) -> Iterator[tuple[Callable[[], None], list[Restored]]]:
    """What takes something away, with how that is told; then what puts something back, which is not."""
    realm, roles = context.realm, observed.roles

    def ids(parts: frozenset[RoleName]) -> frozenset[KeycloakId]:
        return frozenset(roles[part].id for part in parts)

    for name, parts in remedy.surplus.items():
        subject = plain_name(name)
        told = [
            Restored(kind="composite", subject=subject, removed=plain_name(part)) for part in sorted(parts)
        ]
        yield partial(realm.remove_role_parts, roles[name].id, ids(parts)), told
    for group, label in remedy.default_groups.items():
        gone = Restored(kind="default_group", subject=context.realm_name, removed=label)
        yield partial(realm.remove_default_group, group), [gone]
    for mapper in remedy.mappers:
        yield partial(realm.remove_mapper, mapper), [Restored.of_mapper(mapper)]
    for name, parts in remedy.lacking.items():
        yield partial(realm.add_role_parts, roles[name].id, ids(parts)), []
