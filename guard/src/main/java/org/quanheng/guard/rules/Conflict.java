package org.quanheng.guard.rules;

import java.util.List;

/**
 * One rule that one person breaks, or would break.
 *
 * @param rule id of the rule
 * @param label what the rule says
 * @param article of the regulation
 * @param held the things that meet
 * @param reason a Chinese sentence with all of that and the paths; no name of a person
 */
public record Conflict(String rule, String label, String article, List<Held> held, String reason) {

    public Conflict {
        held = List.copyOf(held);
    }
}
