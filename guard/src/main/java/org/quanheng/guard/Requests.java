package org.quanheng.guard;

import jakarta.enterprise.context.ContextNotActiveException;
import jakarta.ws.rs.core.HttpHeaders;
import java.util.Optional;
import org.keycloak.http.HttpRequest;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;

/** The request that a session serves, if it serves one: jobs of the server's own have none. */
final class Requests {

    private Requests() {
    }

    /** Whether the request deletes the realm itself, with which its roles go. */
    static boolean removesRealm(KeycloakSession session, RealmModel realm) {
        try {
            HttpRequest request = session.getContext().getHttpRequest();
            return "DELETE".equals(request.getHttpMethod())
                    && request.getUri().getPath().endsWith("admin/realms/" + realm.getName());
        } catch (ContextNotActiveException none) {
            return false;
        }
    }

    static Optional<HttpHeaders> headers(KeycloakSession session) {
        try {
            return Optional.ofNullable(session.getContext().getHttpRequest().getHttpHeaders());
        } catch (ContextNotActiveException none) {
            return Optional.empty();
        }
    }
}
