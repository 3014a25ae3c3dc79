package org.quanheng.guard;

import java.time.LocalDate;
import java.time.ZoneId;
import java.util.List;
import java.util.function.Supplier;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.UserModel;
import org.quanheng.guard.Holdings.Gain;
import org.quanheng.guard.Possessions.Possessed;
import org.quanheng.guard.rules.Areas;
import org.quanheng.guard.rules.Conflict;
import org.quanheng.guard.rules.Held;
import org.quanheng.guard.rules.Judge;
import org.quanheng.guard.rules.Rules;
import org.quanheng.guard.rules.Rules.Duty;

/** One grant of at least one duty to one user: already in the database, not yet committed. */
final class Grant {

    private static final ZoneId CHINA = ZoneId.of("Asia/Shanghai");

    private final KeycloakSession session;
    private final RealmModel realm;
    private final Rules rules;
    private final UserModel user;
    private final Vetoes vetoes;

    Grant(KeycloakSession session, RealmModel realm, Rules rules, UserModel user, Vetoes vetoes) {
        this.session = session;
        this.realm = realm;
        this.rules = rules;
        this.user = user;
        this.vetoes = vetoes;
    }

    /**
     * Returns when it may stand; otherwise the transaction ends here.
     *
     * @param told what is gained with the ways to it, for whoever reads a refusal
     */
    void judge(Holdings holdings, Gain gain, Supplier<List<Held>> told) {
        Duty first = duty(gain.duties().get(0));
        Actor actor = Actor.of(session);
        boolean ours = Writers.include(session, actor, realm, rules);
        Possessions possessions = Possessions.of(session);
        // From here on nobody else's grant to this user is judged before ours is committed or gone.
        boolean there = possessions.lock(realm.getId(), user.getId());
        refuse(there ? null : Refusal.foreignAccount(first));
        Possessed possessed = possessions.read(user.getId());
        Refusal acting = ours ? null : acting(holdings, actor, gain);
        // All at once: whoever may not grant it reads, too, that nobody may, and asks nobody else in vain.
        refuse(Refusal.all(acting, target(possessed, first), conflicts(holdings, possessed, gain, told)));
    }

    /** Returns after a refusal only while the glass is broken. */
    private void refuse(Refusal refusal) {
        if (refusal != null) {
            vetoes.refuse(session, realm, "users/" + user.getId(), refusal);
        }
    }

    /** Who acts, when it is not one of our writers, acts as the own posts entitle. */
    private Refusal acting(Holdings holdings, Actor actor, Gain gain) {
        Duty first = duty(gain.duties().get(0));
        if (actor.isUnknown()) {
            return Refusal.nobodyActs(first);
        }
        if (actor.is(user.getId(), realm)) {
            return Refusal.oneself(first);
        }
        List<Held> own = own(holdings, actor);
        for (Held item : gain.outermost()) {
            if (item.area() == null) {
                return Refusal.direct(duty(item));
            }
            if (!Judge.mayGrant(rules, own, item.role(), item.area())) {
                return Refusal.notEntitled(duty(item));
            }
            if (worksElsewhere(holdings, item.area())) {
                return Refusal.elsewhere(duty(item));
            }
        }
        return null;
    }

    /**
     * Whether the sync would take a duty of this area away again. A code need not begin with that of the area that it
     * lies in: a county that was recoded, a development zone. Where neither code nor group says an area, that is left to
     * the sync.
     */
    private boolean worksElsewhere(Holdings holdings, String area) {
        String place = Areas.of(user.getFirstAttribute(Holdings.AREA_ATTRIBUTE));
        return place != null && !place.equals(area) && !holdings.areasOfPlaces(user).contains(area);
    }

    /**
     * What an actor of this realm holds, as Keycloak has it at hand: nobody's grants are judged by it but these. What is
     * mapped directly is held in no area, and entitles nowhere.
     */
    private List<Held> own(Holdings holdings, Actor actor) {
        UserModel granter = realm.getId().equals(actor.realm()) ? session.users().getUserById(realm, actor.user()) : null;
        return granter == null ? List.of() : holdings.heldInGroups(granter);
    }

    private Refusal target(Possessed possessed, Duty duty) {
        if (user.getServiceAccountClientLink() != null) {
            return Refusal.serviceAccount(duty);
        }
        return possessed.providers().contains(rules.card()) ? null : Refusal.unlinked(duty);
    }

    private Refusal conflicts(Holdings holdings, Possessed possessed, Gain gain, Supplier<List<Held>> told) {
        Judge judge = new Judge(rules, user.getId(), possessed.groups(), LocalDate.now(CHINA),
                (rule, area) -> new Headcount(session, realm).holders(rule, area, user.getId()));
        // Nearly all grants are in order, and nobody reads by what ways their user holds other things.
        if (judge.conflicts(holdings.heldSomehow(possessed), gain.duties()).isEmpty()) {
            return null;
        }
        List<Conflict> found = judge.conflicts(holdings.held(possessed), told.get());
        return Refusal.conflicts(found, duty(found.get(0).held().get(0)));
    }

    private Duty duty(Held item) {
        return rules.duties().get(item.role());
    }
}
