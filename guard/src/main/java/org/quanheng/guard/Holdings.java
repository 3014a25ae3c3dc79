package org.quanheng.guard;

import jakarta.persistence.EntityManager;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.keycloak.connections.jpa.JpaConnectionProvider;
import org.keycloak.models.ClientModel;
import org.keycloak.models.GroupModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.RoleModel;
import org.quanheng.guard.rules.Areas;
import org.quanheng.guard.rules.Held;
import org.quanheng.guard.rules.Rules;

/**
 * The duties that roles, groups and users give, with their areas and paths.
 *
 * <p>What a user has is read from the database by statements of our own: models may have been read before the user's
 * row was locked, and lists of Keycloak's are cut to what the caller may see.
 */
final class Holdings {

    static final String AREA_ATTRIBUTE = "org_code";
    private static final String DIRECT = "直接授予";

    private final KeycloakSession session;
    private final RealmModel realm;
    private final Rules rules;
    private final EntityManager database;

    Holdings(KeycloakSession session, RealmModel realm, Rules rules) {
        this.session = session;
        this.realm = realm;
        this.rules = rules;
        this.database = session.getProvider(JpaConnectionProvider.class).getEntityManager();
    }

    /** What the database has of a user at this moment: ids of roles and groups, aliases of linked providers. */
    record Possessed(Set<String> roles, Set<String> groups, Set<String> providers) {
    }

    /** Reads it, in one statement. */
    Possessed read(String user) {
        List<Object[]> rows = database.createQuery(
                        "select 'role', m.roleId from UserRoleMappingEntity m where m.user.id = :user"
                                + " union all select 'group', m.groupId from UserGroupMembershipEntity m"
                                + " where m.user.id = :user"
                                + " union all select 'provider', f.identityProvider from FederatedIdentityEntity f"
                                + " where f.user.id = :user",
                        Object[].class)
                .setParameter("user", user)
                .getResultList();
        return new Possessed(of("role", rows), of("group", rows), of("provider", rows));
    }

    private static Set<String> of(String kind, List<Object[]> rows) {
        return rows.stream().filter(row -> row[0].equals(kind)).map(row -> (String) row[1]).collect(Collectors.toSet());
    }

    /** Every duty that it gives, through whatever way, short ways first. */
    List<Held> held(Possessed possessed) {
        Stream<Held> direct = possessed.roles().stream()
                .map(realm::getRoleById)
                .filter(Objects::nonNull)
                .flatMap(role -> ofRole(role).stream());
        Stream<Held> grouped = possessed.groups().stream()
                .map(group -> session.groups().getGroupById(realm, group))
                .filter(Objects::nonNull)
                .flatMap(group -> ofGroup(group).stream());
        return Stream.concat(direct, grouped).sorted(Comparator.comparingInt(held -> held.path().size())).toList();
    }

    /** What a direct mapping of a role gives. */
    List<Held> ofRole(RoleModel role) {
        return through(role, null, List.of(DIRECT));
    }

    /** What a member of a group has by it and the groups above it; the area is that of the group with the role. */
    List<Held> ofGroup(GroupModel joined) {
        List<Held> found = new ArrayList<>();
        for (GroupModel carrier = joined; carrier != null; carrier = carrier.getParent()) {
            List<RoleModel> roles = carrier.getRoleMappingsStream().toList();
            if (roles.isEmpty()) {
                continue;
            }
            String code = carrier.getFirstAttribute(AREA_ATTRIBUTE);
            String area = code == null ? null : Areas.of(code);
            List<String> steps = carrier == joined ? List.of(path(joined)) : List.of(path(joined), path(carrier));
            roles.forEach(role -> found.addAll(through(role, area, steps)));
        }
        return found;
    }

    /** The shortest way from a role to each duty that it is or contains; a role that contains itself ends there. */
    private List<Held> through(RoleModel outermost, String area, List<String> steps) {
        List<Held> found = new ArrayList<>();
        Set<String> seen = new HashSet<>(Set.of(outermost.getId()));
        Deque<Way> open = new ArrayDeque<>(List.of(new Way(outermost, steps)));
        while (!open.isEmpty()) {
            Way way = open.poll();
            List<String> path = new ArrayList<>(way.steps());
            path.add(step(way.role()));
            if (rules.duties().containsKey(way.role().getId())) {
                found.add(new Held(way.role().getId(), area, path));
            }
            way.role().getCompositesStream()
                    .filter(inner -> seen.add(inner.getId()))
                    .forEach(inner -> open.add(new Way(inner, path)));
        }
        return found;
    }

    private record Way(RoleModel role, List<String> steps) {
    }

    private String step(RoleModel role) {
        if (rules.duties().containsKey(role.getId())) {
            return role.getId();
        }
        return role.getContainer() instanceof ClientModel client
                ? client.getClientId() + "/" + role.getName()
                : role.getName();
    }

    private static String path(GroupModel group) {
        String above = group.getParent() == null ? "" : path(group.getParent());
        return above + "/" + group.getName();
    }
}
