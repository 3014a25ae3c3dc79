"""Connects a subsystem's client as the operator does in the console: its address, its key, its log-out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from deploy.local.cache import LocalServerError
from deploy.subsystem.addresses import GOODBYE, LOGOUT, REDIRECT
from quanheng.identity.files import require_private, write_private
from quanheng.keycloak.connection import Connection
from quanheng.keycloak.credentials import public_jwk

SCOPES: Final = ("basic", "profile", "roles", "duties")
"""What a subsystem needs to know of somebody; the pack's subsystems are made with them."""


def make_key(file: Path) -> Mapping[str, Any]:
    """The public half of the subsystem's key (P-256); the file, mode 0600, is made when there is none."""
    if not file.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        write_private(file, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    require_private(file)
    key = load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise LocalServerError(f"{file}: the key is not on the curve P-256")
    return public_jwk(key)


def connect_subsystem(
    connection: Connection, realm: str, client_id: str, public_url: str, public_key: Mapping[str, Any]
) -> None:
    """Set up the client, which is there. ``connection`` is an administrator's. Where nothing differs, nothing
    is written.

    Raises :class:`ValueError` when the realm has no such client.
    """
    base = f"admin/realms/{quote(realm, safe='')}"
    (found,) = connection.get(f"{base}/clients", clientId=client_id)
    path = f"{base}/clients/{found['id']}"
    origin = public_url.rstrip("/")
    body: dict[str, Any] = {
        **found,
        "enabled": True,
        "publicClient": False,
        "standardFlowEnabled": True,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": False,
        "fullScopeAllowed": False,
        "rootUrl": origin,
        "baseUrl": "/",
        # Each exactly: an asterisk would send codes to any page of the host.
        "redirectUris": [f"{origin}{REDIRECT}"],
        "webOrigins": [],
        "clientAuthenticatorType": "client-jwt",
        "attributes": {
            **(found.get("attributes") or {}),
            "use.jwks.string": "true",
            "jwks.string": json.dumps({"keys": [dict(public_key)]}, sort_keys=True),
            "token.endpoint.auth.signing.alg": "ES256",
            "pkce.code.challenge.method": "S256",
            "post.logout.redirect.uris": f"{origin}{GOODBYE}",
            "backchannel.logout.url": f"{origin}{LOGOUT}",
            "backchannel.logout.session.required": "true",
        },
    }
    if body != found:
        connection.request("PUT", path, json=body)
    # A PUT on a client passes over its scopes.
    ids = {scope["name"]: scope["id"] for scope in connection.get(f"{base}/client-scopes")}
    wanted = {"default": {ids[name] for name in SCOPES}, "optional": set[str]()}
    for kind, want in wanted.items():
        there = {item["id"] for item in connection.get(f"{path}/{kind}-client-scopes")}
        for surplus in there - want:
            connection.request("DELETE", f"{path}/{kind}-client-scopes/{surplus}")
        for missing in want - there:
            connection.request("PUT", f"{path}/{kind}-client-scopes/{missing}")
