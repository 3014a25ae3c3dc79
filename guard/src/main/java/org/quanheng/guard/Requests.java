package org.quanheng.guard;

import jakarta.enterprise.context.ContextNotActiveException;
import jakarta.ws.rs.core.HttpHeaders;
import java.util.Optional;
import org.keycloak.models.KeycloakSession;

/** The request that a session serves, if it serves one: jobs of the server's own have none. */
final class Requests {

    private Requests() {
    }

    static Optional<HttpHeaders> headers(KeycloakSession session) {
        try {
            return Optional.ofNullable(session.getContext().getHttpRequest().getHttpHeaders());
        } catch (ContextNotActiveException none) {
            return Optional.empty();
        }
    }
}
