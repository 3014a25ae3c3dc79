package org.quanheng.guard;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.keycloak.Config;

/**
 * What the server's operator says, and no administrator of a realm can change: options
 * {@code --spi-events-listener--quanheng-guard--…}.
 *
 * @param publicKeyFiles PEM files of Ed25519 keys; rules signed by any of them are believed
 * @param requiredRealms names of the realms that are guarded; {@code guarded-*} means all that begin so
 * @param stateDirectory where the highest sequence seen of each realm is kept
 * @param clients whose service accounts may use the endpoint while a realm has no valid rules
 * @param card alias of the identity provider of the card while a realm has no valid rules
 * @param breakGlassUntil while this lies ahead nothing is vetoed
 */
record GuardOptions(
        List<Path> publicKeyFiles,
        List<String> requiredRealms,
        Optional<Path> stateDirectory,
        Set<String> clients,
        String card,
        Optional<Instant> breakGlassUntil) {

    private static final Duration LONGEST_BREAK_GLASS = Duration.ofHours(24);

    /** Reads the options; an end of the break-glass that lies too far ahead keeps the server from starting. */
    static GuardOptions read(Config.Scope config, Instant now) {
        return new GuardOptions(
                list(config, "public-key-file", "").stream().map(Path::of).toList(),
                list(config, "required-realms", ""),
                Optional.ofNullable(config.get("state-directory")).filter(text -> !text.isBlank()).map(Path::of),
                Set.copyOf(list(config, "clients", "quanheng-sync,quanheng-configurator")),
                config.get("card", "social-card"),
                breakGlass(config.get("break-glass-until"), now));
    }

    boolean guards(String realm) {
        return requiredRealms.stream().anyMatch(wanted -> wanted.endsWith("*")
                ? realm.startsWith(wanted.substring(0, wanted.length() - 1))
                : realm.equals(wanted));
    }

    boolean glassIsBroken(Instant now) {
        return breakGlassUntil.filter(now::isBefore).isPresent();
    }

    /** The public keys, read anew each time, so that a key can be added without a restart. */
    List<PublicKey> publicKeys() throws IOException, GeneralSecurityException {
        List<PublicKey> keys = new ArrayList<>();
        for (Path file : publicKeyFiles) {
            String body = Files.readString(file, StandardCharsets.US_ASCII)
                    .replaceAll("-----(BEGIN|END) PUBLIC KEY-----", "");
            byte[] encoded = Base64.getMimeDecoder().decode(body);
            keys.add(KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded)));
        }
        return keys;
    }

    private static List<String> list(Config.Scope config, String name, String otherwise) {
        return List.of(config.get(name, otherwise).split(",")).stream()
                .map(String::strip)
                .filter(item -> !item.isEmpty())
                .toList();
    }

    private static Optional<Instant> breakGlass(String text, Instant now) {
        if (text == null || text.isBlank()) {
            return Optional.empty();
        }
        try {
            Instant until = Instant.parse(text.strip());
            if (until.isAfter(now.plus(LONGEST_BREAK_GLASS))) {
                throw new IllegalArgumentException("quanheng-guard: break-glass-until lies more than 24 hours ahead");
            }
            return Optional.of(until);
        } catch (DateTimeParseException error) {
            throw new IllegalArgumentException(
                    "quanheng-guard: break-glass-until is no moment like 2026-11-22T01:02:03Z", error);
        }
    }
}
