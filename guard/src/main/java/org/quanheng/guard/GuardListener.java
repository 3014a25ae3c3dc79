package org.quanheng.guard;

import java.util.stream.Stream;
import org.keycloak.models.ClientModel.ClientIdChangeEvent;
import org.keycloak.models.ClientModel.ClientRemovedEvent;
import org.keycloak.models.ClientModel.ClientUpdatedEvent;
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
import org.keycloak.models.utils.KeycloakModelUtils;
import org.keycloak.models.utils.RoleUtils;
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
            onLeave(left);
        } else if (event instanceof UserPreRemovedEvent removed) {
            onRemoval(removed);
        } else if (event instanceof FederatedIdentityCreatedEvent linked) {
            String provider = linked.getFederatedIdentity().getIdentityProvider();
            Possessions.gained(
                    linked.getKeycloakSession(), linked.getUser().getId(), Possessed::providers, provider);
            onIdentity(linked.getKeycloakSession(), linked.getRealm(), linked.getUser(), provider);
        } else if (event instanceof FederatedIdentityRemovedEvent unlinked) {
            Possessions.lost(unlinked.getKeycloakSession(), unlinked.getUser().getId());
            onIdentity(unlinked.getKeycloakSession(), unlinked.getRealm(), unlinked.getUser(),
                    unlinked.getFederatedIdentity().getIdentityProvider());
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
            boolean administers = RoleUtils.expandCompositeRolesStream(Stream.of(role))
                    .anyMatch(inner -> KeycloaksOwn.administers(realm, inner));
            requireNoAdministration(session, realm, standing, administers, "users/" + event.getUser().getId());
            refuseWithoutRules(session, realm, event.getUser(), Stream.of(role));
            return;
        }
        Holdings holdings = new Holdings(session, realm, standing.rules());
        Gain gain = holdings.gainOfRole(role);
        requireNoAdministration(session, realm, standing, gain.administers(), "users/" + event.getUser().getId());
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
        requireNoAdministration(session, realm, standing, gain.administers(), "users/" + event.getUser().getId());
        if (!gain.duties().isEmpty()) {
            new Grant(session, realm, standing.rules(), event.getUser(), vetoes)
                    .judge(holdings, gain, () -> holdings.ofGroup(event.getGroup()));
        } else {
            requireSamePlace(session, realm, standing, event.getUser(), event.getGroup());
        }
    }

    private void onLeave(GroupMemberLeaveEvent event) {
        RealmModel realm = event.getRealm();
        if (!keeper.guards(realm)) {
            return;
        }
        KeycloakSession session = event.getKeycloakSession();
        Standing standing = keeper.standing(realm);
        boolean place = !standing.valid()
                || new Holdings(session, realm, standing.rules()).gainOfGroup(event.getGroup()).duties().isEmpty();
        if (place && event.getUser().getFirstAttribute(Account.PERSON) != null) {
            requireSamePlace(session, realm, standing, event.getUser(), event.getGroup());
        }
    }

    /**
     * Where a person belongs is the personnel data's word; a group that gives no duty and has an area says it. A draft
     * belongs to one, else its maker would have it seen in an area that is not the maker's.
     */
    private void requireSamePlace(
            KeycloakSession session, RealmModel realm, Standing standing, UserModel user, GroupModel group) {
        if (group.getFirstAttribute(Holdings.AREA_ATTRIBUTE) == null
                || !Writers.delegateActs(session, realm, standing, options)) {
            return;
        }
        if (user.getFirstAttribute(Account.PERSON) == null) {
            if (placesBeside(user, group)) {
                vetoes.refuse(session, realm, "users/" + user.getId(), Refusal.secondPlace());
            }
        } else if (isKept(session, realm, user)) {
            vetoes.refuse(session, realm, "users/" + user.getId(), Refusal.place());
        }
    }

    private static boolean placesBeside(UserModel user, GroupModel group) {
        return user.getGroupsStream()
                .anyMatch(other -> !other.getId().equals(group.getId())
                        && other.getFirstAttribute(Holdings.AREA_ATTRIBUTE) != null);
    }

    /** Whether an account was there before this request; of one that it makes, its record is judged in the end. */
    private static boolean isKept(KeycloakSession session, RealmModel realm, UserModel user) {
        return KeycloakModelUtils.runJobInTransactionWithResult(session.getKeycloakSessionFactory(), past -> {
            RealmModel was = past.realms().getRealm(realm.getId());
            past.getContext().setRealm(was);
            return past.users().getUserById(was, user.getId()) != null;
        });
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
        } else if (Writers.delegateActs(session, realm, keeper.standing(realm), options)) {
            vetoes.refuse(session, realm, path, Refusal.removalByDelegate());
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
        String path = "groups/" + group.getId();
        boolean matters = !standing.valid();
        if (standing.valid()) {
            Gain gain = new Holdings(session, realm, standing.rules()).gainOfGroup(group);
            requireNoAdministration(session, realm, standing, gain.administers(), path);
            matters = standing.rules().groups().containsKey(group.getId()) || !gain.duties().isEmpty();
        }
        if (!Writers.include(session, realm, standing, options)
                && (matters || gaveDuty(session, realm, standing, group.getId()))) {
            vetoes.refuse(session, realm, path, Refusal.dutyGroup(standing.valid()));
        }
    }

    /** Whether a group gave a duty before this request: one whose role was taken from it gives none any more. */
    private static boolean gaveDuty(KeycloakSession session, RealmModel realm, Standing standing, String group) {
        return KeycloakModelUtils.runJobInTransactionWithResult(session.getKeycloakSessionFactory(), past -> {
            RealmModel was = past.realms().getRealm(realm.getId());
            past.getContext().setRealm(was);
            GroupModel known = past.groups().getGroupById(was, group);
            return known != null
                    && !new Holdings(past, was, standing.rules()).gainOfGroup(known).duties().isEmpty();
        });
    }

    /**
     * Keycloak lets whoever manages users enter a group that gives more power over the realm than they have
     * (CVE-2026-94000), and give theirs on.
     */
    private void requireNoAdministration(
            KeycloakSession session, RealmModel realm, Standing standing, boolean administers, String path) {
        if (administers && Writers.delegateActs(session, realm, standing, options)) {
            vetoes.refuse(session, realm, path, Refusal.administration());
        }
    }

    private void onIdentity(KeycloakSession session, RealmModel realm, UserModel user, String provider) {
        String path = "users/" + user.getId();
        onCard(session, realm, provider, path);
        if (keeper.guards(realm) && Writers.delegateActs(session, realm, keeper.standing(realm), options)) {
            vetoes.refuse(session, realm, path, Refusal.identityLink());
        }
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
        if (user.getFirstAttribute(Account.PERSON) != null
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
