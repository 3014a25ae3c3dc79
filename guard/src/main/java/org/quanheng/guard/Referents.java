package org.quanheng.guard;

import org.keycloak.connections.jpa.JpaConnectionProvider;
import org.keycloak.models.ClientModel;
import org.keycloak.models.ClientModel.ClientIdChangeEvent;
import org.keycloak.models.ClientModel.ClientRemovedEvent;
import org.keycloak.models.ClientModel.ClientUpdatedEvent;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.RoleContainerModel.RoleRemovedEvent;
import org.keycloak.models.RoleModel;
import org.keycloak.models.RoleModel.RoleNameChangeEvent;
import org.quanheng.guard.RuleKeeper.Standing;
import org.quanheng.guard.rules.Rules.Duty;

/** What the rules speak of, the roles of duties, their clients and those of our writers, stays, and under its name. */
final class Referents {

    private final GuardOptions options;
    private final RuleKeeper keeper;
    private final Vetoes vetoes;

    Referents(GuardOptions options, RuleKeeper keeper, Vetoes vetoes) {
        this.options = options;
        this.keeper = keeper;
        this.vetoes = vetoes;
    }

    /** A role that is made again under the same name has another id, which no rule knows. */
    void onRoleRemoval(RoleRemovedEvent event) {
        KeycloakSession session = event.getKeycloakSession();
        RoleModel role = event.getRole();
        RealmModel realm = realmOf(role);
        if (!keeper.guards(realm) || Requests.removesRealm(session, realm)) {
            return;
        }
        Standing standing = keeper.standing(realm);
        Duty duty = standing.valid() ? standing.rules().duties().get(role.getId()) : null;
        // Without rules nobody can tell which roles are duties.
        boolean matters = duty != null || !standing.valid() && KeycloaksOwn.isExceeded(realm, role);
        if (matters && !Writers.include(session, realm, standing, options)) {
            vetoes.refuse(session, realm, "roles-by-id/" + role.getId(), Refusal.roleRemoval(duty));
        }
    }

    /** The next rules find roles by their names: two duties that have swapped theirs would swap their rules. */
    void onRoleRename(RoleNameChangeEvent event) {
        RealmModel realm = event.getRealm();
        if (!keeper.guards(realm)) {
            return;
        }
        KeycloakSession session = event.getKeycloakSession();
        Standing standing = keeper.standing(realm);
        // A name that is taken is Keycloak's to refuse, before it is looked up.
        session.getProvider(JpaConnectionProvider.class).getEntityManager().flush();
        String client = event.getClientId();
        RoleModel role = client == null
                ? realm.getRole(event.getNewName())
                : realm.getClientByClientId(client).getRole(event.getNewName());
        Duty duty = standing.valid() ? standing.rules().duties().get(role.getId()) : null;
        // By the name it had: else a duty would become Keycloak's own by taking the name of such a role.
        boolean own = client == null
                ? KeycloaksOwn.hasRole(event.getPreviousName())
                : KeycloaksOwn.hasClient(client);
        boolean matters = duty != null || !standing.valid() && !own;
        boolean sealed = standing.valid() && standing.rules().protect().composites().containsKey(role.getId());
        if ((matters || sealed) && !Writers.include(session, realm, standing, options)) {
            Refusal refusal = matters ? Refusal.roleRename(duty) : Refusal.sealedRoleRename();
            vetoes.refuse(session, realm, "roles-by-id/" + role.getId(), refusal);
        }
    }

    /** The same of a client, by whose name the next rules find its roles; and the server its service account. */
    void onClientRename(ClientIdChangeEvent event) {
        ClientModel client = event.getUpdatedClient();
        RealmModel realm = client.getRealm();
        // Keycloak also publishes it when a request says nothing of the client's name.
        if (event.getNewClientId() == null || !keeper.guards(realm)) {
            return;
        }
        KeycloakSession session = event.getKeycloakSession();
        String path = "clients/" + client.getId();
        Standing standing = keeper.standing(realm);
        if (Writers.use(client, event.getPreviousClientId(), session, standing, options)) {
            vetoes.refuse(session, realm, path, Refusal.writerAccount());
        }
        boolean matters = standing.valid()
                ? client.getRolesStream().anyMatch(role -> standing.rules().duties().containsKey(role.getId()))
                : !KeycloaksOwn.hasClient(event.getPreviousClientId())
                        && client.getRolesStream().findAny().isPresent();
        if (matters && !Writers.include(session, realm, standing, options)) {
            vetoes.refuse(session, realm, path, Refusal.clientRename(standing.valid()));
        }
    }

    /** Rules whose writers are gone can be replaced by nobody. */
    void onClientRemoval(ClientRemovedEvent event) {
        KeycloakSession session = event.getKeycloakSession();
        ClientModel client = event.getClient();
        RealmModel realm = client.getRealm();
        if (!keeper.guards(realm) || Requests.removesRealm(session, realm)) {
            return;
        }
        if (Writers.use(client, client.getClientId(), session, keeper.standing(realm), options)) {
            vetoes.refuse(session, realm, "clients/" + client.getId(), Refusal.writerAccount());
        }
    }

    /** What is registered, or changed by a client's own token, makes no admin event: nobody would see it. */
    void onClientUpdate(ClientUpdatedEvent event) {
        KeycloakSession session = event.getKeycloakSession();
        ClientModel client = event.getUpdatedClient();
        RealmModel realm = client.getRealm();
        if (keeper.guards(realm) && Requests.registersClient(session)) {
            vetoes.refuse(session, realm, "clients/" + client.getId(), Refusal.clientRegistration());
        }
    }

    static RealmModel realmOf(RoleModel role) {
        return role.getContainer() instanceof ClientModel client
                ? client.getRealm()
                : (RealmModel) role.getContainer();
    }
}
