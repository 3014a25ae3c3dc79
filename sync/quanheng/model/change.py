"""One step of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from quanheng.model.ids import PersonId

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]


class ChangeKind(StrEnum):
    """Kinds of changes, in the order in which they are carried out (decision 18)."""

    GROUP_CREATE = "group_create"
    GROUP_UPDATE = "group_update"
    GROUP_MOVE = "group_move"
    GROUP_ROLE_REMOVE = "group_role_remove"
    ROLE_REMOVE = "role_remove"
    REVOKE = "revoke"
    UNLINK = "unlink"
    DISABLE = "disable"
    MOVE = "move"
    UPDATE = "update"
    GROUP_RETIRE = "group_retire"
    CREATE = "create"
    LINK = "link"
    GROUP_ROLE_ADD = "group_role_add"
    ROLE_ADD = "role_add"
    GRANT = "grant"
    ENABLE = "enable"


ORDER: Final[Mapping[ChangeKind, int]] = {kind: rank for rank, kind in enumerate(ChangeKind)}
"""Revokes, moves and disables come before creates and grants; structure comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write to Keycloak, idempotent, with its reason.

    ``subject`` is a user name or the path of a group joined with ``/``. ``detail`` says what is
    written and goes into the ledger: no name of a person, no ID number, no phone. ``private``
    holds what only the write needs (a person's name, the federated subject).
    """

    kind: ChangeKind
    subject: str
    reason: str
    person: PersonId | None = None
    origin: str = ""
    article: str = ""
    detail: Mapping[str, Json] = field(default_factory=dict)
    private: Mapping[str, Json] = field(default_factory=dict)
