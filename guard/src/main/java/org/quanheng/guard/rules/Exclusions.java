package org.quanheng.guard.rules;

import com.fasterxml.jackson.annotation.JsonCreator;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quanheng.guard.rules.Rules.Exclusion;

/** All exclusions of a realm, found by role: of hundreds, hardly ever one is about what somebody holds and gets. */
public final class Exclusions {

    private static final BitSet NONE = new BitSet();

    private final List<Exclusion> all;

    /** Places in {@code all} of the rules that have a role on their left, and of those that have it on their right. */
    private final Map<String, BitSet> onLeft = new HashMap<>();
    private final Map<String, BitSet> onRight = new HashMap<>();

    @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
    Exclusions(List<Exclusion> all) {
        this.all = List.copyOf(all);
        for (int place = 0; place < all.size(); place++) {
            note(all.get(place).left(), place, onLeft);
            note(all.get(place).right(), place, onRight);
        }
    }

    private static void note(Set<String> roles, int place, Map<String, BitSet> places) {
        for (String role : roles) {
            places.computeIfAbsent(role, unknown -> new BitSet()).set(place);
        }
    }

    /**
     * Those that have a gained role on one side and a held or gained one on the other, in the order of the rules. Where
     * these are held is not looked at.
     */
    List<Exclusion> meeting(List<Held> held, List<Held> gained) {
        BitSet newLeft = places(gained, onLeft);
        BitSet newRight = places(gained, onRight);
        BitSet left = places(held, onLeft);
        BitSet right = places(held, onRight);
        left.or(newLeft);
        right.or(newRight);
        newLeft.and(right);
        newRight.and(left);
        newLeft.or(newRight);
        List<Exclusion> found = new ArrayList<>();
        for (int place = newLeft.nextSetBit(0); place >= 0; place = newLeft.nextSetBit(place + 1)) {
            found.add(all.get(place));
        }
        return found;
    }

    private static BitSet places(List<Held> items, Map<String, BitSet> byRole) {
        BitSet places = new BitSet();
        for (Held item : items) {
            places.or(byRole.getOrDefault(item.role(), NONE));
        }
        return places;
    }
}
