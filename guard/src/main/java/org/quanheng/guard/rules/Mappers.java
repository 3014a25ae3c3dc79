package org.quanheng.guard.rules;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which mappers give or forge roles, by what they do and which claim they write: the same as
 * {@code quanheng.keycloak.judged_mappers}. The lists come with the signed rules.
 */
public final class Mappers {

    private static final Pattern FIRST_PART = Pattern.compile("(?:\\\\.|[^.\\\\])*+");
    private static final Pattern ESCAPED = Pattern.compile("\\\\(.)");

    /** Settings that name the claim (OpenID Connect) or the attribute (SAML, by either of its names) that a mapper writes. */
    private static final List<String> CLAIM_KEYS = List.of("claim.name", "attribute.name", "friendly.name");

    /** Settings of a provider's mapper that name the attribute of the user it writes. */
    private static final List<String> ATTRIBUTE_KEYS = List.of("user.attribute", "userAttribute", "attribute");

    private Mappers() {
    }

    /**
     * Settings with which a kind of mapper writes into a decisive claim what is so.
     *
     * @param config exactly these values; one that is absent, empty or {@code false} is empty here
     */
    public record Truthful(String kind, Map<String, String> config) {

        public Truthful {
            config = Map.copyOf(config);
        }

        private boolean fits(String ofKind, Map<String, String> settings) {
            return kind.equals(ofKind) && config.entrySet().stream()
                    .allMatch(wanted -> plain(settings.get(wanted.getKey())).equals(wanted.getValue()));
        }
    }

    /** Whether a mapper of a client or client scope gives or forges roles. */
    public static boolean forges(Rules.Protect protect, String kind, Map<String, String> config) {
        if (isListed(kind, protect.protocolMappers())) {
            return true;
        }
        Map<String, String> settings = config == null ? Map.of() : config;
        if (protect.truthful().stream().anyMatch(item -> item.fits(kind, settings))) {
            return false;
        }
        return CLAIM_KEYS.stream()
                .map(key -> firstPart(settings.get(key)))
                // A part that is filled in with the id of a client is whatever somebody called a client.
                .anyMatch(part -> protect.roleClaims().contains(part)
                        || (!protect.roleClaims().isEmpty() && part.contains("${")));
    }

    /** Whether a mapper of an identity provider does, or writes what the sync alone sets. */
    public static boolean providerForges(Rules.Protect protect, String kind, Map<String, String> config) {
        if (isListed(kind, protect.providerMappers())) {
            return true;
        }
        Map<String, String> settings = config == null ? Map.of() : config;
        return ATTRIBUTE_KEYS.stream()
                .map(settings::get)
                .anyMatch(name -> name != null
                        && protect.providerAttributes().contains(name.strip().toLowerCase(Locale.ROOT)));
    }

    private static boolean isListed(String kind, Set<String> kinds) {
        return kinds.stream().anyMatch(item -> item.endsWith("*")
                ? kind.startsWith(item.substring(0, item.length() - 1))
                : kind.equals(item));
    }

    private static String plain(String value) {
        return value == null || value.equals("false") ? "" : value;
    }

    /** Keycloak nests a claim at each dot; a backslash takes the meaning from what follows it. */
    private static String firstPart(String claim) {
        if (claim == null) {
            return "";
        }
        Matcher found = FIRST_PART.matcher(claim);
        String part = found.lookingAt() ? found.group() : "";
        return ESCAPED.matcher(part).replaceAll("$1").strip().toLowerCase(Locale.ROOT);
    }
}
