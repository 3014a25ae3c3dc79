"""Who could administer a realm, by this context's settings and packs."""

from __future__ import annotations

from quanheng.keycloak.configuration_files import read_administration
from quanheng.model.realm import ObservedRealm
from quanheng.operations.context import Context
from quanheng.policy.administration import Administrators
from quanheng.policy.sealed_roles import contents_of


def administrators_of(context: Context, observed: ObservedRealm) -> Administrators:
    """Finds them among the users of a realm with these groups and roles."""
    keycloak, rules = context.settings.keycloak, context.rules
    return Administrators(
        observed,
        read_administration(keycloak.sync.client_id, keycloak.configurator.client_id),
        ours={context.realm.default_role, *contents_of(rules, observed.roles)},
    )
