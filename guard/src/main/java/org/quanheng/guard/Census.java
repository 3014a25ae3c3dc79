package org.quanheng.guard;

import com.fasterxml.jackson.annotation.JsonProperty;
import jakarta.persistence.EntityManager;
import jakarta.persistence.TypedQuery;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.keycloak.connections.jpa.JpaConnectionProvider;
import org.keycloak.models.GroupModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;

/**
 * What everybody holds directly, page by page: four statements for a thousand users, where the Admin API takes a
 * request for each. Read from the database past all caches.
 */
final class Census {

    static final int MOST = 1000;

    private final EntityManager database;
    private final String realm;

    Census(KeycloakSession session, RealmModel realm) {
        this.database = session.getProvider(JpaConnectionProvider.class).getEntityManager();
        this.realm = realm.getId();
    }

    /** A user with the ids of its roles and groups. */
    public record Holder(
            @JsonProperty("user") String user,
            @JsonProperty("roles") List<String> roles,
            @JsonProperty("groups") List<String> groups,
            @JsonProperty("links") List<Link> links) {
    }

    /** An identity of a provider that the realm has; the name may be absent. */
    public record Link(
            @JsonProperty("provider") String provider,
            @JsonProperty("subject") String subject,
            @JsonProperty("name") String name) {
    }

    /**
     * The next users by id, service accounts included. Whom a user storage brought in is left out: what it gives
     * stands in no table of ours.
     *
     * @param after the last user of the page before; empty for the first
     */
    List<Holder> page(String after, int most) {
        Map<String, Holder> page = new LinkedHashMap<>();
        database.createQuery("select u.id from UserEntity u where u.realmId = :realm and u.federationLink is null"
                        + " and u.id > :after order by u.id", String.class)
                .setParameter("realm", realm)
                .setParameter("after", after)
                .setMaxResults(most)
                .getResultList()
                .forEach(id -> page.put(id, new Holder(id, new ArrayList<>(), new ArrayList<>(), new ArrayList<>())));
        if (page.isEmpty()) {
            return List.of();
        }
        List<String> ids = List.copyOf(page.keySet());
        String first = ids.get(0);
        String last = ids.get(ids.size() - 1);
        read(page, between("select x.user.id, x.roleId from UserRoleMappingEntity x where", first, last),
                (holder, row) -> holder.roles().add((String) row[1]));
        // Of groups and providers that are there, and that the Admin API shows.
        read(page, between("select x.user.id, x.groupId from UserGroupMembershipEntity x, GroupEntity g"
                        + " where g.id = x.groupId and g.realm = :realm and g.type = :type and", first, last)
                        .setParameter("type", GroupModel.Type.REALM.intValue()),
                (holder, row) -> holder.groups().add((String) row[1]));
        read(page, between("select x.user.id, x.identityProvider, x.userId, x.userName"
                        + " from FederatedIdentityEntity x, IdentityProviderEntity p"
                        + " where p.alias = x.identityProvider and p.realmId = :realm and", first, last),
                (holder, row) -> holder.links().add(new Link((String) row[1], (String) row[2], (String) row[3])));
        return List.copyOf(page.values());
    }

    private TypedQuery<Object[]> between(String select, String first, String last) {
        return database.createQuery(
                        select + " x.user.realmId = :realm and x.user.id between :first and :last", Object[].class)
                .setParameter("realm", realm)
                .setParameter("first", first)
                .setParameter("last", last);
    }

    private static void read(
            Map<String, Holder> page, TypedQuery<Object[]> query, BiConsumer<Holder, Object[]> take) {
        for (Object[] row : query.getResultList()) {
            Holder holder = page.get((String) row[0]);
            if (holder != null) { // else somebody who came since the page began
                take.accept(holder, row);
            }
        }
    }
}
