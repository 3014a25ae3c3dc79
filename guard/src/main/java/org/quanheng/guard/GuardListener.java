package org.quanheng.guard;

import java.util.stream.Stream;
import org.keycloak.models.ClientModel.ClientIdChangeEvent;
import org.keycloak.models.ClientModel.ClientRemovedEvent;
import org.keycloak.models.ClientModel.ClientUpdatedEvent;
import org.keycloak.models.FederatedIdentityModel;
import org.keycloak.models.FederatedIdentityModel.FederatedIdentityCreatedEvent;
import org.keycloak.models.FederatedIdentityModel.FederatedIdentityRemovedEvent;
import org.keycloak.models.GroupModel;
import org.keycloak.models.GroupModel.GroupEvent;
import org.keycloak.models.GroupModel.GroupMemberJoinEvent;
import org.keycloak.models.GroupModel.GroupMemberLeaveEvent;
import org.keycloak.models.GroupModel.GroupRemovedEvent;
import org.keycloak.models.GroupModel.GroupUpdatedEvent;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.RealmModel.IdentityProviderRemovedEvent;
import org.keycloak.models.RoleContainerModel.RoleRemovedEvent;
import org.keycloak.models.RoleModel;
import org.keycloak.models.RoleModel.RoleGrantedEvent;
import org.keycloak.models.RoleModel.RoleNameChangeEvent;
import org.keycloak.models.RoleModel.RoleRevokedEvent;
import org.keycloak.models.UserModel;
import org.keycloak.models.UserModel.UserPreRemovedEvent;
import org.keycloak.provider.ProviderEvent;
import org.keycloak.provider.ProviderEventListener;
import org.quanheng.guard.Holdings.Gain;
import org.quanheng.guard.Possessions.Possessed;
import org.quanheng.guard.RuleKeeper.Standing;

/** Hears of each grant, removal and link inside its transaction, and refuses what the rules do not allow. */
final class GuardListener implements ProviderEventListener {

    private final GuardOptions options;
    private final RuleKeeper keeper;
    private final Vetoes vetoes;
    private final Referents referents;

    GuardListener(GuardOptions options, RuleKeeper keeper, Vetoes vetoes) {
        this.options = options;
        this.keeper = keeper;
        this.vetoes = vetoes;
        this.referents = new Referents(options, keeper, vetoes);
    }

    @Override
    public void onEvent(ProviderEvent event) {
        if (event instanceof RoleGrantedEvent granted) {
            onGrant(granted);
        } else if (event instanceof GroupMemberJoinEvent joined) {
            onJoin(joined);
        } else if (event instanceof RoleRevokedEvent revoked) {
            Possessions.lost(revoked.getKeycloakSession(), revoked.getUser().getId());
        } else if (event instanceof GroupMemberLeaveEvent left) {
            Possessions.lost(left.getKeycloakSession(), left.getUser().getId());
        } else if (event instanceof UserPreRemovedEvent removed) {
            onRemoval(removed);
        } else if (event instanceof FederatedIdentityCreatedEvent linked) {
            onLink(linked.getKeycloakSession(), linked.getRealm(), linked.getUser(), linked.getFederatedIdentity());
        } else if (event instanceof FederatedIdentityRemovedEvent unlinked) {
            Possessions.lost(unlinked.getKeycloakSession(), unlinked.getUser().getId());
            onCard(unlinked.getKeycloakSession(), unlinked.getRealm(),
                    unlinked.getFederatedIdentity().getIdentityProvider(), "users/" + unlinked.getUser().getId());
        } else if (event instanceof RoleRemovedEvent removed) {
            referents.onRoleRemoval(removed);
        } else if (event instanceof RoleNameChangeEvent renamed) {
            referents.onRoleRename(renamed);
        } else if (event instanceof ClientRemovedEvent removed) {
            referents.onClientRemoval(removed);
        } else if (event instanceof ClientIdChangeEvent renamed) {
            referents.onClientRename(renamed);
        } else if (event instanceof ClientUpdatedEvent updated) {
            referents.onClientUpdate(updated);
        } else if (event instanceof GroupUpdatedEvent updated) {
            onGroup(updated);
        } else if (event instanceof GroupRemovedEvent removed) {
            onGroup(removed);
        } else if (event instanceof IdentityProviderRemovedEvent provider) {
            // It unlinks everybody at once, with no event for anybody.
            onCard(provider.getKeycloakSession(), provider.getRealm(),
                    provider.getRemovedIdentityProvider().getAlias(), "identity-provider");
        }
    }

    private void onGrant(RoleGrantedEvent event) {
        RoleModel role = event.getRole();
        RealmModel realm = Referents.realmOf(role);
        if (!keeper.guards(realm)) {
            return;
        }
        KeycloakSession session = event.getKeycloakSession();
        Possessions.gained(session, event.getUser().getId(), Possessed::roles, role.getId());
        Standing standing = keeper.standing(realm);
        if (!standing.valid()) {
            refuseWithoutRules(session, realm, event.getUser(), Stream.of(role));
            return;
        }
        Holdings holdings = new Holdings(session, realm, standing.rules());
        Gain gain = holdings.gainOfRole(role);
        if (!gain.duties().isEmpty()) {
            new Grant(session, realm, standing.rules(), event.getUser(), vetoes)
                    .judge(holdings, gain, () -> holdings.ofRole(role));
        }
    }

