"""Plans, mirrored users and groups as JSON and back; the shapes are the dataclasses themselves."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from quanheng.engine.plan import Plan, SourceSummary
from quanheng.engine.safety import Excess
from quanheng.model.change import Change, ChangeKind
from quanheng.model.finding import Finding, FindingKind
from quanheng.model.ids import KeycloakId, RoleName, Username
from quanheng.model.realm import FederatedIdentity, RealmGroup, RealmRole, RealmUser
from quanheng.model.registry import RegistryDelta


@lru_cache(maxsize=1)
def _deltas() -> TypeAdapter[RegistryDelta]:
    return TypeAdapter(RegistryDelta)  # building it takes a tenth of a second, so only who needs it pays


def encode_plan(plan: Plan) -> bytes:
    """A plan as JSON. Holds names, numbers and phones: seal it before it is stored."""
    body = {
        "digest": plan.digest,
        "realm": plan.realm,
        "base_revision": plan.base_revision,
        "planner": plan.planner,
        "created_at": plan.created_at.isoformat(),
        "changes": [
            [
                change.kind,
                change.subject,
                change.reason,
                change.person,
                change.origin,
                change.article,
                dict(change.detail),
                dict(change.private),
            ]
            for change in plan.changes
        ],
        "delta": _deltas().dump_json(plan.delta).decode(),
        "findings": [[item.kind, item.subject, item.detail, item.violation] for item in plan.findings],
        "excess": [asdict(item) for item in plan.excess],
        "sources": [asdict(item) for item in plan.sources],
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def decode_plan(text: bytes) -> Plan:
    """Undo :func:`encode_plan`."""
    body = json.loads(text)
    return Plan(
        digest=body["digest"],
        realm=body["realm"],
        base_revision=body["base_revision"],
        planner=body["planner"],
        created_at=datetime.fromisoformat(body["created_at"]),
        changes=tuple(
            Change(
                kind=ChangeKind(kind),
                subject=subject,
                reason=reason,
                person=person,
                origin=origin,
                article=article,
                detail=detail,
                private=private,
            )
            for kind, subject, reason, person, origin, article, detail, private in body["changes"]
        ),
        delta=_deltas().validate_json(body["delta"]),
        findings=tuple(
            Finding(kind=FindingKind(kind), subject=subject, detail=detail, violation=violation)
            for kind, subject, detail, violation in body["findings"]
        ),
        excess=tuple(Excess(**item) for item in body["excess"]),
        sources=tuple(SourceSummary(**{**item, "notes": tuple(item["notes"])}) for item in body["sources"]),
    )


def encode_user(user: RealmUser) -> dict[str, Any]:
    """A user as plain JSON values without its id; sets are sorted, so equal users have equal JSON."""
    return {
        "username": user.username,
        "enabled": user.enabled,
        "name": user.name,
        "attributes": {name: list(values) for name, values in user.attributes.items()},
        "groups": sorted(user.groups),
        "roles": sorted(user.roles),
        "identities": sorted([item.provider, item.subject, item.name] for item in user.identities),
        "service_account": user.service_account,
    }


def decode_user(identifier: str, body: dict[str, Any]) -> RealmUser:
    """Undo :func:`encode_user`."""
    return RealmUser(
        id=KeycloakId(identifier),
        username=Username(body["username"]),
        enabled=body["enabled"],
        name=body["name"],
        attributes={name: tuple(values) for name, values in body["attributes"].items()},
        groups=frozenset(KeycloakId(item) for item in body["groups"]),
        roles=frozenset(RoleName(item) for item in body["roles"]),
        identities=frozenset(FederatedIdentity(*item) for item in body["identities"]),
        service_account=body["service_account"],
    )


def encode_group(group: RealmGroup) -> dict[str, Any]:
    """A group as plain JSON values without its id."""
    return {
        "path": list(group.path),
        "attributes": {name: list(values) for name, values in group.attributes.items()},
        "roles": sorted(group.roles),
    }


def decode_group(identifier: str, body: dict[str, Any]) -> RealmGroup:
    """Undo :func:`encode_group`."""
    return RealmGroup(
        id=KeycloakId(identifier),
        path=tuple(body["path"]),
        attributes={name: tuple(values) for name, values in body["attributes"].items()},
        roles=frozenset(RoleName(item) for item in body["roles"]),
    )


def encode_role(role: RealmRole) -> dict[str, Any]:
    """A role as plain JSON values without its name."""
    return {"id": role.id, "description": role.description, "composites": sorted(role.composites)}


def decode_role(name: str, body: dict[str, Any]) -> RealmRole:
    """Undo :func:`encode_role`."""
    composites = frozenset(RoleName(item) for item in body["composites"])
    return RealmRole(
        id=KeycloakId(body["id"]),
        name=RoleName(name),
        description=body["description"],
        composites=composites,
    )
