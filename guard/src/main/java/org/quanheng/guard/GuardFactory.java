package org.quanheng.guard;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Instant;
import org.jboss.logging.Logger;
import org.keycloak.Config;
import org.keycloak.events.Event;
import org.keycloak.events.EventListenerProvider;
import org.keycloak.events.EventListenerProviderFactory;
import org.keycloak.events.admin.AdminEvent;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.KeycloakSessionFactory;

/**
 * Starts the guard with the server, in every realm that the options name.
 *
 * <p>Keycloak's own event listeners cannot veto, because what they throw is swallowed; so the factory is a place to
 * register from, and its provider does nothing.
 */
public final class GuardFactory implements EventListenerProviderFactory {

    static final String ID = "quanheng-guard";

    private static final Logger LOG = Logger.getLogger(GuardFactory.class);

    private GuardOptions options;
    private RuleKeeper keeper;

    @Override
    public void init(Config.Scope config) {
        options = GuardOptions.read(config, Instant.now());
        keeper = new RuleKeeper(options);
    }

    @Override
    public void postInit(KeycloakSessionFactory factory) {
        try {
            keeper.start();
        } catch (IOException error) {
            throw new UncheckedIOException("quanheng-guard: the state-directory cannot be read or made", error);
        }
        factory.register(new GuardListener(options, keeper));
        LOG.infof("guarded realms: %s", options.requiredRealms());
        if (options.glassIsBroken(Instant.now())) {
            LOG.errorf("BREAK-GLASS: nothing is vetoed until %s", options.breakGlassUntil().orElseThrow());
        }
    }

    Endpoint endpoint(KeycloakSession session) {
        return new Endpoint(session, options, keeper);
    }

    @Override
    public EventListenerProvider create(KeycloakSession session) {
        return new EventListenerProvider() {
            @Override
            public void onEvent(Event event) {
                // see above
            }

            @Override
            public void onEvent(AdminEvent event, boolean includeRepresentation) {
                // see above
            }

            @Override
            public void close() {
                // nothing is held
            }
        };
    }

    @Override
    public void close() {
        // nothing is held
    }

    @Override
    public String getId() {
        return ID;
    }
}
