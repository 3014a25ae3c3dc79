package org.quanheng.guard;

import org.keycloak.Config;
import org.keycloak.events.EventListenerProvider;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.KeycloakSessionFactory;
import org.keycloak.services.resource.RealmResourceProvider;
import org.keycloak.services.resource.RealmResourceProviderFactory;

/** Puts the endpoint below each realm; options and rules are those of {@link GuardFactory}. */
public final class EndpointFactory implements RealmResourceProviderFactory {

    private GuardFactory guard;

    @Override
    public RealmResourceProvider create(KeycloakSession session) {
        Endpoint endpoint = guard.endpoint(session);
        return new RealmResourceProvider() {
            @Override
            public Object getResource() {
                return endpoint;
            }

            @Override
            public void close() {
                // nothing is held
            }
        };
    }

    @Override
    public void init(Config.Scope config) {
        // the guard has the options
    }

    @Override
    public void postInit(KeycloakSessionFactory factory) {
        guard = (GuardFactory) factory.getProviderFactory(EventListenerProvider.class, GuardFactory.ID);
    }

    @Override
    public void close() {
        // nothing is held
    }

    @Override
    public String getId() {
        return GuardFactory.ID;
    }
}
