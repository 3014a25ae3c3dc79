package org.quanheng.guard;

import com.fasterxml.jackson.annotation.JsonProperty;
import jakarta.persistence.EntityManager;
import java.util.ArrayList;
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

/** Finds what gives power past any grant, as the signed rules say, and sets it right with rights that no service account has. */
final class Restoration {

    /** Something that gives power past any grant: in what it was found. */
    record Restored(
            @JsonProperty("kind") String kind,
            @JsonProperty("subject") String subject,
            @JsonProperty("removed") String removed) {
    }

    private record Finding(Restored told, Runnable undo) {
    }

    private final KeycloakSession session;
    private final RealmModel realm;
    private final Rules rules;

    Restoration(KeycloakSession session, RealmModel realm, Rules rules) {
        this.session = session;
        this.realm = realm;
        this.rules = rules;
    }

    /** Takes it all away. What is missing in a composite is put back; the answer lists only what was taken away. */
    List<Restored> run() {
        List<Finding> found = look();
        found.forEach(finding -> finding.undo().run());
        completeComposites();
        return found.stream().map(Finding::told).toList();
    }

    /** What would be taken away. */
    Set<Restored> find() {
        return look().stream().map(Finding::told).collect(Collectors.toSet());
    }

    private List<Finding> look() {
        List<Finding> found = new ArrayList<>();
        findInComposites(found);
        findForeignComposites(found);
        realm.getDefaultGroupsStream().forEach(group -> found.add(new Finding(
                new Restored("default_group", realm.getName(), group.getName()),
                () -> realm.removeDefaultGroup(group))));
        realm.getClientsStream().forEach(client -> findMappers(found, "client " + client.getClientId(), client));
        realm.getClientScopesStream().forEach(scope -> findMappers(found, "client scope " + scope.getName(), scope));
        findProviderMappers(found);
        return found;
    }

    private void findInComposites(List<Finding> found) {
        rules.protect().composites().forEach((id, children) -> {
            RoleModel role = realm.getRoleById(id);
            if (role != null) {
                role.getCompositesStream()
                        .filter(child -> !children.contains(child.getId()))
                        .forEach(child -> found.add(contained(role, child)));
            }
        });
    }

    private void completeComposites() {
        rules.protect().composites().forEach((id, children) -> {
            RoleModel role = realm.getRoleById(id);
            if (role == null) {
                return;
            }
            Set<String> present = role.getCompositesStream().map(RoleModel::getId).collect(Collectors.toSet());
            children.stream()
                    .filter(child -> !present.contains(child))
                    .map(realm::getRoleById)
                    .filter(Objects::nonNull)
                    .forEach(role::addCompositeRole);
        });
    }

    /** A duty is contained only in what the rules list: not in the default role, not in a role of anybody's own. */
    private void findForeignComposites(List<Finding> found) {
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
                found.add(contained(parent, child));
            }
        }
    }

    private static Finding contained(RoleModel role, RoleModel child) {
        return new Finding(new Restored("composite", name(role), name(child)), () -> role.removeCompositeRole(child));
    }

    private void findMappers(List<Finding> found, String subject, ProtocolMapperContainerModel container) {
        container.getProtocolMappersStream()
                .filter(mapper -> Mappers.forges(rules.protect(), mapper.getProtocolMapper(), mapper.getConfig()))
                .forEach(mapper -> found.add(new Finding(
                        new Restored("protocol_mapper", subject, mapper.getName()),
                        () -> container.removeProtocolMapper(mapper))));
    }

    private void findProviderMappers(List<Finding> found) {
        session.identityProviders().getMappersStream()
                .filter(mapper -> Mappers.providerForges(
                        rules.protect(), mapper.getIdentityProviderMapper(), mapper.getConfig()))
                .forEach(mapper -> found.add(new Finding(
                        new Restored("provider_mapper", mapper.getIdentityProviderAlias(), mapper.getName()),
                        () -> session.identityProviders().removeMapper(mapper))));
    }

    private static String name(RoleModel role) {
        return role.getContainer() instanceof ClientModel client
                ? client.getClientId() + "/" + role.getName()
                : role.getName();
    }
}
