package org.quanheng.guard.rules;

import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.quanheng.guard.rules.Rules.Duty;
import org.quanheng.guard.rules.Rules.Exclusion;
import org.quanheng.guard.rules.Rules.Maximum;
import org.quanheng.guard.rules.Rules.Scope;
import org.quanheng.guard.rules.Rules.Within;

/**
 * What a person with some duties would break by getting further ones, and who may grant. Pure.
 *
 * <p>The same decisions, in the same order and words, as {@code quanheng.policy.judge}; a test compares both.
 */
public final class Judge {

    /** How many people other than the one judged have a role of a maximum in an area. */
    @FunctionalInterface
    public interface Others {
        int count(Maximum rule, String area);
    }

    private final Rules rules;
    private final String user;
    private final Set<String> qualifications;
    private final LocalDate day;
    private final Others others;

    /**
     * @param user whose waivers count
     * @param qualifications ids of the groups that the user is in; those that no duty requires do not matter
     * @param day the day in China
     */
    public Judge(Rules rules, String user, Set<String> qualifications, LocalDate day, Others others) {
        this.rules = rules;
        this.user = user;
        this.qualifications = qualifications;
        this.day = day;
        this.others = others;
    }

    /** Every rule in which something of {@code gained} takes part and that would be broken. */
    public List<Conflict> conflicts(List<Held> held, List<Held> gained) {
        List<Conflict> found = new ArrayList<>();
        if (gained.isEmpty()) {
            return found;
        }
        addUnqualified(found, gained);
        for (Exclusion rule : rules.exclusions().meeting(held, gained)) {
            if (!isWaived(rule.id())) {
                addExcluded(found, rule, held, gained);
            }
        }
        for (Maximum rule : rules.maxima()) {
            if (!concerns(rule, gained) || isWaived(rule.id())) {
                continue;
            }
            if (rule.per() == Scope.PERSON) {
                addTooMany(found, rule, held, gained);
            } else {
                addTooManyPeople(found, rule, gained);
            }
        }
        return found;
    }

    private boolean isWaived(String rule) {
        String source = Rules.source(rule);
        return rules.waivers().stream().anyMatch(waiver -> waiver.rule().equals(source) && waiver.counts(user, day));
    }

    /** Whether what somebody holds entitles to grant a duty in an area; nobody grants one without an area. */
    public static boolean mayGrant(Rules rules, Collection<Held> granterHeld, String dutyRole, String area) {
        Duty duty = rules.duties().get(dutyRole);
        if (duty == null || area == null) {
            return false;
        }
        Set<String> granters = new HashSet<>(duty.granters());
        duty.within().stream()
                .filter(there -> Areas.cover(there.areas(), area))
                .forEach(there -> granters.retainAll(there.granters()));
        return granterHeld.stream()
                .anyMatch(item -> granters.contains(item.role()) && item.area() != null && area.startsWith(item.area()));
    }

    private void addUnqualified(List<Conflict> found, List<Held> gained) {
        Set<String> told = new HashSet<>();
        for (Held item : gained) {
            Duty duty = rules.duties().get(item.role());
            for (String group : missing(duty, item.area())) {
                // A permission is told of only when no duty on its way needs the same.
                if (item.path().stream().anyMatch(step -> told.contains(step + " " + group))) {
                    continue;
                }
                told.add(item.role() + " " + group);
                String wanted = rules.groups().getOrDefault(group, group);
                String label = duty.label() + "须由" + wanted + "人员担任";
                found.add(new Conflict("requires-" + group, label, duty.article(), List.of(item),
                        cited(label, duty.article()) + "：" + told(item) + "所需的资格“" + wanted + "”未具备"));
            }
        }
    }

    private Set<String> missing(Duty duty, String area) {
        if (duty == null) {
            return Set.of();
        }
        Set<String> wanted = new TreeSet<>(duty.requires());
        for (Within part : duty.within()) {
            if (Areas.cover(part.areas(), area)) {
                wanted.addAll(part.requires());
            }
        }
        wanted.removeAll(qualifications);
        return wanted;
    }

