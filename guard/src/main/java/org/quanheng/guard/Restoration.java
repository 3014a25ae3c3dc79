package org.quanheng.guard;

import com.fasterxml.jackson.annotation.JsonProperty;
import jakarta.persistence.EntityManager;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.keycloak.connections.jpa.JpaConnectionProvider;
import org.keycloak.models.ClientModel;
import org.keycloak.models.ClientScopeModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.ProtocolMapperContainerModel;
import org.keycloak.models.RealmModel;
import org.keycloak.models.RoleModel;
import org.quanheng.guard.rules.Mappers;
import org.quanheng.guard.rules.Rules;

/** Sets right what gives power past any grant, as the signed rules say, with rights that no service account has. */
final class Restoration {

    /** Something that was taken away, from what. */
    record Restored(
            @JsonProperty("kind") String kind,
            @JsonProperty("subject") String subject,
            @JsonProperty("removed") String removed) {
    }

    private final KeycloakSession session;
    private final RealmModel realm;
    private final Rules rules;
    private final List<Restored> restored = new ArrayList<>();

    Restoration(KeycloakSession session, RealmModel realm, Rules rules) {
        this.session = session;
        this.realm = realm;
        this.rules = rules;
    }

    /** Does it all. What is missing in a composite is put back; the answer lists only what was taken away. */
    List<Restored> run() {
        restoreComposites();
        freeForeignComposites();
        removeDefaultGroups();
        realm.getClientsStream().toList().forEach(client -> removeMappers("client " + client.getClientId(), client));
        realm.getClientScopesStream().toList().forEach(scope -> removeMappers("client scope " + scope.getName(), scope));
        removeProviderMappers();
        return restored;
    }

    private void restoreComposites() {
        rules.protect().composites().forEach((id, children) -> {
            RoleModel role = realm.getRoleById(id);
            if (role == null) {
                return;
            }
            Set<String> present = new HashSet<>();
            for (RoleModel child : role.getCompositesStream().toList()) {
                present.add(child.getId());
                if (!children.contains(child.getId())) {
                    remove(role, child);
                }
            }
            children.stream()
                    .filter(child -> !present.contains(child))
                    .map(realm::getRoleById)
                    .filter(Objects::nonNull)
                    .forEach(role::addCompositeRole);
        });
    }

    /** A duty is contained only in what the rules list: not in the default role, not in a role of anybody's own. */
    private void freeForeignComposites() {
        if (rules.duties().isEmpty()) {
            return;
        }
        EntityManager database = session.getProvider(JpaConnectionProvider.class).getEntityManager();
        List<Object[]> pairs = database.createQuery(
                        "select c.parentRole.id, c.childRole.id from CompositeRoleEntity c"
                                + " where c.childRole.id in :duties",
                        Object[].class)
                .setParameter("duties", rules.duties().keySet())
                .getResultList();
        for (Object[] pair : pairs) {
            RoleModel parent = realm.getRoleById((String) pair[0]);
            RoleModel child = realm.getRoleById((String) pair[1]);
            if (parent != null && child != null && !rules.protect().composites().containsKey(parent.getId())) {
                remove(parent, child);
            }
        }
    }

    private void remove(RoleModel role, RoleModel child) {
        role.removeCompositeRole(child);
        restored.add(new Restored("composite", name(role), name(child)));
    }

    private void removeDefaultGroups() {
        realm.getDefaultGroupsStream().toList().forEach(group -> {
            realm.removeDefaultGroup(group);
            restored.add(new Restored("default_group", realm.getName(), group.getName()));
        });
    }

    private void removeMappers(String subject, ProtocolMapperContainerModel container) {
        container.getProtocolMappersStream()
                .filter(mapper -> Mappers.forges(rules.protect(), mapper.getProtocolMapper(), mapper.getConfig()))
                .toList()
                .forEach(mapper -> {
                    container.removeProtocolMapper(mapper);
                    restored.add(new Restored("protocol_mapper", subject, mapper.getName()));
                });
    }

    private void removeProviderMappers() {
        session.identityProviders().getMappersStream()
                .filter(mapper -> Mappers.providerForges(
                        rules.protect(), mapper.getIdentityProviderMapper(), mapper.getConfig()))
                .toList()
                .forEach(mapper -> {
                    session.identityProviders().removeMapper(mapper);
                    restored.add(new Restored("provider_mapper", mapper.getIdentityProviderAlias(), mapper.getName()));
                });
    }

    private static String name(RoleModel role) {
        return role.getContainer() instanceof ClientModel client
                ? client.getClientId() + "/" + role.getName()
                : role.getName();
    }
}
