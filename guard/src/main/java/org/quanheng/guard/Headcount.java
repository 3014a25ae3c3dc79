package org.quanheng.guard;

import jakarta.persistence.EntityManager;
import jakarta.persistence.LockModeType;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.keycloak.connections.jpa.JpaConnectionProvider;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.RoleModel;
import org.keycloak.models.jpa.entities.GroupEntity;
import org.keycloak.models.utils.RoleUtils;
import org.quanheng.guard.rules.Areas;
import org.quanheng.guard.rules.Rules.Maximum;

/** How many people of an area have a duty, counted under locks, so that of two grants at once the second is counted. */
final class Headcount {

    private final KeycloakSession session;
    private final RealmModel realm;
    private final EntityManager database;

    Headcount(KeycloakSession session, RealmModel realm) {
        this.session = session;
        this.realm = realm;
        this.database = session.getProvider(JpaConnectionProvider.class).getEntityManager();
    }

    /**
     * How many people other than {@code user} have a role of a maximum in an area. The groups that give one are locked
     * first, always in the same order, so that whoever else joins one is counted or waits.
     */
    int holders(Maximum rule, String area, String user) {
        Set<String> carriers = carriers(rule, area);
        carriers.stream().sorted()
                .forEach(group -> database.find(GroupEntity.class, group, LockModeType.PESSIMISTIC_WRITE));
        if (carriers.isEmpty()) {
            return 0;
        }
        return database.createQuery(
                        "select count(distinct m.user.id) from UserGroupMembershipEntity m"
                                + " where m.groupId in :groups and m.user.id <> :user",
                        Long.class)
                .setParameter("groups", withThoseBelow(carriers))
                .setParameter("user", user)
                .getSingleResult()
                .intValue();
    }

    /** Groups of an area that map a role of the maximum, or one that contains it. */
    private Set<String> carriers(Maximum rule, String area) {
        List<Object[]> mappings = database.createQuery(
                        "select m.group.id, m.roleId, a.value from GroupRoleMappingEntity m, GroupAttributeEntity a"
                                + " where a.group = m.group and a.name = :name and a.value like :area"
                                + " and m.group.realm = :realm",
                        Object[].class)
                .setParameter("name", Holdings.AREA_ATTRIBUTE)
                .setParameter("area", area + "%")
                .setParameter("realm", realm.getId())
                .getResultList();
        List<Object[]> here = mappings.stream().filter(row -> area.equals(Areas.of((String) row[2]))).toList();
        Set<String> giving = here.stream()
                .map(row -> (String) row[1])
                .distinct()
                .filter(role -> gives(role, rule))
                .collect(Collectors.toSet());
        return here.stream()
                .filter(row -> giving.contains((String) row[1]))
                .map(row -> (String) row[0])
                .collect(Collectors.toSet());
    }

    private boolean gives(String roleId, Maximum rule) {
        RoleModel role = realm.getRoleById(roleId);
        return role != null
                && RoleUtils.expandCompositeRoles(Set.of(role)).stream().anyMatch(inner -> rule.roles().contains(inner.getId()));
    }

    /** Members of a group below have its roles too. */
    private Set<String> withThoseBelow(Set<String> groups) {
        Set<String> all = new HashSet<>(groups);
        Set<String> newest = groups;
        while (!newest.isEmpty()) {
            List<String> below = database.createQuery(
                            "select g.id from GroupEntity g where g.parentId in :groups", String.class)
                    .setParameter("groups", newest)
                    .getResultList();
            newest = below.stream().filter(all::add).collect(Collectors.toSet());
        }
        return all;
    }
}