    private void onJoin(GroupMemberJoinEvent event) {
        RealmModel realm = event.getRealm();
        if (!keeper.guards(realm)) {
            return;
        }
        KeycloakSession session = event.getKeycloakSession();
        String group = event.getGroup().getId();
        Possessions.gained(session, event.getUser().getId(), Possessed::groups, group);
        Standing standing = keeper.standing(realm);
        if (!standing.valid()) {
            refuseWithoutRules(session, realm, event.getUser(), rolesOf(event.getGroup()));
            // Nor can anybody tell a qualification, which carries no role, from another group.
            if (!Writers.include(session, realm, standing, options)) {
                vetoes.refuse(session, realm, "users/" + event.getUser().getId(), Refusal.noRules());
            }
            return;
        }
        if (standing.rules().groups().containsKey(group)
                && !Writers.include(session, Actor.of(session), realm, standing.rules())) {
            String label = standing.rules().groups().get(group);
            vetoes.refuse(session, realm, "users/" + event.getUser().getId(), Refusal.qualification(label));
        }
        Holdings holdings = new Holdings(session, realm, standing.rules());
        Gain gain = holdings.gainOfGroup(event.getGroup());
        if (!gain.duties().isEmpty()) {
            new Grant(session, realm, standing.rules(), event.getUser(), vetoes)
                    .judge(holdings, gain, () -> holdings.ofGroup(event.getGroup()));
        }
    }

    private void onRemoval(UserPreRemovedEvent event) {
        RealmModel realm = event.getRealm();
        if (!keeper.guards(realm)) {
            return;
        }
        KeycloakSession session = event.getKeycloakSession();
        UserModel user = event.getUser();
        String path = "users/" + user.getId();
        if (Writers.own(user, realm, keeper.standing(realm), options)) {
            vetoes.refuse(session, realm, path, Refusal.writerAccount());
        } else if (isManaged(session, realm, user)) {
            vetoes.refuse(session, realm, path, Refusal.removal());
        }
    }

    /**
     * A role put on a group, another parent, another area, a default group: all members, and whoever comes, would have
     * a duty that nobody granted to them. With a group that is removed its members lose it, and nobody is told.
     */
    private void onGroup(GroupEvent event) {
        RealmModel realm = event.getRealm();
        KeycloakSession session = event.getKeycloakSession();
        if (realm == null || !keeper.guards(realm) || Requests.removesRealm(session, realm)) {
            return;
        }
        GroupModel group = event.getGroup();
        Standing standing = keeper.standing(realm);
        boolean matters = !standing.valid()
                || standing.rules().groups().containsKey(group.getId())
                || !new Holdings(session, realm, standing.rules()).gainOfGroup(group).duties().isEmpty();
        if (matters && !Writers.include(session, realm, standing, options)) {
            vetoes.refuse(session, realm, "groups/" + group.getId(), Refusal.dutyGroup(standing.valid()));
        }
    }

    private void onLink(KeycloakSession session, RealmModel realm, UserModel user, FederatedIdentityModel identity) {
        Possessions.gained(session, user.getId(), Possessed::providers, identity.getIdentityProvider());
        onCard(session, realm, identity.getIdentityProvider(), "users/" + user.getId());
    }

    /** Cards are linked and unlinked by our writers alone. */
    private void onCard(KeycloakSession session, RealmModel realm, String provider, String path) {
        if (!keeper.guards(realm)) {
            return;
        }
        Standing standing = keeper.standing(realm);
        if (provider.equals(card(standing)) && !Writers.include(session, realm, standing, options)) {
            vetoes.refuse(session, realm, path, Refusal.cardLink());
        }
    }

    /** Without rules nobody can tell a duty from another role: only Keycloak's own roles can be granted. */
    private void refuseWithoutRules(
            KeycloakSession session, RealmModel realm, UserModel user, Stream<RoleModel> roles) {
        if (roles.anyMatch(role -> KeycloaksOwn.isExceeded(realm, role))) {
            vetoes.refuse(session, realm, "users/" + user.getId(), Refusal.noRules());
        }
    }

    private static Stream<RoleModel> rolesOf(GroupModel group) {
        return Stream.iterate(group, above -> above != null, GroupModel::getParent)
                .flatMap(GroupModel::getRoleMappingsStream);
    }

    private boolean isManaged(KeycloakSession session, RealmModel realm, UserModel user) {
        Standing standing = keeper.standing(realm);
        if (user.getFirstAttribute("person_id") != null
                || session.users().getFederatedIdentity(realm, user, card(standing)) != null) {
            return true;
        }
        if (standing.valid()) {
            Holdings holdings = new Holdings(session, realm, standing.rules());
            return !holdings.heldSomehow(Possessions.of(session).read(user.getId())).isEmpty();
        }
        return user.getGroupsStream().flatMap(GuardListener::rolesOf).anyMatch(role -> KeycloaksOwn.isExceeded(realm, role));
    }

    private String card(Standing standing) {
        return standing.valid() ? standing.rules().card() : options.card();
    }
}
