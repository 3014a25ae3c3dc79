"""Who made a draft, and when: kept in the ledger, since Keycloak forgets its events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection

from quanheng.engine.matching import is_nobodys
from quanheng.ledger.entry import moment_text
from quanheng.model.change import Json
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import AdminEvent, ObservedRealm
from quanheng.operations.context import Context
from quanheng.operations.noting import note_all

DRAFT_SEEN: Final = "draft_seen"


def note_drafts(
    context: Context,
    connection: Connection,
    before: ObservedRealm,
    after: ObservedRealm,
    touched: Iterable[KeycloakId],
    events: Sequence[AdminEvent],
) -> None:
    """Write down each account of nobody's that came into an organisation, once: when it did."""
    entries: list[tuple[str, dict[str, Json]]] = []
    for user in sorted(touched):
        if not _is_draft(context, after, user) or _is_draft(context, before, user):
            continue
        paths = (f"users/{user}", f"users/{user}/groups/")
        event = next(
            (
                item
                for item in events
                if item.operation == "CREATE"
                and (item.resource_path == paths[0] or item.resource_path.startswith(paths[1]))
            ),
            None,
        )
        body: dict[str, Json] = {
            "user": str(user),
            "username": str(after.users[user].username),
            "actor": event.actor_user if event is not None else "",
            "at": moment_text(event.at) if event is not None else "",
        }
        entries.append((DRAFT_SEEN, body))
    note_all(context, connection, entries)


def _is_draft(context: Context, observed: ObservedRealm, identifier: KeycloakId) -> bool:
    user = observed.users.get(identifier)
    if user is None or not is_nobodys(user):
        return False
    root = context.pack.organisations.organisation_root
    paths = (observed.groups[group].path for group in user.groups if group in observed.groups)
    return any(path[0] == root and len(path) > 1 for path in paths)
