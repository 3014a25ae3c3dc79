package org.quanheng.guard;

import java.util.Optional;
import org.keycloak.models.ClientModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.UserModel;
import org.quanheng.guard.RuleKeeper.Standing;
import org.quanheng.guard.rules.Rules;

/** Our own service accounts: exempt from the rules about acting, never from exclusions. */
final class Writers {

    private Writers() {
    }

    static boolean include(Actor actor, RealmModel realm, Rules rules) {
        return rules.writers().stream().anyMatch(writer -> actor.is(writer, realm));
    }

    /** By the rules; while there are none, the service accounts of the clients that the server's operator named. */
    static boolean include(KeycloakSession session, RealmModel realm, Standing standing, GuardOptions options) {
        Actor actor = Actor.of(session);
        if (standing.valid()) {
            return include(actor, realm, standing.rules());
        }
        return options.clients().stream()
                .map(realm::getClientByClientId)
                .flatMap(client -> serviceAccount(session, client).stream())
                .anyMatch(account -> actor.is(account.getId(), realm));
    }

    /** Whether an account is theirs. */
    static boolean own(UserModel user, RealmModel realm, Standing standing, GuardOptions options) {
        if (standing.valid()) {
            return standing.rules().writers().contains(user.getId());
        }
        String link = user.getServiceAccountClientLink();
        ClientModel client = link == null ? null : realm.getClientById(link);
        return client != null && options.clients().contains(client.getClientId());
    }

    /**
     * Whether they act through a client.
     *
     * @param name by which the server's operator may have named it, if it is being renamed the one it had
     */
    static boolean use(
            ClientModel client, String name, KeycloakSession session, Standing standing, GuardOptions options) {
        if (!standing.valid()) {
            return options.clients().contains(name);
        }
        UserModel account = session.users().getServiceAccount(client);
        return account != null && standing.rules().writers().contains(account.getId());
    }

    private static Optional<UserModel> serviceAccount(KeycloakSession session, ClientModel client) {
        return client == null || !client.isServiceAccountsEnabled()
                ? Optional.empty()
                : Optional.ofNullable(session.users().getServiceAccount(client));
    }
}
