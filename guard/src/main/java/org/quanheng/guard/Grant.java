package org.quanheng.guard;

import java.time.LocalDate;
import java.time.ZoneId;
import java.util.List;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.UserModel;
import org.quanheng.guard.Holdings.Possessed;
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

    /** Returns when it may stand; otherwise the transaction ends here. */
    void judge(Holdings holdings, List<Held> gained) {
        Duty first = duty(gained.get(0));
        Refusal acting = acting(holdings, gained);
        Rows rows = new Rows(session, realm);
        // From here on nobody else's grant to this user is judged before ours is committed or gone.
        refuse(rows.lockUser(user.getId()) ? null : Refusal.foreignAccount(first));
        Possessed possessed = holdings.read(user.getId());
        Refusal broken = conflicts(rows, possessed, holdings.held(possessed), gained);
        // All at once: whoever may not grant it reads, too, that nobody may, and asks nobody else in vain.
        refuse(Refusal.all(acting, target(possessed, first), broken));
    }

    /** Returns after a refusal only while the glass is broken. */
    private void refuse(Refusal refusal) {
        if (refusal != null) {
            vetoes.refuse(session, realm, "users/" + user.getId(), refusal);
        }
    }

    /** Who acts: our writers as they need; anybody else as their own posts entitle them. */
    private Refusal acting(Holdings holdings, List<Held> gained) {
        Actor actor = Actor.of(session);
        if (Writers.include(actor, realm, rules)) {
            return null;
        }
        Duty first = duty(gained.get(0));
        if (actor.isUnknown()) {
            return Refusal.nobodyActs(first);
        }
        if (actor.is(user.getId(), realm)) {
            return Refusal.oneself(first);
        }
        boolean ofThisRealm = realm.getId().equals(actor.realm());
        List<Held> own = ofThisRealm ? holdings.held(holdings.read(actor.user())) : List.of();
        for (Held item : gained) {
            if (!isOutermost(item)) {
                continue;
            }
            if (item.area() == null) {
                return Refusal.direct(duty(item));
            }
            if (!Judge.mayGrant(rules, own, item.role(), item.area())) {
                return Refusal.notEntitled(duty(item));
            }
        }
        return null;
    }

    private Refusal target(Possessed possessed, Duty duty) {
        if (user.getServiceAccountClientLink() != null) {
            return Refusal.serviceAccount(duty);
        }
        return possessed.providers().contains(rules.card()) ? null : Refusal.unlinked(duty);
    }

    private Refusal conflicts(Rows rows, Possessed possessed, List<Held> held, List<Held> gained) {
        Judge judge = new Judge(rules, user.getId(), possessed.groups(), LocalDate.now(CHINA),
                (rule, area) -> rows.holders(rule, area, user.getId()));
        List<Conflict> found = judge.conflicts(held, gained);
        return found.isEmpty() ? null : Refusal.conflicts(found, duty(found.get(0).held().get(0)));
    }

    /** Whether it is given by itself, not as a part of another duty that is given. */
    private boolean isOutermost(Held item) {
        return item.path().subList(0, item.path().size() - 1).stream().noneMatch(rules.duties()::containsKey);
    }

    private Duty duty(Held item) {
        return rules.duties().get(item.role());
    }
}
