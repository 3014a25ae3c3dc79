package org.quanheng.guard;

import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.stream.Collectors;
import org.keycloak.events.Event;
import org.keycloak.events.EventListenerProvider;
import org.keycloak.events.admin.AdminEvent;
import org.keycloak.events.admin.ResourceType;
import org.keycloak.models.AbstractKeycloakTransaction;
import org.keycloak.models.ClientModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.UserModel;
import org.keycloak.models.UserProvider;
import org.keycloak.models.utils.KeycloakModelUtils;
import org.quanheng.guard.Restoration.Restored;
import org.quanheng.guard.RuleKeeper.Standing;
import org.quanheng.guard.rules.Rules;

/**
 * Judges by what it leaves what has no event of the model: a role in a composite, a mapper, an attribute of a user, the
 * rules themselves.
 *
 * <p>Keycloak swallows what a listener of admin events throws, but not what is thrown as the transaction prepares to
 * commit, when nothing is kept yet. Only what was not there before stands against a request: nobody is refused for what
 * somebody else has left.
 */
final class Aftermath implements EventListenerProvider {

    /** Events after which roles may be given, or forged, without a grant. */
    private static final Set<ResourceType> POWERS = EnumSet.of(
            ResourceType.REALM, ResourceType.REALM_ROLE, ResourceType.CLIENT, ResourceType.CLIENT_ROLE,
            ResourceType.CLIENT_SCOPE, ResourceType.PROTOCOL_MAPPER, ResourceType.IDENTITY_PROVIDER,
            ResourceType.IDENTITY_PROVIDER_MAPPER);

    private static final String USERS = "users/";

    /** The attribute that says who it is, whatever the rules say. */
    private static final String PERSON = "person_id";

    /** In small letters, as the rules have them. */
    private static final Set<String> CONTACT = Set.of("email", "firstname", "lastname");

    private final KeycloakSession session;
    private final GuardOptions options;
    private final RuleKeeper keeper;
    private final Vetoes vetoes;

    Aftermath(KeycloakSession session, GuardOptions options, RuleKeeper keeper, Vetoes vetoes) {
        this.session = session;
        this.options = options;
        this.keeper = keeper;
        this.vetoes = vetoes;
    }

    @Override
    public void onEvent(Event event) {
        // What a login gives has events of the model.
    }

    @Override
    public void onEvent(AdminEvent event, boolean includeRepresentation) {
        Optional<String> user = userOf(event);
        boolean power = POWERS.contains(event.getResourceType());
        if (!power && user.isEmpty()) {
            return;
        }
        RealmModel realm = session.realms().getRealm(event.getRealmId());
        if (realm == null || !keeper.guards(realm)
                || Writers.include(session, realm, keeper.standing(realm), options)) {
            return;
        }
        String key = Aftermath.class.getName() + "." + realm.getId();
        Check check = session.getAttribute(key, Check.class);
        if (check == null) {
            check = new Check(realm);
            session.setAttribute(key, check);
            session.getTransactionManager().enlistPrepare(check);
            vetoes.expect(session);
        }
        user.ifPresent(check.users::add);
        if (power) {
            check.powers.add(event.getResourceType().name().toLowerCase(Locale.ROOT).replace('_', '-'));
        }
    }

    @Override
    public void close() {
        // nothing is held
    }

    /** An import tells of users by events of the realm. */
    private static Optional<String> userOf(AdminEvent event) {
        String path = event.getResourcePath();
        return path != null && path.startsWith(USERS) && path.indexOf('/', USERS.length()) < 0
                ? Optional.of(path.substring(USERS.length()))
                : Optional.empty();
    }

    /** What one request has to be judged by when it has done everything. */
    private final class Check extends AbstractKeycloakTransaction {

        private final RealmModel realm;
        private final Set<String> users = new HashSet<>();
        private final Set<String> powers = new HashSet<>();

        Check(RealmModel realm) {
            this.realm = realm;
        }

