package org.quanheng.guard;

import jakarta.persistence.EntityManager;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.hibernate.Session;
import org.keycloak.connections.jpa.JpaConnectionProvider;
import org.keycloak.connections.jpa.util.JpaUtils;
import org.keycloak.models.AbstractKeycloakTransaction;
import org.keycloak.models.KeycloakSession;

/**
 * What users have in the database at this moment, and the locks on their rows.
 *
 * <p>Read by statements of our own: models may have been read before the user's row was locked, and lists of
 * Keycloak's are cut to what the caller may see. What was read under a lock is remembered until the transaction ends,
 * and kept true by the events of this transaction: nobody else changes it meanwhile.
 */
final class Possessions {

    private static final String KEY = Possessions.class.getName();

    /** Ids of roles and groups, aliases of linked providers. */
    record Possessed(Set<String> roles, Set<String> groups, Set<String> providers) {

        private static Possessed nothing() {
            return new Possessed(new HashSet<>(), new HashSet<>(), new HashSet<>());
        }
    }

    private final Session database;
    private final String locking;
    private final String reading;
    private final Map<String, Possessed> known = new HashMap<>();
    private final Set<String> locked = new HashSet<>();

    private Possessions(EntityManager entities) {
        this.database = entities.unwrap(Session.class);
        this.locking = "select REALM_ID from " + JpaUtils.getTableNameForNativeQuery("USER_ENTITY", entities)
                + " where ID = ?";
        this.reading = part(entities, 'r', "ROLE_ID", "USER_ROLE_MAPPING")
                + " union all " + part(entities, 'g', "GROUP_ID", "USER_GROUP_MEMBERSHIP")
                + " union all " + part(entities, 'p', "IDENTITY_PROVIDER", "FEDERATED_IDENTITY");
    }

    private static String part(EntityManager entities, char kind, String column, String table) {
        return "select '" + kind + "', " + column + " from "
                + JpaUtils.getTableNameForNativeQuery(table, entities) + " where USER_ID = ?";
    }

    /** Those of this transaction. */
    static Possessions of(KeycloakSession session) {
        Possessions there = session.getAttribute(KEY, Possessions.class);
        if (there != null) {
            return there;
        }
        Possessions fresh = new Possessions(session.getProvider(JpaConnectionProvider.class).getEntityManager());
        session.setAttribute(KEY, fresh);
        session.getTransactionManager().enlistAfterCompletion(new AbstractKeycloakTransaction() {
            @Override
            protected void commitImpl() {
                session.removeAttribute(KEY);
            }

            @Override
            protected void rollbackImpl() {
                session.removeAttribute(KEY);
            }
        });
        return fresh;
    }

    /**
     * Waits for the user's row, keeps it until the transaction ends, and then reads what the user has.
     *
     * @return whether the realm has such a row
     */
    boolean lock(String realm, String user) {
        if (locked.contains(user) && known.containsKey(user)) {
            return true;
        }
        database.flush();
        boolean there = database.doReturningWork(connection -> lock(connection, realm, user));
        if (there) {
            locked.add(user);
        }
        return there;
    }

    /** What a user has; read now, unless it is known already. */
    Possessed read(String user) {
        if (!known.containsKey(user)) {
            database.flush();
            database.doWork(connection -> read(connection, user));
        }
        return known.get(user);
    }

    /** Tells what this transaction has given to a user. */
    static void gained(KeycloakSession session, String user, Function<Possessed, Set<String>> kind, String what) {
        Possessions there = session.getAttribute(KEY, Possessions.class);
        if (there != null && there.known.containsKey(user)) {
            kind.apply(there.known.get(user)).add(what);
        }
    }

    /** Tells that this transaction has taken something from a user, who is read again when that is needed. */
    static void lost(KeycloakSession session, String user) {
        Possessions there = session.getAttribute(KEY, Possessions.class);
        if (there != null) {
            there.known.remove(user);
            there.locked.remove(user);
        }
    }

    private boolean lock(Connection connection, String realm, String user) throws SQLException {
        if (connection.getMetaData().getDatabaseProductName().equals("PostgreSQL")) {
            // Both in one round trip. Each still has a snapshot of its own: the second sees what the first waited for.
            // Whoever has added something to the user has a key share of the row, which this lock does not wait for.
            String both = locking + " for no key update; " + reading;
            try (PreparedStatement statement = connection.prepareStatement(both)) {
                bind(statement, 4, user);
                statement.execute();
                boolean there = isOf(realm, statement.getResultSet());
                statement.getMoreResults();
                known.put(user, possessed(statement.getResultSet()));
                return there;
            }
        }
        boolean there;
        try (PreparedStatement statement = connection.prepareStatement(locking + " for update")) {
            bind(statement, 1, user);
            there = isOf(realm, statement.executeQuery());
        }
        read(connection, user);
        return there;
    }

    private void read(Connection connection, String user) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(reading)) {
            bind(statement, 3, user);
            known.put(user, possessed(statement.executeQuery()));
        }
    }

    private static void bind(PreparedStatement statement, int places, String user) throws SQLException {
        for (int place = 1; place <= places; place++) {
            statement.setString(place, user);
        }
    }

    private static boolean isOf(String realm, ResultSet rows) throws SQLException {
        return rows.next() && realm.equals(rows.getString(1));
    }

    private static Possessed possessed(ResultSet rows) throws SQLException {
        Possessed found = Possessed.nothing();
        while (rows.next()) {
            switch (rows.getString(1)) {
                case "r" -> found.roles().add(rows.getString(2));
                case "g" -> found.groups().add(rows.getString(2));
                default -> found.providers().add(rows.getString(2));
            }
        }
        return found;
    }
}