    private void addExcluded(List<Conflict> found, Exclusion rule, List<Held> held, List<Held> gained) {
        List<Held> newLeft = on(rule.left(), rule, gained);
        List<Held> newRight = on(rule.right(), rule, gained);
        if (newLeft.isEmpty() && newRight.isEmpty()) {
            return;
        }
        List<Held> oldLeft = on(rule.left(), rule, held);
        List<Held> oldRight = on(rule.right(), rule, held);
        Held[] pair = firstPair(rule, newLeft, oldRight);
        pair = pair != null ? pair : firstPair(rule, newRight, oldLeft);
        pair = pair != null ? pair : firstPair(rule, newLeft, newRight);
        if (pair != null) {
            found.add(new Conflict(rule.id(), rule.label(), rule.article(), List.of(pair),
                    cited(rule.label(), rule.article()) + "：" + told(pair[0]) + "与" + told(pair[1]) + "不相容"));
        }
    }

    private static List<Held> on(Set<String> side, Exclusion rule, List<Held> items) {
        List<Held> found = new ArrayList<>(items.size());
        for (Held item : items) {
            if (side.contains(item.role()) && Areas.cover(rule.areas(), item.area())) {
                found.add(item);
            }
        }
        return found;
    }

    private static Held[] firstPair(Exclusion rule, List<Held> news, List<Held> olds) {
        for (Held one : news) {
            for (Held other : olds) {
                if (rule.scope() == Scope.PERSON || inOneCounty(one, other)) {
                    return new Held[] {one, other};
                }
            }
        }
        return null;
    }

    private static boolean inOneCounty(Held one, Held other) {
        return one.area() == null || other.area() == null || one.area().equals(other.area());
    }

    private void addTooMany(List<Conflict> found, Maximum rule, List<Held> held, List<Held> gained) {
        Map<String, Held> counted = new LinkedHashMap<>();
        Stream.concat(gained.stream(), held.stream())
                .filter(item -> counts(rule, item))
                .forEach(item -> counted.putIfAbsent(item.role(), item));
        if (counted.size() > rule.most()) {
            String things = counted.values().stream().map(this::told).collect(Collectors.joining("、"));
            found.add(new Conflict(rule.id(), rule.label(), rule.article(), List.copyOf(counted.values()),
                    cited(rule.label(), rule.article()) + "：一人至多 " + rule.most() + " 项，此处有" + things));
        }
    }

    private void addTooManyPeople(List<Conflict> found, Maximum rule, List<Held> gained) {
        Set<String> judged = new HashSet<>();
        for (Held item : gained) {
            String area = item.area();
            if (area == null || !counts(rule, item)) {
                continue;
            }
            if (!(rule.digits().isEmpty() || rule.digits().contains(area.length())) || !judged.add(area)) {
                continue;
            }
            int count = others.count(rule, area);
            if (count + 1 > rule.most()) {
                found.add(new Conflict(rule.id(), rule.label(), rule.article(), List.of(item),
                        cited(rule.label(), rule.article()) + "：" + area + " 至多 " + rule.most() + " 人，另有 "
                                + count + " 人在任，不能再有" + told(item)));
            }
        }
    }

    private static boolean concerns(Maximum rule, List<Held> gained) {
        for (Held item : gained) {
            if (counts(rule, item)) {
                return true;
            }
        }
        return false;
    }

    private static boolean counts(Maximum rule, Held item) {
        return rule.roles().contains(item.role()) && Areas.cover(rule.areas(), item.area());
    }

    private static String cited(String label, String article) {
        return "“" + label + "”（" + article + "）";
    }

    private String told(Held held) {
        String path = held.path().stream().map(this::labelled).collect(Collectors.joining(" → "));
        return "“" + labelled(held.role()) + "”（" + path + "）";
    }

    private String labelled(String step) {
        Duty duty = rules.duties().get(step);
        return duty == null ? step : duty.label();
    }
}