        @Override
        protected void commitImpl() {
            String[] text = new String[1];
            Standing standing = before((past, was) -> {
                text[0] = was.getAttribute(RuleKeeper.ATTRIBUTE);
                return keeper.standing(was);
            });
            if (standing.valid()) {
                if (!text[0].equals(realm.getAttribute(RuleKeeper.ATTRIBUTE)) && isReplaceable(standing.rules())) {
                    vetoes.refuse(session, realm, "realm", Refusal.rulesRemoval());
                }
                requireSamePowers(standing.rules());
            }
            requireSameRecords(standing);
        }

        /** Rules with a writer who is gone have to be taken away first: else nobody could give the next. */
        private boolean isReplaceable(Rules rules) {
            return rules.writers().stream().allMatch(writer -> session.users().getUserById(realm, writer) != null);
        }

        private void requireSamePowers(Rules rules) {
            Set<Restored> found = powers.isEmpty() ? Set.of() : new Restoration(session, realm, rules).find();
            if (found.isEmpty()) {
                return;
            }
            found.removeAll(before((past, was) -> new Restoration(past, was, rules).find()));
            List<Refusal> refusals = found.stream().map(Restored::kind).distinct().sorted().map(Refusal::power).toList();
            if (!refusals.isEmpty()) {
                String path = powers.stream().sorted().collect(Collectors.joining(" "));
                vetoes.refuse(session, realm, path, Refusal.all(refusals.toArray(Refusal[]::new)));
            }
        }

        private void requireSameRecords(Standing standing) {
            Set<String> names = new HashSet<>(Set.of(PERSON));
            if (standing.valid()) {
                names.addAll(standing.rules().protect().providerAttributes());
                // An administrator who edits an account writes these; a provider's mapper shall not.
                names.removeAll(CONTACT);
            }
            for (String id : users) {
                if (isSecondWriter(id, standing)) {
                    vetoes.refuse(session, realm, USERS + id, Refusal.writerAccount());
                }
                Map<String, List<String>> record = record(session, realm, id, names);
                Map<String, List<String>> known = before((past, was) -> record(past, was, id, names));
                if (record != null && known == null) {
                    // Who makes an account gives it a name.
                    record.remove(UserModel.USERNAME);
                }
                if (record != null && !record.equals(known == null ? Map.of() : known)) {
                    vetoes.refuse(session, realm, USERS + id, Refusal.record());
                }
            }
        }

        /** An import may say of any user that it is the service account of a client, who then cannot act any more. */
        private boolean isSecondWriter(String id, Standing standing) {
            UserModel user = stored(session, realm, id);
            ClientModel client = user == null || user.getServiceAccountClientLink() == null
                    ? null
                    : realm.getClientById(user.getServiceAccountClientLink());
            return client != null
                    && Writers.use(client, client.getClientId(), session, standing, options)
                    && !Writers.own(user, realm, standing, options);
        }

        private <T> T before(BiFunction<KeycloakSession, RealmModel, T> asked) {
            return KeycloakModelUtils.runJobInTransactionWithResult(session.getKeycloakSessionFactory(), past -> {
                RealmModel was = past.realms().getRealm(realm.getId());
                past.getContext().setRealm(was);
                return asked.apply(past, was);
            });
        }

        @Override
        protected void rollbackImpl() {
            // nothing was done
        }
    }

    /** As the database has it, in this session's transaction: the cache would keep an import that is refused. */
    private static UserModel stored(KeycloakSession session, RealmModel realm, String id) {
        return session.getProvider(UserProvider.class, "jpa").getUserById(realm, id);
    }

    /** Null when there is no such user. */
    private static Map<String, List<String>> record(
            KeycloakSession session, RealmModel realm, String id, Set<String> names) {
        UserModel user = stored(session, realm, id);
        if (user == null) {
            return null;
        }
        Map<String, List<String>> record = new HashMap<>();
        for (String name : names) {
            List<String> values = user.getAttributeStream(name).toList();
            if (!values.isEmpty()) {
                record.put(name, values);
            }
        }
        return record;
    }
}
