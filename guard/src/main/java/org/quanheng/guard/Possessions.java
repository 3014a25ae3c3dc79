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
        return "select USER_ID, '" + kind + "', " + column + " from "
                + JpaUtils.getTableNameForNativeQuery(table, entities) + " where USER_ID in (?, ?)";
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
     * @param other whose possessions are wanted as well, without a lock; null for nobody
     * @return whether the realm has such a row
     */
    boolean lock(String realm, String user, String other) {
        if (locked.contains(user) && (other == null || known.containsKey(other))) {
            return true;
        }
        database.flush();
        boolean there = database.doReturningWork(connection -> lock(connection, realm, user, other));
        if (there) {
            locked.add(user);
        }
        return there;
    }

    /** What a user has; read now, unless it is known already. */
    Possessed read(String user) {
        if (!known.containsKey(user)) {
            database.flush();
            database.doWork(connection -> read(connection, user, user));
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

    private boolean lock(Connection connection, String realm, String user, String other) throws SQLException {
        String another = other == null ? user : other;
        if (connection.getMetaData().getDatabaseProductName().equals("PostgreSQL")) {
            // Both in one round trip. Each still has a snapshot of its own: the second sees what the first waited for.
            // Whoever has added something to the user has a key share of the row, which this lock does not wait for.
            String both = locking + " for no key update; " + reading;
            try (PreparedStatement statement = connection.prepareStatement(both)) {
                statement.setString(1, user);
                bind(statement, 2, user, another);
                statement.execute();
                boolean there = isOf(realm, statement.getResultSet());
                statement.getMoreResults();
                remember(statement.getResultSet(), user, another);
                return there;
            }
        }
        boolean there;
        try (PreparedStatement statement = connection.prepareStatement(locking + " for update")) {
            statement.setString(1, user);
            there = isOf(realm, statement.executeQuery());
        }
        read(connection, user, another);
        return there;
    }

    private void read(Connection connection, String user, String another) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(reading)) {
            bind(statement, 1, user, another);
            remember(statement.executeQuery(), user, another);
        }
    }

    private static void bind(PreparedStatement statement, int first, String user, String another) throws SQLException {
        for (int place = first; place < first + 6; place += 2) {
            statement.setString(place, user);
            statement.setString(place + 1, another);
        }
    }

    private static boolean isOf(String realm, ResultSet rows) throws SQLException {
        return rows.next() && realm.equals(rows.getString(1));
    }

    private void remember(ResultSet rows, String user, String another) throws SQLException {
        known.put(user, Possessed.nothing());
        known.put(another, Possessed.nothing());
        while (rows.next()) {
            Possessed possessed = known.get(rows.getString(1));
            switch (rows.getString(2)) {
                case "r" -> possessed.roles().add(rows.getString(3));
                case "g" -> possessed.groups().add(rows.getString(3));
                default -> possessed.providers().add(rows.getString(3));
            }
        }
    }
}
