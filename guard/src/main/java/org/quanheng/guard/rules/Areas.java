package org.quanheng.guard.rules;

import java.util.Collection;
import java.util.regex.Pattern;

/** Codes of organisations: they nest, {@code 14} holds {@code 1409} holds {@code 140902}. */
public final class Areas {

    private static final int COUNTY_DIGITS = 6;
    private static final Pattern CODE = Pattern.compile("[0-9]{2,5}|[0-9]{6}[0-9A-Z]*");

    private Areas() {
    }

    /**
     * The county, city or province in whose name a group gives a role, from its {@code org_code}.
     *
     * <p>Six digits name it (GB/T 2260); a bureau's own staff are coded {@code 140900000} in the city
     * {@code 1409}. The same as {@code quanheng.policy.units.area_code}.
     *
     * @return null, which is nowhere in particular, for what is no such code: it may not be taken for a wide area
     */
    public static String of(String code) {
        if (code == null || !CODE.matcher(code).matches()) {
            return null;
        }
        String area = code.substring(0, Math.min(COUNTY_DIGITS, code.length()));
        while (area.length() > 2 && area.endsWith("00")) {
            area = area.substring(0, area.length() - 2);
        }
        return area;
    }

    /** Whether a code is that of a county, city or province itself, and not of something in it. */
    public static boolean isArea(String code) {
        return code != null && code.equals(of(code));
    }

    /** Whether something held in {@code area} (null: everywhere) is held where a rule for {@code areas} applies. */
    static boolean cover(Collection<String> areas, String area) {
        if (areas.isEmpty() || area == null) {
            return true;
        }
        for (String wide : areas) {
            if (area.startsWith(wide)) {
                return true;
            }
        }
        return false;
    }
}
