package org.quanheng.guard;

import jakarta.enterprise.context.ContextNotActiveException;
import jakarta.ws.rs.core.HttpHeaders;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
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
            // As it was sent: a role's name may hold slashes, encoded, and read like another path.
            List<String> parts = List.of(request.getUri().getRequestUri().getRawPath().split("/"));
            return "DELETE".equals(request.getHttpMethod())
                    && parts.size() >= 3
                    && parts.subList(parts.size() - 3, parts.size() - 1).equals(List.of("admin", "realms"))
                    && URLDecoder.decode(parts.get(parts.size() - 1), StandardCharsets.UTF_8).equals(realm.getName());
        } catch (ContextNotActiveException none) {
            return false;
        }
    }

    /** Whether clients are registered or changed by tokens of their own, which makes no admin event. */
    static boolean registersClient(KeycloakSession session) {
        try {
            String path = session.getContext().getHttpRequest().getUri().getRequestUri().getRawPath();
            return Stream.of(path.split("/"))
                    .map(part -> URLDecoder.decode(part, StandardCharsets.UTF_8).split(";", 2)[0])
                    .anyMatch("clients-registrations"::equals);
        } catch (ContextNotActiveException none) {
            return false;
        }
    }

    /**
     * What an administrator's request is to change of a user: the id and what follows it in the path; nothing for all
     * other requests.
     */
    static List<String> changeOfUser(KeycloakSession session) {
        try {
            HttpRequest request = session.getContext().getHttpRequest();
            if ("GET".equals(request.getHttpMethod())) {
                return List.of();
            }
            // Keycloak serves no path that is spelled otherwise: with semicolons, dots or letters that need no code.
            List<String> parts = Stream.of(request.getUri().getRequestUri().getRawPath().split("/"))
                    .map(part -> URLDecoder.decode(part, StandardCharsets.UTF_8))
                    .toList();
            int realm = Collections.indexOfSubList(parts, List.of("admin", "realms")) + 2;
            return realm >= 2 && parts.size() > realm + 2 && parts.get(realm + 1).equals("users")
                    ? parts.subList(realm + 2, parts.size())
                    : List.of();
        } catch (ContextNotActiveException none) {
            return List.of();
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
