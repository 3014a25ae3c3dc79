package org.quanheng.guard.rules;

import com.fasterxml.jackson.annotation.JsonCreator;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.quanheng.guard.rules.Rules.Exclusion;

/** All exclusions of a realm, found by role: a grant is about a few of hundreds. */
public final class Exclusions {

    private static final BitSet NONE = new BitSet();

    private final List<Exclusion> all;
    private final Map<String, BitSet> placesByRole = new HashMap<>();

    @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
    Exclusions(List<Exclusion> all) {
        this.all = List.copyOf(all);
        for (int place = 0; place < all.size(); place++) {
            Exclusion rule = all.get(place);
            int here = place;
            Stream.concat(rule.left().stream(), rule.right().stream())
                    .forEach(role -> placesByRole.computeIfAbsent(role, unknown -> new BitSet()).set(here));
        }
    }

    /** Those that name the role of one of these, in the order of the rules. */
    List<Exclusion> concerning(Collection<Held> items) {
        BitSet places = new BitSet();
        items.forEach(item -> places.or(placesByRole.getOrDefault(item.role(), NONE)));
        List<Exclusion> found = new ArrayList<>(places.cardinality());
        places.stream().forEach(place -> found.add(all.get(place)));
        return found;
    }
}
