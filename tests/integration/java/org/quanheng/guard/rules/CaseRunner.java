package org.quanheng.guard.rules;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Judges cases from standard input, one JSON object a line, and writes one line of decisions for each. For the test
 * that compares the guard with quanheng's own judge, which compiles it next to the guard's JAR.
 *
 * <p>In: {@code {"rules", "user", "day", "held", "gained", "qualifications", "others", "grants"}}, where
 * {@code others} counts by rule id and area, and {@code grants} are pairs of a duty and an area to be granted by
 * somebody who holds {@code held}. Out: {@code {"conflicts": [{"rule", "article", "reason"}], "grants": [true, …]}}.
 */
public final class CaseRunner {

    private static final ObjectMapper JSON = new ObjectMapper();

    private CaseRunner() {
    }

    public static void main(String[] arguments) throws IOException {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(JSON.writeValueAsString(decide(JSON.readTree(line))));
        }
        out.flush();
    }

    private static Map<String, Object> decide(JsonNode given) throws IOException {
        Rules rules = Rules.parse(JSON.writeValueAsBytes(given.get("rules")));
        List<Held> held = held(given.get("held"));
        Set<String> qualifications = new TreeSet<>();
        given.get("qualifications").forEach(item -> qualifications.add(item.asText()));
        Judge judge = new Judge(rules, given.get("user").asText(), qualifications,
                LocalDate.parse(given.get("day").asText()),
                (rule, area) -> given.get("others").path(rule.id()).path(area).asInt(0));
        List<Map<String, String>> conflicts = judge.conflicts(held, held(given.get("gained"))).stream()
                .map(item -> Map.of("rule", item.rule(), "article", item.article(), "reason", item.reason()))
                .toList();
        List<Boolean> grants = new ArrayList<>();
        given.get("grants").forEach(
                item -> grants.add(Judge.mayGrant(rules, held, item.get(0).asText(), item.get(1).textValue())));
        Map<String, Object> decision = new LinkedHashMap<>();
        decision.put("conflicts", conflicts);
        decision.put("grants", grants);
        return decision;
    }

    private static List<Held> held(JsonNode items) {
        List<Held> held = new ArrayList<>();
        for (JsonNode item : items) {
            List<String> path = new ArrayList<>();
            item.get("path").forEach(step -> path.add(step.asText()));
            held.add(new Held(item.get("role").asText(), item.get("area").textValue(), path));
        }
        return held;
    }
}
