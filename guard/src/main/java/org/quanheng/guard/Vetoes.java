package org.quanheng.guard;

import io.micrometer.core.instrument.Metrics;
import jakarta.ws.rs.WebApplicationException;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jboss.logging.Logger;
import org.keycloak.common.util.Time;
import org.keycloak.events.EventStoreProvider;
import org.keycloak.events.admin.AdminEvent;
import org.keycloak.events.admin.AuthDetails;
import org.keycloak.events.admin.OperationType;
import org.keycloak.models.AbstractKeycloakTransaction;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.utils.KeycloakModelUtils;
import org.keycloak.services.ErrorPageException;
import org.keycloak.services.ErrorResponseException;
import org.keycloak.util.JsonSerialization;
import org.keycloak.utils.MediaTypeMatcher;

/** Stops what is refused, or while the glass is broken lets it pass; either is told: an event, a log line, a count. */
final class Vetoes {

    static final String RESOURCE_TYPE = "QUANHENG_GUARD";

    private static final Logger LOG = Logger.getLogger(Vetoes.class);

    /** Where what a session's transaction was refused is kept until it is over. */
    private static final String KEY = Vetoes.class.getName();

    private final GuardOptions options;

    Vetoes(GuardOptions options) {
        this.options = options;
    }

    /**
     * Ends the transaction with a refusal that the caller can read.
     *
     * @param path of what was acted on, with ids only
     */
    void refuse(KeycloakSession session, RealmModel realm, String path, Refusal refusal) {
        boolean broken = options.glassIsBroken(Instant.now());
        String kind = broken ? "break_glass" : "veto";
        tell(session, realm, path, kind, refusal);
        if (!broken) {
            session.getTransactionManager().setRollbackOnly();
            throw answer(session, refusal);
        }
    }

    private void tell(KeycloakSession session, RealmModel realm, String path, String kind, Refusal refusal) {
        LOG.warnf("%s in realm %s: %s at %s", kind, realm.getName(), refusal.rule(), path);
        Metrics.counter("quanheng.guard." + (kind.equals("veto") ? "vetoes" : "break.glass"), "rule", refusal.rule())
                .increment();
        expect(session).add(event(Actor.of(session), realm, path, kind, refusal));
    }

    /**
     * Makes ready to record what this transaction is refused. Has to be called before it ends when the refusal comes as
     * it ends; else the first refusal does it.
     */
    List<AdminEvent> expect(KeycloakSession session) {
        @SuppressWarnings("unchecked")
        List<AdminEvent> there = session.getAttribute(KEY, List.class);
        if (there != null) {
            return there;
        }
        List<AdminEvent> told = new ArrayList<>();
        session.setAttribute(KEY, told);
        // Kept when the refused transaction is over and has let go of its rows and its connection.
        session.getTransactionManager().enlistAfterCompletion(new AbstractKeycloakTransaction() {
            @Override
            protected void commitImpl() {
                told.forEach(event -> keep(session, event));
            }

            @Override
            protected void rollbackImpl() {
                told.forEach(event -> keep(session, event));
            }
        });
        return told;
    }

    private static void keep(KeycloakSession session, AdminEvent event) {
        try {
            KeycloakModelUtils.runJobInTransaction(session.getKeycloakSessionFactory(),
                    fresh -> fresh.getProvider(EventStoreProvider.class).onEvent(event, true));
        } catch (RuntimeException error) {
            // The veto stands without its event.
            LOG.error("a veto could not be recorded", error);
        }
    }

    private static AdminEvent event(Actor actor, RealmModel realm, String path, String kind, Refusal refusal) {
        Map<String, String> told = new LinkedHashMap<>();
        told.put("kind", kind);
        told.put("rule", refusal.rule());
        told.put("article", refusal.article());
        told.put("reason", refusal.reason());
        told.put("duty", refusal.duty());
        AuthDetails by = new AuthDetails();
        by.setRealmId(actor.isUnknown() ? realm.getId() : actor.realm());
        by.setUserId(actor.user());
        by.setClientId(actor.client());
        by.setIpAddress(actor.address());
        AdminEvent event = new AdminEvent();
        event.setTime(Time.currentTimeMillis());
        event.setRealmId(realm.getId());
        event.setAuthDetails(by);
        event.setOperationType(OperationType.ACTION);
        event.setResourceTypeAsString(RESOURCE_TYPE);
        event.setResourcePath(path);
        try {
            event.setRepresentation(JsonSerialization.writeValueAsString(told));
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
        return event;
    }

    private static WebApplicationException answer(KeycloakSession session, Refusal refusal) {
        if (isBrowser(session)) {
            return new ErrorPageException(session, session.getContext().getAuthenticationSession(), refusal.status(),
                    refusal.reason());
        }
        // The console shows one or the other, by the page.
        Map<String, String> body = new LinkedHashMap<>();
        body.put("error", refusal.reason());
        body.put("errorMessage", refusal.reason());
        body.put("rule", refusal.rule());
        return new ErrorResponseException(
                Response.status(refusal.status()).entity(body).type(MediaType.APPLICATION_JSON).build());
    }

    private static boolean isBrowser(KeycloakSession session) {
        return Actor.of(session).isUnknown()
                && Requests.headers(session).filter(MediaTypeMatcher::isHtmlRequest).isPresent();
    }
}
