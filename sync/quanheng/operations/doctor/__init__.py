"""``quanheng doctor``: every connection, permission, setting and known hole, and what to do about each.

``local`` looks at files, ``notices`` at the ways of telling, ``stored`` at store, ledger and daemon,
``server`` at Keycloak, ``guard`` at what vetoes in it, ``sources`` at feeds and directories; ``holes`` knows
what is open in which version of Keycloak; ``examine`` runs them all. Nothing is changed, not even the schema
of an older store.
"""
