package org.quanheng.guard;

import jakarta.persistence.EntityManager;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.keycloak.connections.jpa.JpaConnectionProvider;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.RequiredActionProviderModel;
import org.keycloak.models.UserModel;

/**
 * What an account is at one moment, as far as it is not for everybody to change.
 *
 * @param record our attributes of it
 * @param names what it shows of the person, without what is empty
 * @param source of the user storage that it says to come from; Keycloak deletes what comes from none that is there
 * @param actions what the person has to do at the next login
 * @param credentials ids and versions: any change of one counts its version up, so no secret is read
 */
record Account(
        Map<String, List<String>> record,
        Map<String, String> names,
        boolean enabled,
        String source,
        Set<String> actions,
        Set<String> credentials) {

    /** The attribute that says who it is, whatever the rules say. An account without it is a draft. */
    static final String PERSON = "person_id";

    /** By which the personnel data find a draft. */
    private static final String STAFF = "staff_no";

    /** What is ours whatever the rules say, or while there are none, when an administrator of the realm acts. */
    static final Set<String> OURS = Set.of(PERSON, STAFF, Holdings.AREA_ATTRIBUTE, UserModel.USERNAME);

    /** @param ours names of our attributes */
    static Account of(KeycloakSession session, UserModel user, Set<String> ours) {
        Map<String, List<String>> record = new HashMap<>();
        for (String name : ours) {
            List<String> values = user.getAttributeStream(name).toList();
            if (!values.isEmpty()) {
                record.put(name, values);
            }
        }
        Map<String, String> names = new HashMap<>();
        put(names, UserModel.FIRST_NAME, user.getFirstName());
        put(names, UserModel.LAST_NAME, user.getLastName());
        put(names, UserModel.EMAIL, user.getEmail());
        return new Account(record, names, user.isEnabled(), user.getFederationLink(),
                user.getRequiredActionsStream().collect(Collectors.toSet()), credentials(session, user.getId()));
    }

    /** What everybody begins with who makes an account. */
    static Account none(RealmModel realm) {
        return new Account(Map.of(), Map.of(), false, null,
                realm.getRequiredActionProvidersStream()
                        .filter(RequiredActionProviderModel::isEnabled)
                        .filter(RequiredActionProviderModel::isDefaultAction)
                        .map(RequiredActionProviderModel::getAlias)
                        .collect(Collectors.toSet()),
                Set.of());
    }

    /** A new account without what is for whoever makes it to say: its name, and that it is enabled. */
    Account made() {
        Map<String, List<String>> rest = new HashMap<>(record);
        rest.remove(UserModel.USERNAME);
        return new Account(rest, names, false, source, actions, credentials);
    }

    /** Why nobody but our writers may make this of it; null when they may. */
    Refusal refusal(Account was) {
        return record.equals(was.record) ? null : Refusal.record();
    }

    /** Why an administrator of the realm may not; null when nothing stands against it. */
    Refusal refusalToDelegate(Account was) {
        boolean draft = isDraft() && was.isDraft();
        boolean same = draft
                ? withoutStaff().equals(was.withoutStaff())
                : record.equals(was.record) && names.equals(was.names);
        return Refusal.all(
                same ? null : Refusal.record(),
                isDraft() && enabled && !was.enabled ? Refusal.draftEnabled() : null,
                Objects.equals(source, was.source) ? null : Refusal.source(),
                actions.equals(was.actions) && credentials.equals(was.credentials) ? null : Refusal.credentials());
    }

    private boolean isDraft() {
        return !record.containsKey(PERSON);
    }

    private Map<String, List<String>> withoutStaff() {
        Map<String, List<String>> rest = new HashMap<>(record);
        rest.remove(STAFF);
        return rest;
    }

    private static void put(Map<String, String> names, String name, String value) {
        if (value != null && !value.isBlank()) {
            names.put(name, value);
        }
    }

    private static Set<String> credentials(KeycloakSession session, String user) {
        EntityManager database = session.getProvider(JpaConnectionProvider.class).getEntityManager();
        return Stream.of("CredentialEntity", "UserVerifiableCredentialEntity")
                .flatMap(entity -> database.createQuery(
                                "select concat(c.id, ' ', c.version) from " + entity + " c where c.user.id = :user",
                                String.class)
                        .setParameter("user", user)
                        .getResultList()
                        .stream())
                .collect(Collectors.toCollection(HashSet::new));
    }
}
