package org.quanheng.guard;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jboss.logging.Logger;
import org.keycloak.models.RealmModel;
import org.quanheng.guard.SequenceStore.Seen;
import org.quanheng.guard.rules.Rules;

/** Reads the rules of realms and believes them when signature, realm and sequence are right. */
final class RuleKeeper {

    static final String ATTRIBUTE = "quanheng.rules";

    private static final Logger LOG = Logger.getLogger(RuleKeeper.class);
    private static final ObjectMapper JSON = new ObjectMapper();

    private static final String REPLACED = "newer rules have been in force already";

    /**
     * How long rules that newer ones have just replaced may still be met: in transactions that began before, and on
     * nodes that the change has not reached yet. They are then judged by the newer ones.
     */
    private static final Duration OVERLAP = Duration.ofSeconds(10);

    /** Rules in force, or why there are none. */
    record Standing(Rules rules, String problem) {

        static Standing none(String problem) {
            return new Standing(null, problem);
        }

        boolean valid() {
            return rules != null;
        }
    }

    private record Known(String text, Standing standing, Instant since) {
    }

    private record Envelope(byte[] payload, byte[] signature) {
    }

    private final GuardOptions options;
    private final Map<String, Known> known = new ConcurrentHashMap<>();

    /** Ids of realms that had rules while they were guarded by name. */
    private final Set<String> marked = ConcurrentHashMap.newKeySet();

    RuleKeeper(GuardOptions options) {
        this.options = options;
    }

    /**
     * Reads the state directory.
     *
     * @throws IOException when it cannot be read or made, and with it which realms are guarded
     */
    void start() throws IOException {
        if (options.stateDirectory().isPresent()) {
            marked.addAll(new SequenceStore(options.stateDirectory().get()).guarded());
        }
    }

    /**
     * Whether a realm is guarded: by its name, as the server's operator said, or because it was guarded and had rules before. So
     * a realm does not escape by another name.
     */
    boolean guards(RealmModel realm) {
        return options.guards(realm.getName()) || marked.contains(realm.getId());
    }

    /** What is in force in a realm by its attribute. Costs a comparison while the attribute stays the same. */
    Standing standing(RealmModel realm) {
        String text = realm.getAttribute(ATTRIBUTE);
        Known last = known.get(realm.getId());
        if (last != null && last.text().equals(text)) {
            if (last.text() != text) {
                // The realm's own copy, so that the next comparison ends before it begins.
                known.replace(realm.getId(), last, new Known(text, last.standing(), last.since()));
            }
            return last.standing();
        }
        if (text == null) {
            return Standing.none("the realm has no rules");
        }
        Standing found = accept(realm, text, null);
        boolean justReplaced = found.problem().equals(REPLACED)
                && last != null
                && last.since().isAfter(Instant.now().minus(OVERLAP));
        return justReplaced ? last.standing() : found;
    }

    /**
     * Verifies rules, and remembers them when they are good.
     *
     * @param giver account that gives them now, which has to be one of their writers: else nobody could give the next.
     *     Null for rules that the realm has
     */
    synchronized Standing accept(RealmModel realm, String text, String giver) {
        Standing found;
        try {
            found = verify(realm, text, giver);
        } catch (IOException error) {
            LOG.errorf("realm %s: %s", realm.getName(), error.getMessage());
            found = Standing.none("keys or state cannot be read or written: see the server's log");
        }
        if (found.valid()) {
            known.put(realm.getId(), new Known(text, found, Instant.now()));
        }
        return found;
    }

    /** The highest number that was in force in a realm; 0 when there was none, or when nobody can tell. */
    long highest(RealmModel realm) {
        if (options.stateDirectory().isEmpty()) {
            return 0;
        }
        try {
            return new SequenceStore(options.stateDirectory().get()).read(realm.getId()).sequence();
        } catch (IOException error) {
            LOG.errorf("realm %s: %s", realm.getName(), error.getMessage());
            return 0;
        }
    }

    private Standing verify(RealmModel realm, String text, String giver) throws IOException {
        if (options.stateDirectory().isEmpty()) {
            return Standing.none("the server option state-directory is missing");
        }
        Rules rules;
        byte[] payload;
        try {
            Envelope envelope = JSON.readValue(text, Envelope.class);
            payload = envelope == null ? null : envelope.payload();
            if (payload == null || envelope.signature() == null || !isSigned(payload, envelope.signature())) {
                return Standing.none("the signature is not of a key that this server knows");
            }
            rules = Rules.parse(payload);
        } catch (IOException | GeneralSecurityException | IllegalArgumentException error) {
            LOG.warnf("realm %s: rules cannot be read: %s", realm.getName(), error.getMessage());
            return Standing.none("the rules cannot be read: see the server's log");
        }
        if (!rules.realm().equals(realm.getName())) {
            return Standing.none("the rules are of another realm");
        }
        if (giver != null && !rules.writers().contains(giver)) {
            return Standing.none("the account that gives the rules is none of their writers");
        }
        return inSequence(realm, rules, digest(payload));
    }

    private Standing inSequence(RealmModel realm, Rules rules, String digest) throws IOException {
        SequenceStore store = new SequenceStore(options.stateDirectory().orElseThrow());
        Seen seen = store.read(realm.getId());
        if (options.guards(realm.getName()) && !marked.contains(realm.getId())) {
            store.markGuarded(realm.getId());
            marked.add(realm.getId());
        }
        if (rules.sequence() > seen.sequence()) {
            store.write(realm.getId(), new Seen(rules.sequence(), digest));
        } else if (rules.sequence() < seen.sequence()) {
            return Standing.none(REPLACED);
        } else if (!digest.equals(seen.digest())) {
            return Standing.none("other rules with the same sequence have been in force already");
        }
        return new Standing(rules, "");
    }

    private boolean isSigned(byte[] payload, byte[] signature) throws IOException, GeneralSecurityException {
        for (PublicKey key : options.publicKeys()) {
            Signature verifier = Signature.getInstance("Ed25519");
            verifier.initVerify(key);
            verifier.update(payload);
            try {
                if (verifier.verify(signature)) {
                    return true;
                }
            } catch (SignatureException malformed) {
                LOG.debug("a signature that is none", malformed);
            }
        }
        return false;
    }

    private static String digest(byte[] payload) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(payload));
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }
}
