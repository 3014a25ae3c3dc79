package org.quanheng.guard;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Instant;
import org.jboss.logging.Logger;
import org.keycloak.Config;
import org.keycloak.events.EventListenerProvider;
import org.keycloak.events.EventListenerProviderFactory;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.KeycloakSessionFactory;

/** Starts the guard with the server, in every realm that the options name, whatever listeners a realm has set. */
public final class GuardFactory implements EventListenerProviderFactory {

    static final String ID = "quanheng-guard";

    private static final Logger LOG = Logger.getLogger(GuardFactory.class);

    private GuardOptions options;
    private RuleKeeper keeper;
    private Vetoes vetoes;

    @Override
    public void init(Config.Scope config) {
        options = GuardOptions.read(config, Instant.now());
        keeper = new RuleKeeper(options);
        vetoes = new Vetoes(options);
    }

    @Override
    public void postInit(KeycloakSessionFactory factory) {
        try {
            keeper.start();
        } catch (IOException error) {
            throw new UncheckedIOException("quanheng-guard: the state-directory cannot be read or made", error);
        }
        factory.register(new GuardListener(options, keeper, vetoes));
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
        Aftermath aftermath = new Aftermath(session, options, keeper, vetoes);
        aftermath.begin();
        return aftermath;
    }

    @Override
    public boolean isGlobal() {
        return true;
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
