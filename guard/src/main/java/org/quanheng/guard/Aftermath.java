package org.quanheng.guard;

import java.text.Normalizer;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.keycloak.common.constants.ServiceAccountConstants;
import org.keycloak.connections.jpa.JpaConnectionProvider;
import org.keycloak.events.Event;
import org.keycloak.events.EventListenerProvider;
import org.keycloak.events.EventType;
import org.keycloak.events.admin.AdminEvent;
import org.keycloak.events.admin.ResourceType;
import org.keycloak.models.AbstractKeycloakTransaction;
import org.keycloak.models.ClientModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.UserModel;
import org.keycloak.models.UserProvider;
import org.keycloak.models.cache.CacheRealmProvider;
import org.keycloak.models.cache.UserCache;
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

    /** Events after which a group may have other attributes. */
    private static final Set<ResourceType> GROUPS = EnumSet.of(
            ResourceType.GROUP, ResourceType.ORGANIZATION, ResourceType.ORGANIZATION_GROUP);

    /** What people do to their own accounts. */
    private static final Set<EventType> OWN =
            EnumSet.of(EventType.REGISTER, EventType.UPDATE_PROFILE, EventType.UPDATE_EMAIL);

    private static final String USERS = "users/";

    /** What has events of the model and changes nothing of the account itself. */
    private static final Set<String> GRANTS = Set.of("groups", "role-mappings");

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

    /**
     * As a request to the Admin API begins. Some that change credentials make no admin event, and a mail that was sent
     * cannot be taken back.
     */
    void begin() {
        List<String> asked = Requests.changeOfUser(session);
        if (asked.size() < 2 || GRANTS.contains(asked.get(1))) {
            return;
        }
        RealmModel realm = session.getContext().getRealm();
        if (realm == null || !keeper.guards(realm)) {
            return;
        }
        boolean mails = asked.stream().skip(1).anyMatch(part -> part.endsWith("-email"));
        if (mails && Writers.delegateActs(session, realm, keeper.standing(realm), options)) {
            // Whose text it is, if it is nobody's id, is not for the log.
            boolean known = stored(session, realm, asked.get(0)) != null;
            vetoes.refuse(session, realm, known ? USERS + asked.get(0) : "users", Refusal.credentials());
        }
        expect(realm.getId(), check -> check.users.add(asked.get(0)));
    }

    /** Whoever changes an account of one's own makes no admin event. What else a login gives has events of the model. */
    @Override
    public void onEvent(Event event) {
        if (OWN.contains(event.getType()) && event.getUserId() != null) {
            expect(event.getRealmId(), check -> check.users.add(event.getUserId()));
        }
    }

    @Override
    public void onEvent(AdminEvent event, boolean includeRepresentation) {
        ResourceType type = event.getResourceType();
        String path = event.getResourcePath() == null ? "" : event.getResourcePath();
        // Default groups are told of as groups are.
        boolean power = POWERS.contains(type) || path.startsWith("default-groups");
        if (power || type == ResourceType.USER || GROUPS.contains(type)) {
            expect(event.getRealmId(), check -> {
                if (power) {
                    check.powers.add(type.name().toLowerCase(Locale.ROOT).replace('_', '-'));
                }
                if (path.startsWith(USERS)) {
                    check.users.addAll(usersIn(path.substring(USERS.length())));
                }
                check.groups |= type == ResourceType.REALM || GROUPS.contains(type);
            });
        }
    }

    @Override
    public void close() {
        // nothing is held
    }

    /**
     * Whoever a path may be about. An import tells of users by events of the realm, and takes any text for an id: where
     * that has a slash, nobody can tell where it ends. What is nobody's id is about nobody.
     */
    private static Set<String> usersIn(String path) {
        Set<String> found = new HashSet<>(Set.of(path));
        for (int slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
            found.add(path.substring(0, slash));
            found.add(path.substring(0, slash + 1));
        }
        return found;
    }

    /** Adds to what is judged in the end. Keycloak swallows what is thrown here, so it is thrown again there. */
    private void expect(String realmId, Consumer<Check> what) {
        try {
            RealmModel realm = session.realms().getRealm(realmId);
            if (realm == null || !keeper.guards(realm)) {
                return;
            }
            String key = Aftermath.class.getName() + "." + realm.getId();
            Check check = session.getAttribute(key, Check.class);
            if (check == null) {
                check = new Check(realm);
                session.setAttribute(key, check);
                session.getTransactionManager().enlistPrepare(check);
                session.getTransactionManager().enlistAfterCompletion(new Forgetting(check));
                vetoes.expect(session);
            }
            what.accept(check);
        } catch (RuntimeException error) {
            session.getTransactionManager().enlistPrepare(new AbstractKeycloakTransaction() {
                @Override
                protected void commitImpl() {
                    throw error;
                }

                @Override
                protected void rollbackImpl() {
                    // nothing was done
                }
            });
        }
    }

    /** What one request has to be judged by when it has done everything. */
    private final class Check extends AbstractKeycloakTransaction {

        private final RealmModel realm;
        private final Set<String> users = new HashSet<>();
        private final Set<String> powers = new HashSet<>();
        private boolean groups;

        Check(RealmModel realm) {
            this.realm = realm;
        }

        @Override
        protected void commitImpl() {
            if (Writers.include(session, realm, keeper.standing(realm), options)) {
                return;
            }
            Known was = before((past, there) -> new Known(
                    there.getName(), there.getAttribute(RuleKeeper.ATTRIBUTE), keeper.standing(there)));
            if (was.standing().valid()) {
                if (powers.contains("realm")) {
                    requireSameRules(was);
                }
                requireSamePowers(was.standing().rules());
            }
            Set<String> names = new HashSet<>(Set.of(Account.PERSON));
            if (was.standing().valid()) {
                names.addAll(was.standing().rules().protect().providerAttributes());
                // An administrator who edits an account writes these; a provider's mapper shall not.
                names.removeAll(CONTACT);
            }
            requireSameAccounts(names, was.standing());
            if (groups) {
                requireSameGroups(names);
            }
        }

        /** They count in the realm of their name, and are replaced by our writers. */
        private void requireSameRules(Known was) {
            if (was.name().equals(was.standing().rules().realm()) && !was.name().equals(realm.getName())) {
                vetoes.refuse(session, realm, "realm", Refusal.realmRename());
            }
            if (!was.rules().equals(realm.getAttribute(RuleKeeper.ATTRIBUTE)) && isReplaceable(was.standing().rules())) {
                vetoes.refuse(session, realm, "realm", Refusal.rulesRemoval());
            }
        }

        private boolean mayHaveProviders() {
            return powers.contains("realm") || powers.stream().anyMatch(power -> power.startsWith("identity-provider"));
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

        private void requireSameAccounts(Set<String> names, Standing standing) {
            boolean delegate = Actor.of(session).isOf(realm);
            Set<String> ours = new HashSet<>(names);
            if (delegate) {
                ours.addAll(Account.OURS);
            }
            Map<String, Account> known = users.isEmpty() ? Map.of() : before((past, there) -> {
                Map<String, Account> found = new HashMap<>();
                for (String id : users) {
                    UserModel user = stored(past, there, id);
                    if (user != null) {
                        found.put(id, Account.of(past, user, ours));
                    }
                }
                return found;
            });
            for (String id : users) {
                UserModel user = stored(session, realm, id);
                if (user != null) {
                    requireSameAccount(user, known.get(id), Account.of(session, user, ours), delegate, standing);
                }
            }
        }

        /** @param known null for an account that was not there */
        private void requireSameAccount(
                UserModel user, Account known, Account account, boolean delegate, Standing standing) {
            String path = USERS + user.getId();
            if (isSecondWriter(user, standing) || !user.isEnabled() && Writers.own(user, realm, standing, options)) {
                vetoes.refuse(session, realm, path, Refusal.writerAccount());
            }
            if (known == null && delegate && isKept(user.getUsername(), standing)) {
                vetoes.refuse(session, realm, path, Refusal.userName());
            }
            if (known == null && delegate && user.isEnabled()) {
                // Nobody has seen the personnel data of whom an administrator makes.
                user.setEnabled(false);
                UserCache cache = session.getProvider(UserCache.class);
                if (cache != null) {
                    cache.evict(realm, user);
                }
            }
            Account was = known == null ? Account.none(realm) : known;
            Account is = known == null ? account.made() : account;
            Refusal refusal = delegate ? is.refusalToDelegate(was) : is.refusal(was);
            if (refusal != null) {
                vetoes.refuse(session, realm, path, refusal);
            }
        }

        /** One that is about to be issued would be lost to whom it is for; one of a service account looks like it. */
        private boolean isKept(String given, Standing standing) {
            String name = Normalizer.normalize(given, Normalizer.Form.NFKC).toLowerCase(Locale.ROOT);
            return name.startsWith(ServiceAccountConstants.SERVICE_ACCOUNT_USER_PREFIX)
                    || standing.valid() && standing.rules().protect().keeps(name);
        }

        /** A mapper that finds no attribute of a user takes one of the user's groups. */
        private void requireSameGroups(Set<String> names) {
            Set<String> found = attributes(session, realm, names);
            if (!found.isEmpty()) {
                found.removeAll(before((past, there) -> attributes(past, there, names)));
            }
            if (!found.isEmpty()) {
                vetoes.refuse(session, realm, "groups", Refusal.record());
            }
        }

        /** An import may say of any user that it is the service account of a client, who then cannot act any more. */
        private boolean isSecondWriter(UserModel user, Standing standing) {
            ClientModel client = user.getServiceAccountClientLink() == null
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

    /** Keycloak leaves a provider whose import was rolled back in its cache, and lets people log in by it. */
    private final class Forgetting extends AbstractKeycloakTransaction {

        private final Check check;

        Forgetting(Check check) {
            this.check = check;
        }

        @Override
        protected void commitImpl() {
            // nothing was refused
        }

        @Override
        protected void rollbackImpl() {
            CacheRealmProvider cache = check.mayHaveProviders() ? session.getProvider(CacheRealmProvider.class) : null;
            if (cache != null) {
                cache.clear();
            }
        }
    }

    private record Known(String name, String rules, Standing standing) {
    }

    /** Which groups have such attributes, with the values. */
    private static Set<String> attributes(KeycloakSession session, RealmModel realm, Set<String> names) {
        return session.getProvider(JpaConnectionProvider.class).getEntityManager()
                .createQuery("select concat(a.group.id, ' ', a.name, ' ', a.value) from GroupAttributeEntity a"
                        + " where a.group.realm = :realm and a.name in :names", String.class)
                .setParameter("realm", realm.getId())
                .setParameter("names", names)
                .getResultStream()
                .collect(Collectors.toSet());
    }
}
