package org.quanheng.guard;

import java.util.Set;
import java.util.stream.Stream;
import org.keycloak.models.ClientModel;
import org.keycloak.models.Constants;
import org.keycloak.models.RealmModel;
import org.keycloak.models.RoleModel;
import org.keycloak.models.utils.RoleUtils;

/** Roles that Keycloak makes in each realm. While there are no rules, any other role may be a duty. */
final class KeycloaksOwn {

    private static final Set<String> ROLES = Set.of(Constants.OFFLINE_ACCESS_ROLE, Constants.AUTHZ_UMA_AUTHORIZATION);

    private KeycloaksOwn() {
    }

    /** Whether a role gives more than roles of Keycloak's own. */
    static boolean isExceeded(RealmModel realm, RoleModel role) {
        return RoleUtils.expandCompositeRolesStream(Stream.of(role)).anyMatch(inner -> {
            if (inner.getContainer() instanceof ClientModel client) {
                return !hasClient(client.getClientId());
            }
            return !hasRole(inner.getName()) && !inner.getId().equals(realm.getDefaultRole().getId());
        });
    }

    /** Whether a role is itself one that gives power over its realm. */
    static boolean administers(RealmModel realm, RoleModel role) {
        if (!role.isClientRole()) {
            return false;
        }
        ClientModel administration = realm.getClientByClientId(Constants.REALM_MANAGEMENT_CLIENT_ID);
        return administration != null && administration.getId().equals(role.getContainerId());
    }

    static boolean hasRole(String name) {
        return ROLES.contains(name);
    }

    static boolean hasClient(String name) {
        return Constants.defaultClients.contains(name);
    }
}
