package org.quanheng.guard;

import java.util.Locale;
import org.keycloak.common.constants.ServiceAccountConstants;
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

    /** Through a client of theirs: a mapper of another client may write anybody into its tokens. */
    static boolean include(KeycloakSession session, Actor actor, RealmModel realm, Rules rules) {
        if (rules.writers().stream().noneMatch(writer -> actor.is(writer, realm))) {
            return false;
        }
        UserModel account = session.users().getUserById(realm, actor.user());
        return account != null && actor.client().equals(account.getServiceAccountClientLink());
    }

    /** By the rules; while there are none, the service accounts of the clients that the server's operator named. */
    static boolean include(KeycloakSession session, RealmModel realm, Standing standing, GuardOptions options) {
        Actor actor = Actor.of(session);
        if (standing.valid()) {
            return include(session, actor, realm, standing.rules());
        }
        return options.clients().stream()
                .map(realm::getClientByClientId)
                .filter(client -> client != null && client.isServiceAccountsEnabled())
                .filter(client -> client.getId().equals(actor.client()))
                .map(client -> session.users().getUserByUsername(realm, accountOf(client.getClientId())))
                .anyMatch(account -> account != null && actor.is(account.getId(), realm));
    }

    /**
     * Whether a delegate acts: somebody with an account in the realm who is none of them. Administrators of the master
     * realm are no delegates.
     */
    static boolean delegateActs(KeycloakSession session, RealmModel realm, Standing standing, GuardOptions options) {
        return Actor.of(session).isOf(realm) && !include(session, realm, standing, options);
    }

    /** Whether an account is theirs. An import can make another user say that it is. */
    static boolean own(UserModel user, RealmModel realm, Standing standing, GuardOptions options) {
        if (standing.valid()) {
            return standing.rules().writers().contains(user.getId());
        }
        return options.clients().stream().anyMatch(client -> accountOf(client).equals(user.getUsername()));
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
        return standing.rules().writers().stream()
                .map(writer -> session.users().getUserById(client.getRealm(), writer))
                .anyMatch(account -> account != null && client.getId().equals(account.getServiceAccountClientLink()));
    }

    private static String accountOf(String client) {
        return ServiceAccountConstants.SERVICE_ACCOUNT_USER_PREFIX + client.toLowerCase(Locale.ROOT);
    }
}
