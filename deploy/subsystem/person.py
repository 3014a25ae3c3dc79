"""What claims say of somebody. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_CODE: Final = re.compile(r"^[0-9A-Z]{2,12}-")
"""Before the name of an organisation in its group: ``140902-忻府区``."""
_ORGANISATIONS: Final = "机构"
CARD: Final = "social-card"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is logged in, as the page tells it."""

    subject: str
    session: str
    name: str
    username: str
    organisation: str
    duties: tuple[str, ...]
    """Kind, area and duty: ``岗位 › 忻府区 › 经办人员``."""
    permissions: tuple[str, ...]
    """Roles of this client."""
    by_card: bool


def read_person(client_id: str, identity: Mapping[str, Any], access: Mapping[str, Any]) -> Person:
    """Duties are groups, permissions are roles of the client; nothing that is not there is guessed."""
    groups = [item for item in _texts(identity.get("groups")) if item.startswith("/")]
    organisations = [item for item in groups if item.startswith(f"/{_ORGANISATIONS}/")]
    roles = (access.get("resource_access") or {}).get(client_id) or {}
    return Person(
        subject=str(identity["sub"]),
        session=str(identity["sid"]),
        name=str(identity.get("name") or identity.get("given_name") or ""),
        username=str(identity.get("preferred_username", "")),
        organisation=_told(organisations[0], skip=1) if organisations else "",
        duties=tuple(sorted(_told(item) for item in groups if item not in organisations)),
        permissions=tuple(sorted(_texts(roles.get("roles")))),
        by_card=identity.get("idp") == CARD,
    )


def _told(path: str, skip: int = 0) -> str:
    return " › ".join(_CODE.sub("", part) for part in path.split("/")[1 + skip :])


def _texts(value: object) -> Iterable[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
