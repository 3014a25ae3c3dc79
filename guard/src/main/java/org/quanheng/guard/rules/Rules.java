package org.quanheng.guard.rules;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.time.LocalDate;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Every rule of a realm as signed by quanheng; roles, groups and users by Keycloak's ids, so that a name that changes
 * changes nothing. {@code guard/README.md} explains the form. What is unknown or missing in it is an error: a guard
 * that does not understand its rules has none.
 */
public record Rules(
        int format,
        String realm,
        long sequence,
        String issued,
        String card,
        Set<String> writers,
        Map<String, Duty> duties,
        Exclusions exclusions,
        List<Maximum> maxima,
        List<Waiver> waivers,
        Map<String, String> groups,
        Protect protect) {

    private static final int FORMAT = 1;

    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .build();

    public Rules {
        if (format != FORMAT) {
            throw new IllegalArgumentException("format " + format + " is not known here");
        }
        required("realm", realm);
        required("issued", issued);
        required("card", card);
        required("exclusions", exclusions);
        required("protect", protect);
        writers = Set.copyOf(writers);
        duties = Map.copyOf(duties);
        maxima = List.copyOf(maxima);
        waivers = List.copyOf(waivers);
        groups = Map.copyOf(groups);
    }

    /** Reads rules; whoever calls has seen to the signature. */
    public static Rules parse(byte[] json) throws IOException {
        return JSON.readValue(json, Rules.class);
    }

    private static void required(String name, Object value) {
        if (value == null) {
            throw new IllegalArgumentException(name + " is missing");
        }
    }

    private static <T> List<T> orNone(List<T> items) {
        return items == null ? List.of() : List.copyOf(items);
    }

    /**
     * A role that is a power.
     *
     * @param requires ids of groups in all of which a holder must be
     * @param granters ids of roles whose holders may grant it, in their own area and below
     * @param within where more is asked; may be absent
     */
    public record Duty(String label, String article, Set<String> requires, Set<String> granters, List<Within> within) {

        public Duty {
            required("label", label);
            required("article", article);
            requires = Set.copyOf(requires);
            granters = Set.copyOf(granters);
            within = orNone(within);
        }
    }

    /** What a pack that is stacked on another asks in its own areas: more qualifications, fewer granters. */
    public record Within(List<String> areas, Set<String> requires, Set<String> granters) {

        public Within {
            areas = List.copyOf(areas);
            requires = Set.copyOf(requires);
            granters = Set.copyOf(granters);
        }
    }

    /** Of whom a rule speaks: one person, or one county. */
    public enum Scope {
        @JsonProperty("person") PERSON,
        @JsonProperty("county") COUNTY
    }

    /** Nobody holds something of {@code left} and something of {@code right}; {@code county}: in one county. */
    public record Exclusion(
            String id,
            String label,
            String article,
            Scope scope,
            List<String> areas,
            Set<String> left,
            Set<String> right) {

        public Exclusion {
            required("id", id);
            required("label", label);
            required("article", article);
            required("scope", scope);
            areas = List.copyOf(areas);
            left = Set.copyOf(left);
            right = Set.copyOf(right);
        }
    }

    /**
     * Nobody holds more than {@code most} of {@code roles}, or no county has more than {@code most} holders.
     *
     * @param digits how long the codes of the counties are that count; empty or absent: any
     */
    public record Maximum(
            String id,
            String label,
            String article,
            Scope per,
            List<String> areas,
            List<Integer> digits,
            Set<String> roles,
            int most) {

        public Maximum {
            required("id", id);
            required("label", label);
            required("article", article);
            required("per", per);
            areas = List.copyOf(areas);
            digits = orNone(digits);
            roles = Set.copyOf(roles);
        }
    }

    /** A user for whom a rule does not count until a day, that day included (in China). */
    public record Waiver(String user, String rule, LocalDate until) {

        @JsonCreator
        public Waiver(
                @JsonProperty("user") String user,
                @JsonProperty("rule") String rule,
                @JsonProperty("until") String until) {
            this(user, rule, LocalDate.parse(until));
        }

        public Waiver {
            required("user", user);
            required("rule", rule);
        }

        boolean counts(String forUser, LocalDate day) {
            return user.equals(forUser) && !day.isAfter(until);
        }
    }

    /**
     * What {@code POST restore} sets right.
     *
     * @param composites by id of a role, ids of exactly the roles that it contains
     * @param protocolMappers provider ids of mappers of clients that give roles to whoever logs in; "*" at the end
     *     stands for anything
     * @param providerMappers the same of identity providers
     * @param roleClaims first parts, in small letters, of claims that say what a holder may do; may be absent, as may
     *     the next two
     * @param truthful what may write into them
     * @param providerAttributes attributes, in small letters, that no mapper of an identity provider may write
     * @param userNames names that are issued, or kept for accounts of ours; "#" at the end stands for a number; may be
     *     absent
     */
    public record Protect(
            Map<String, Set<String>> composites,
            @JsonProperty("protocol_mappers") Set<String> protocolMappers,
            @JsonProperty("provider_mappers") Set<String> providerMappers,
            @JsonProperty("role_claims") Set<String> roleClaims,
            List<Mappers.Truthful> truthful,
            @JsonProperty("provider_attributes") Set<String> providerAttributes,
            @JsonProperty("user_names") Set<String> userNames) {

        public Protect {
            composites = Map.copyOf(composites);
            protocolMappers = Set.copyOf(protocolMappers);
            providerMappers = Set.copyOf(providerMappers);
            roleClaims = roleClaims == null ? Set.of() : Set.copyOf(roleClaims);
            truthful = orNone(truthful);
            providerAttributes = providerAttributes == null ? Set.of() : Set.copyOf(providerAttributes);
            userNames = userNames == null ? Set.of() : Set.copyOf(userNames);
        }

        /** Whether a user name, in small letters and without look-alikes, is for nobody but our writers to give. */
        public boolean keeps(String userName) {
            return userNames.stream().anyMatch(kept -> kept.endsWith("#")
                    ? isNumbered(kept.substring(0, kept.length() - 1), userName)
                    : kept.equals(userName));
        }

        private static boolean isNumbered(String prefix, String userName) {
            return userName.startsWith(prefix)
                    && userName.length() > prefix.length()
                    && userName.chars().skip(prefix.length()).allMatch(each -> each >= '0' && each <= '9');
        }
    }

    /** Id in the pack: what was expanded from one rule has {@code #1}, {@code #2}, … after it. */
    static String source(String rule) {
        int number = rule.indexOf('#');
        return number < 0 ? rule : rule.substring(0, number);
    }
}
