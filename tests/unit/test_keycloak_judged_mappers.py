"""Mappers are judged by what they do and which claim they write, whatever their kind."""

from __future__ import annotations

from typing import Any, Final

import pytest

from quanheng.keycloak.configuration_files import read_mapper_rules
from quanheng.keycloak.judged_mappers import Verdict

ATTRIBUTE: Final = "oidc-usermodel-attribute-mapper"
REALM_ROLES: Final = "oidc-usermodel-realm-role-mapper"
CLIENT_ROLES: Final = "oidc-usermodel-client-role-mapper"
GROUPS: Final = "oidc-group-membership-mapper"
FIXED: Final = "oidc-hardcoded-claim-mapper"

FORGING: Final[list[tuple[str, dict[str, str]]]] = [
    ("oidc-hardcoded-role-mapper", {"role": "post-operator"}),
    ("oidc-role-name-mapper", {"role": "a", "new.role.name": "post-operator"}),
    ("script-roles.js", {}),
    (FIXED, {"claim.name": "realm_access.roles"}),
    (FIXED, {"claim.name": "realm_access"}),
    (FIXED, {"claim.name": "resource_access.jiujinban.roles"}),
    (FIXED, {"claim.name": "Roles"}),
    (FIXED, {"claim.name": "\\realm\\_access.roles"}),
    (FIXED, {"claim.name": " groups "}),
    (FIXED, {"claim.name": "scope"}),
    (ATTRIBUTE, {"claim.name": "resource_access.jiujinban.roles", "user.attribute": "note"}),
    (REALM_ROLES, {"claim.name": "realm_access.roles", "usermodel.realmRoleMapping.rolePrefix": "post-"}),
    (REALM_ROLES, {"claim.name": "resource_access.jiujinban.roles"}),
    (REALM_ROLES, {"claim.name": "groups", "usermodel.realmRoleMapping.rolePrefix": "/岗位/"}),
    (CLIENT_ROLES, {"claim.name": "realm_access.roles"}),
    (CLIENT_ROLES, {"claim.name": "resource_access.jiujinban.roles"}),
    (
        CLIENT_ROLES,
        {
            "claim.name": "resource_access.${client_id}.roles",
            "usermodel.clientRoleMapping.rolePrefix": "benefit_",
        },
    ),
    (CLIENT_ROLES, {"claim.name": "${client_id}.roles"}),
    (GROUPS, {"claim.name": "realm_access.roles", "full.path": "false"}),
    (GROUPS, {"claim.name": "groups", "full.path": "false"}),
    ("saml-hardcode-attribute-mapper", {"attribute.name": "Role", "attribute.value": "post-operator"}),
    (FIXED, {"claim.name": "posts", "claim.value": "system_admin"}),
    (FIXED, {"claim.name": "posts.140902"}),
    (FIXED, {"claim.name": "name", "claim.value": "张三"}),
    (FIXED, {"claim.name": "sub"}),
    (FIXED, {"claim.name": "azp"}),
    (FIXED, {"claim.name": "org_code"}),
    (ATTRIBUTE, {"claim.name": "person_id", "user.attribute": "staff_no"}),
    (ATTRIBUTE, {"claim.name": "org_code", "user.attribute": "org_code", "aggregate.attrs": "true"}),
    ("oidc-usermodel-property-mapper", {"claim.name": "preferred_username", "user.attribute": "email"}),
    (ATTRIBUTE, {"claim.name": "name", "user.attribute": "staff_no"}),
    (ATTRIBUTE, {"claim.name": "given_name", "user.attribute": "lastName"}),
    ("oidc-usersessionmodel-note-mapper", {"claim.name": "client_id", "user.session.note": "note"}),
    ("saml-hardcode-attribute-mapper", {"attribute.name": "org_code", "attribute.value": "14"}),
    ("saml-hardcode-attribute-mapper", {"attribute.name": "x", "friendly.name": "Role"}),
    ("saml-user-attribute-mapper", {"attribute.name": "org_code", "user.attribute": "staff_no"}),
    ("saml-user-attribute-nameid-mapper", {"user.attribute": "org_code"}),
    ("docker-v2-allow-all-mapper", {}),
    *(
        (FIXED, {"claim.name": name})
        for name in ("act", "amr", "aud", "auth_time", "client_id", "cnf", "email", "email_verified", "iss")
    ),
    *((FIXED, {"claim.name": name}) for name in ("jti", "may_act.sub", "sid", "upn")),
    (ATTRIBUTE, {"claim.name": "upn", "user.attribute": "staff_no"}),
    (ATTRIBUTE, {"claim.name": "email", "user.attribute": "staff_no"}),
    ("oidc-usersessionmodel-note-mapper", {"claim.name": "auth_time", "user.session.note": "note"}),
    (GROUPS, {"claim.name": "groups"}),
    (GROUPS, {"claim.name": "groups.x", "full.path": "true"}),
    (GROUPS, {"claim.name": "posts", "full.path": "true"}),
    (FIXED, {"claim.name": "idp", "claim.value": "social-card"}),
    (ATTRIBUTE, {"claim.name": "idp", "user.attribute": "note"}),
    ("oidc-usersessionmodel-note-mapper", {"claim.name": "idp", "user.session.note": "note"}),
]
ORDINARY: Final[list[tuple[str, dict[str, str]]]] = [
    (ATTRIBUTE, {"claim.name": "department", "user.attribute": "department"}),
    (ATTRIBUTE, {"claim.name": "org_code", "user.attribute": "org_code", "aggregate.attrs": "false"}),
    (FIXED, {"claim.name": "environment", "claim.value": "test"}),
    (FIXED, {"claim.name": "app.roles", "claim.value": "x"}),
    (FIXED, {"claim.name": "subject"}),
    (REALM_ROLES, {"claim.name": "realm_access.roles"}),
    (REALM_ROLES, {"claim.name": "groups", "usermodel.realmRoleMapping.rolePrefix": ""}),
    (CLIENT_ROLES, {"claim.name": "resource_access.${client_id}.roles"}),
    (GROUPS, {"claim.name": "department", "full.path": "true"}),
    (ATTRIBUTE, {"claim.name": "name", "user.attribute": "firstName"}),
    ("oidc-full-name-mapper", {"id.token.claim": "true", "access.token.claim": "true"}),
    (FIXED, {"claim.name": "nickname", "claim.value": "x"}),
    ("saml-user-attribute-mapper", {"attribute.name": "org_code", "user.attribute": "org_code"}),
    ("oidc-audience-mapper", {"included.client.audience": "jiujinban"}),
    ("oidc-sub-mapper", {}),
    ("saml-role-list-mapper", {"attribute.name": "Role", "single": "false"}),
    (ATTRIBUTE, {"claim.name": "upn", "user.attribute": "username"}),
    (ATTRIBUTE, {"claim.name": "email", "user.attribute": "email"}),
    ("oidc-usermodel-property-mapper", {"claim.name": "email_verified", "user.attribute": "emailVerified"}),
    ("oidc-usersessionmodel-note-mapper", {"claim.name": "auth_time", "user.session.note": "AUTH_TIME"}),
    ("oidc-audience-mapper", {"included.client.audience": "realm-management"}),
    ("oidc-audience-resolve-mapper", {}),
    (GROUPS, {"claim.name": "groups", "full.path": "true"}),
    ("oidc-usersessionmodel-note-mapper", {"claim.name": "idp", "user.session.note": "identity_provider"}),
]


