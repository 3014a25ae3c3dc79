package org.quanheng.guard;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.keycloak.models.ClientModel;
import org.keycloak.models.GroupModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.RoleModel;
import org.quanheng.guard.Possessions.Possessed;
import org.quanheng.guard.rules.Areas;
import org.quanheng.guard.rules.Held;
import org.quanheng.guard.rules.Rules;

/** The duties that roles, groups and users give, with their areas and paths. */
final class Holdings {

    static final String AREA_ATTRIBUTE = "org_code";
    private static final String DIRECT = "直接授予";

    private final KeycloakSession session;
    private final RealmModel realm;
    private final Rules rules;

    /** Duties inside of roles, by id: whoever grants and whoever is granted to have some in common. */
    private final Map<String, List<String>> inside = new HashMap<>();

    Holdings(KeycloakSession session, RealmModel realm, Rules rules) {
        this.session = session;
        this.realm = realm;
        this.rules = rules;
    }

    /** Every duty that it gives, through whatever way, short ways first. */
    List<Held> held(Possessed possessed) {
        List<Held> found = new ArrayList<>();
        for (String id : possessed.roles()) {
            RoleModel role = realm.getRoleById(id);
            if (role != null) {
                through(role, null, List.of(DIRECT), found);
            }
        }
        for (GroupModel group : groups(possessed)) {
            throughGroup(group, found);
        }
        found.sort(Comparator.comparingInt(held -> held.path().size()));
        return found;
    }

    /** The same duties in the same areas, in no order and with empty paths: whether there are any, and which. */
    List<Held> heldSomehow(Possessed possessed) {
        List<Held> found = new ArrayList<>();
        for (String role : possessed.roles()) {
            addInside(role, null, found);
        }
        for (GroupModel group : groups(possessed)) {
            for (GroupModel carrier = group; carrier != null; carrier = carrier.getParent()) {
                List<RoleModel> roles = carrier.getRoleMappingsStream().toList();
                if (!roles.isEmpty()) {
                    String area = area(carrier);
                    roles.forEach(role -> addInside(role.getId(), area, found));
                }
            }
        }
        return found;
    }

    private List<GroupModel> groups(Possessed possessed) {
        List<GroupModel> found = new ArrayList<>(possessed.groups().size());
        for (String id : possessed.groups()) {
            GroupModel group = session.groups().getGroupById(realm, id);
            if (group != null) {
                found.add(group);
            }
        }
        return found;
    }

    private static String area(GroupModel carrier) {
        return Areas.of(carrier.getFirstAttribute(AREA_ATTRIBUTE));
    }

    private void addInside(String role, String area, List<Held> found) {
        for (String duty : inside.computeIfAbsent(role, this::dutiesInside)) {
            found.add(new Held(duty, area, List.of()));
        }
    }

    /** Ids of the duties that a role is or contains. */
    private List<String> dutiesInside(String outermost) {
        List<String> duties = new ArrayList<>();
        Set<String> seen = new HashSet<>(Set.of(outermost));
        Deque<String> open = new ArrayDeque<>(seen);
        while (!open.isEmpty()) {
            String id = open.poll();
            RoleModel role = realm.getRoleById(id);
            if (role == null) {
                continue;
            }
            if (rules.duties().containsKey(id)) {
                duties.add(id);
            }
            if (role.isComposite()) {
                role.getCompositesStream().map(RoleModel::getId).filter(seen::add).forEach(open::add);
            }
        }
        return duties;
    }

    /** What a direct mapping of a role gives. */
    List<Held> ofRole(RoleModel role) {
        List<Held> found = new ArrayList<>();
        through(role, null, List.of(DIRECT), found);
        return found;
    }

    /** What a member of a group has by it and the groups above it; the area is that of the group with the role. */
    List<Held> ofGroup(GroupModel joined) {
        List<Held> found = new ArrayList<>();
        throughGroup(joined, found);
        return found;
    }

    private void throughGroup(GroupModel joined, List<Held> found) {
        for (GroupModel carrier = joined; carrier != null; carrier = carrier.getParent()) {
            List<RoleModel> roles = carrier.getRoleMappingsStream().toList();
            if (roles.isEmpty()) {
                continue;
            }
            String area = area(carrier);
            List<String> steps = carrier == joined ? List.of(path(joined)) : List.of(path(joined), path(carrier));
            for (RoleModel role : roles) {
                through(role, area, steps, found);
            }
        }
    }

    /** The shortest way from a role to each duty that it is or contains; a role that contains itself ends there. */
    private void through(RoleModel outermost, String area, List<String> steps, List<Held> found) {
        Set<String> seen = new HashSet<>(Set.of(outermost.getId()));
        Deque<Way> open = new ArrayDeque<>(List.of(new Way(outermost, next(steps, outermost))));
        while (!open.isEmpty()) {
            Way way = open.poll();
            if (rules.duties().containsKey(way.role().getId())) {
                found.add(new Held(way.role().getId(), area, way.path()));
            }
            if (way.role().isComposite()) {
                way.role().getCompositesStream()
                        .filter(inner -> seen.add(inner.getId()))
                        .forEach(inner -> open.add(new Way(inner, next(way.path(), inner))));
            }
        }
    }

    /** @param path the role included */
    private record Way(RoleModel role, List<String> path) {
    }

    private List<String> next(List<String> steps, RoleModel role) {
        List<String> path = new ArrayList<>(steps);
        path.add(step(role));
        return path;
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
