package org.quanheng.guard.rules;

import java.util.List;

/**
 * A duty in somebody's hands, and the way it got there.
 *
 * @param role id of the role
 * @param area code of the county, city or province whose group gives it; null when it is mapped directly
 * @param path from the outermost cause to the role: paths of groups or {@code 直接授予}, then roles; a duty by its
 *     id, any other role by its name
 */
public record Held(String role, String area, List<String> path) {

    public Held {
        path = List.copyOf(path);
    }
}