def _judged(kind: str, config: dict[str, Any] | None) -> Verdict:
    return read_mapper_rules().of_protocol_mapper({"protocolMapper": kind, "config": config})


@pytest.mark.parametrize(("kind", "config"), FORGING)
def test_forging(kind: str, config: dict[str, str]) -> None:
    """What gives or renames a role, or writes into a claim of roles, or of who somebody is, what is not the
    holder's, forges."""
    assert _judged(kind, config) is Verdict.FORGES


@pytest.mark.parametrize(("kind", "config"), ORDINARY)
def test_ordinary(kind: str, config: dict[str, str]) -> None:
    """Keycloak's own mappers, our attributes under their names and a bureau's own claims are left alone."""
    assert _judged(kind, config) is Verdict.ORDINARY
    assert _judged("oidc-full-name-mapper", None) is Verdict.ORDINARY


@pytest.mark.parametrize(
    ("kind", "config", "verdict"),
    [
        ("oidc-hardcoded-group-idp-mapper", {"group": "/岗位"}, Verdict.FORGES),
        ("oidc-username-idp-mapper", {"template": "${CLAIM.name}", "target": "BROKER_ID"}, Verdict.FORGES),
        ("hardcoded-attribute-idp-mapper", {"attribute": "org_code"}, Verdict.FORGES),
        ("oidc-user-attribute-idp-mapper", {"claim": "x", "user.attribute": "Person_id"}, Verdict.FORGES),
        ("github-user-attribute-mapper", {"jsonField": "x", "userAttribute": "staff_no"}, Verdict.FORGES),
        ("hardcoded-attribute-idp-mapper", {"attribute": "firstName"}, Verdict.FORGES),
        ("hardcoded-user-session-attribute-idp-mapper", {"attribute": "AUTH_TIME"}, Verdict.FORGES),
        ("oidc-user-session-note-idp-mapper", {"claims": "[]"}, Verdict.FORGES),
        ("oidc-user-attribute-idp-mapper", {"claim": "x", "user.attribute": "nickname"}, Verdict.ORDINARY),
        ("hardcoded-attribute-idp-mapper", None, Verdict.ORDINARY),
    ],
)
def test_of_providers(kind: str, config: dict[str, str] | None, verdict: Verdict) -> None:
    """A provider's mapper gives no role and no group, and writes nothing that the sync alone sets."""
    mapper = {"identityProviderMapper": kind, "config": config}
    assert read_mapper_rules().of_provider_mapper(mapper) is verdict


def test_our_attributes_are_decisive() -> None:
    """What a provider's mapper may not write into a user, a client's may not write past it into a token."""
    rules = read_mapper_rules()
    shown_as_other = {"username", "firstname", "lastname"}
    assert rules.provider_attributes - shown_as_other <= rules.decisive_claims
