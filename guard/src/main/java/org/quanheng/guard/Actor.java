package org.quanheng.guard;

import jakarta.ws.rs.NotAuthorizedException;
import org.keycloak.models.ClientModel;
import org.keycloak.models.KeycloakContext;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.UserSessionModel;
import org.keycloak.models.utils.KeycloakModelUtils;
import org.keycloak.representations.AccessToken;
import org.keycloak.services.managers.AppAuthManager;
import org.keycloak.services.resources.admin.AdminAuth;
import org.keycloak.services.resources.admin.AdminRoot;

/**
 * Who is acting: whoever the request's access token was given to. All ids are null when there is no such token, as in
 * a login or a job of the server's own.
 *
 * @param client Keycloak's id of the client, not its name
 */
record Actor(String realm, String user, String client, String address) {

    /** Where the actor of a session is kept, once it was looked for. */
    private static final String KEY = Actor.class.getName();

    static Actor of(KeycloakSession session) {
        Actor known = session.getAttribute(KEY, Actor.class);
        if (known == null) {
            known = find(session);
            session.setAttribute(KEY, known);
        }
        return known;
    }

    boolean isUnknown() {
        return user == null;
    }

    /** Whether the actor is this user of this realm. */
    boolean is(String userId, RealmModel inRealm) {
        return isOf(inRealm) && user.equals(userId);
    }

    /** Whether the actor has an account in this realm. */
    boolean isOf(RealmModel realm) {
        return user != null && realm.getId().equals(this.realm);
    }

    private static Actor find(KeycloakSession session) {
        KeycloakContext context = session.getContext();
        String address = address(context);
        // The user of a session without a token is the one who logs in, and acts on nobody's behalf.
        // Not the context's user, who is whoever the token says in "sub": a mapper may write anybody there. Nor its
        // client, which becomes the one that the request is about.
        UserSessionModel own = context.getUserSession();
        if (context.getBearerToken() instanceof AccessToken token && own != null && own.getUser() != null) {
            ClientModel client = own.getRealm().getClientByClientId(token.getIssuedFor());
            if (client != null) {
                return new Actor(own.getRealm().getId(), own.getUser().getId(), client.getId(), address);
            }
        }
        return fromRequest(session, address);
    }

    /**
     * Some requests are served in a second session that knows nothing of the caller ({@code partialImport}); there the
     * request's token is verified again.
     */
    private static Actor fromRequest(KeycloakSession session, String address) {
        Actor nobody = new Actor(null, null, null, address);
        boolean hasToken = Requests.headers(session)
                .map(AppAuthManager::extractAuthorizationHeaderTokenOrReturnNull)
                .isPresent();
        if (!hasToken) {
            return nobody;
        }
        return KeycloakModelUtils.runJobInTransactionWithResult(session.getKeycloakSessionFactory(), fresh -> {
            try {
                AdminAuth auth = AdminRoot.authenticateRealmAdminRequest(fresh);
                return new Actor(auth.getRealm().getId(), auth.getUser().getId(), auth.getClient().getId(), address);
            } catch (NotAuthorizedException error) {
                return nobody;
            }
        });
    }

    private static String address(KeycloakContext context) {
        return context.getConnection() == null ? null : context.getConnection().getRemoteHost();
    }
}
