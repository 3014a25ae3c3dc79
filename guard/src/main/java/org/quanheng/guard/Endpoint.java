package org.quanheng.guard;

import com.fasterxml.jackson.annotation.JsonProperty;
import jakarta.ws.rs.BadRequestException;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.DefaultValue;
import jakarta.ws.rs.ForbiddenException;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.PUT;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.Produces;
import jakarta.ws.rs.QueryParam;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.cache.UserCache;
import org.keycloak.models.cache.CacheRealmProvider;
import org.keycloak.services.ErrorResponseException;
import org.keycloak.services.resources.admin.AdminAuth;
import org.keycloak.services.resources.admin.AdminRoot;
import org.quanheng.guard.Census.Holder;
import org.quanheng.guard.Restoration.Restored;
import org.quanheng.guard.RuleKeeper.Standing;

/** {@code /realms/{realm}/quanheng-guard}: for our own service accounts alone. */
public final class Endpoint {

    private final KeycloakSession session;
    private final RealmModel realm;
    private final GuardOptions options;
    private final RuleKeeper keeper;

    Endpoint(KeycloakSession session, GuardOptions options, RuleKeeper keeper) {
        this.session = session;
        this.realm = session.getContext().getRealm();
        this.options = options;
        this.keeper = keeper;
    }

    /** What the guard says of itself in this realm. */
    public record Status(
            @JsonProperty("version") String version,
            @JsonProperty("required") boolean required,
            @JsonProperty("valid") boolean valid,
            @JsonProperty("problem") String problem,
            @JsonProperty("sequence") long sequence,
            @JsonProperty("break_glass_until") String breakGlassUntil) {
    }

    @GET
    @Path("status")
    @Produces(MediaType.APPLICATION_JSON)
    public Status status() {
        Standing standing = authorised();
        return new Status(
                Endpoint.class.getPackage().getImplementationVersion(),
                keeper.guards(realm),
                standing.valid(),
                standing.problem(),
                standing.valid() ? standing.rules().sequence() : keeper.highest(realm),
                options.breakGlassUntil().map(Instant::toString).orElse(null));
    }

    /** Puts rules in force: the text of the realm's attribute. */
    @PUT
    @Path("rules")
    @Consumes(MediaType.APPLICATION_JSON)
    @Produces(MediaType.APPLICATION_JSON)
    public Response putRules(String text) {
        authorised();
        Standing standing = keeper.accept(realm, text, Actor.of(session).user());
        if (!standing.valid()) {
            return Response.status(Response.Status.CONFLICT)
                    .entity(Map.of("error", "rules_refused", "error_description", standing.problem()))
                    .build();
        }
        realm.setAttribute(RuleKeeper.ATTRIBUTE, text);
        return Response.noContent().build();
    }

    /** Takes away what gives power past any grant. */
    @POST
    @Path("restore")
    @Produces(MediaType.APPLICATION_JSON)
    public List<Restored> restore() {
        Standing standing = authorised();
        if (!standing.valid()) {
            throw new ErrorResponseException("no_rules", standing.problem(), Response.Status.CONFLICT);
        }
        return new Restoration(session, realm, standing.rules()).run();
    }

    /** Forgets what the server has cached of realms and users, so that what follows is read from the database. */
    @POST
    @Path("clear-caches")
    public Response clearCaches() {
        authorised();
        CacheRealmProvider realms = session.getProvider(CacheRealmProvider.class);
        if (realms != null) {
            realms.clear();
        }
        UserCache users = session.getProvider(UserCache.class);
        if (users != null) {
            users.clear();
        }
        return Response.noContent().build();
    }

    /** What the next users hold, by id: for a sweep. See {@link Census}. */
    @GET
    @Path("holders")
    @Produces(MediaType.APPLICATION_JSON)
    public List<Holder> holders(
            @QueryParam("after") @DefaultValue("") String after, @QueryParam("max") @DefaultValue("1000") int most) {
        authorised();
        if (most < 1 || most > Census.MOST) {
            throw new BadRequestException();
        }
        return new Census(session, realm).page(after, most);
    }

    private Standing authorised() {
        AdminAuth auth = AdminRoot.authenticateRealmAdminRequest(session);
        // The token was looked at in the realm that it names, which may be another.
        session.getContext().setRealm(realm);
        Standing standing = keeper.standing(realm);
        if (!auth.getRealm().getId().equals(realm.getId()) || !Writers.include(session, realm, standing, options)) {
            throw new ForbiddenException();
        }
        return standing;
    }
}
