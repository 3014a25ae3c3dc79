"""Identifiers, each a type of its own so that one is never passed for another."""

from __future__ import annotations

from typing import NewType

OrgCode = NewType("OrgCode", str)
"""Code of an organisation: digits of GB/T 2260 (province 2, city 4, county 6) and GB/T 10114
(township 9, village 12); a bureau's own staff and bank branches extend it, see ``mappers/README.md``."""

PersonId = NewType("PersonId", str)
"""Random id of a person in the store (32 hex digits). Says nothing about the person."""

StaffNo = NewType("StaffNo", str)
"""Staff number as the personnel department writes it. An attribute, not an identity."""

Username = NewType("Username", str)
"""Login name, issued once by the store from the pack's template."""

PostId = NewType("PostId", str)
"""ASCII id of a post (岗位) in a pack, for example ``operator``."""

QualificationId = NewType("QualificationId", str)
"""ASCII id of a qualification in a pack, for example ``permanent``."""

SourceId = NewType("SourceId", str)
"""Name of a source in the configuration, for example ``hr`` or ``ldap``."""

KeycloakId = NewType("KeycloakId", str)
"""Id of a user or group in Keycloak (UUID)."""

RoleName = NewType("RoleName", str)
"""Name of a role; a client role is written ``client-id/role``."""

GroupPath = tuple[str, ...]
"""Names from the root to a group: ``("机构", "14-山西省")``. A tuple, since a name may hold a slash."""


def join(path: GroupPath) -> str:
    """A path as people read it: ``/机构/14-山西省``."""
    return "/" + "/".join(path)
