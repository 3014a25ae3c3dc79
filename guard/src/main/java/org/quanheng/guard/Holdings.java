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
import java.util.stream.Stream;
import org.keycloak.models.ClientModel;
import org.keycloak.models.GroupModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.RoleModel;
import org.keycloak.models.UserModel;
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

    /** Whoever grants and whoever is granted to have roles and groups above theirs in common. */
    private final Map<String, List<Inside>> insideByRole = new HashMap<>();

    /** Those of them that give power over the realm itself, not as a part of a duty. */
    private final Set<String> administering = new HashSet<>();
    private final Map<String, List<Carried>> carriedByGroup = new HashMap<>();

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
        for (String id : possessed.groups()) {
            GroupModel group = session.groups().getGroupById(realm, id);
            if (group != null) {
                throughGroup(group, found);
            }
        }
        found.sort(Comparator.comparingInt(held -> held.path().size()));
        return found;
    }

    /** The same duties in the same areas, in no order and with empty paths: whether there are any, and which. */
    List<Held> heldSomehow(Possessed possessed) {
        List<Held> found = new ArrayList<>();
        for (String role : possessed.roles()) {
            add(new Carried(role, null), found);
        }
        for (String group : possessed.groups()) {
            carried(group).forEach(carried -> add(carried, found));
        }
        return found;
    }

    /** What a user's groups give, as Keycloak has them at hand; likewise in no order and with empty paths. */
    List<Held> heldInGroups(UserModel user) {
        List<Held> found = new ArrayList<>();
        user.getGroupsStream().forEach(group -> carried(group).forEach(carried -> add(carried, found)));
        return found;
    }

    /** Where somebody works: for each group that says a place and gives no duty, the nearest area that it lies in. */
    Set<String> areasOfPlaces(UserModel user) {
        Set<String> found = new HashSet<>();
        user.getGroupsStream()
                .filter(group -> group.getFirstAttribute(AREA_ATTRIBUTE) != null)
                .filter(group -> gainOfGroup(group).duties().isEmpty())
                .forEach(group -> Stream.iterate(group, above -> above != null, GroupModel::getParent)
                        .map(above -> above.getFirstAttribute(AREA_ATTRIBUTE))
                        .filter(Areas::isArea)
                        .findFirst()
                        .ifPresent(found::add));
        return found;
    }

    /**
     * What a grant gives, without the ways to it.
     *
     * @param duties all of them
     * @param outermost those that are given by themselves, not as a part of another duty that is given
     * @param administers whether it gives power over the realm itself that comes with no duty
     */
    record Gain(List<Held> duties, List<Held> outermost, boolean administers) {
    }

    /** What a direct mapping of a role gives. */
    Gain gainOfRole(RoleModel role) {
        return gain(List.of(new Carried(role.getId(), null)));
    }

    /** What a member of a group has by it and the groups above it. */
    Gain gainOfGroup(GroupModel joined) {
        return gain(carried(joined));
    }

    private Gain gain(List<Carried> roles) {
        List<Held> duties = new ArrayList<>();
        List<Held> outermost = new ArrayList<>();
        for (Carried carried : roles) {
            for (Inside inner : inside(carried.role())) {
                Held held = new Held(inner.duty(), carried.area(), List.of());
                duties.add(held);
                if (inner.outermost()) {
                    outermost.add(held);
                }
            }
        }
        return new Gain(duties, outermost, roles.stream().map(Carried::role).anyMatch(administering::contains));
    }

    /** A role that a group has, by itself or from above; the area is that of the group that it was put on. */
    private record Carried(String role, String area) {
    }

    private List<Carried> carried(String id) {
        List<Carried> known = carriedByGroup.get(id);
        if (known != null) {
            return known;
        }
        GroupModel group = session.groups().getGroupById(realm, id);
        return group == null ? List.of() : carried(group);
    }

    private List<Carried> carried(GroupModel group) {
        List<Carried> known = carriedByGroup.get(group.getId());
        if (known == null) {
            known = new ArrayList<>();
            List<RoleModel> roles = group.getRoleMappingsStream().toList();
            if (!roles.isEmpty()) {
                String area = area(group);
                for (RoleModel role : roles) {
                    known.add(new Carried(role.getId(), area));
                }
            }
            String above = group.getParentId();
            if (above != null) {
                known.addAll(carried(above));
            }
            carriedByGroup.put(group.getId(), known);
        }
        return known;
    }

    private static String area(GroupModel carrier) {
        return Areas.of(carrier.getFirstAttribute(AREA_ATTRIBUTE));
    }

    private void add(Carried carried, List<Held> found) {
        for (Inside inner : inside(carried.role())) {
            found.add(new Held(inner.duty(), carried.area(), List.of()));
        }
    }

    /** A duty that a role is or contains; outermost when the shortest way to it passes no other duty. */
    private record Inside(String duty, boolean outermost) {
    }

    private record Step(RoleModel role, boolean pastDuty) {
    }

    private List<Inside> inside(String outermost) {
        List<Inside> known = insideByRole.get(outermost);
        if (known != null) {
            return known;
        }
        List<Inside> duties = new ArrayList<>();
        insideByRole.put(outermost, duties);
        RoleModel first = realm.getRoleById(outermost);
        if (first == null) {
            return duties;
        }
        Set<String> seen = new HashSet<>();
        seen.add(outermost);
        Deque<Step> open = new ArrayDeque<>();
        open.add(new Step(first, false));
        while (!open.isEmpty()) {
            Step step = open.poll();
            String id = step.role().getId();
            boolean isDuty = rules.duties().containsKey(id);
            if (isDuty) {
                duties.add(new Inside(id, !step.pastDuty()));
            } else if (!step.pastDuty() && KeycloaksOwn.administers(realm, step.role())) {
                administering.add(outermost);
            }
            if (step.role().isComposite()) {
                boolean past = isDuty || step.pastDuty();
                step.role().getCompositesStream().forEach(inner -> {
                    if (seen.add(inner.getId())) {
                        open.add(new Step(inner, past));
                    }
                });
            }
        }
        return duties;
    }

    /** What a direct mapping of a role gives, and by which ways. */
    List<Held> ofRole(RoleModel role) {
        List<Held> found = new ArrayList<>();
        through(role, null, List.of(DIRECT), found);
        return found;
    }

    /** The same of a group, and by which ways. */
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
