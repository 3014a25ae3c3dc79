"""An OpenID Provider for one flow: authorization code with PKCE S256, clients that prove a key.

``asking`` judges what a browser brings, ``client_keys`` and ``assertions`` who asks for a token,
``exchanging`` gives it, ``signing`` keeps the keys, ``leaving`` is the logout; ``provider`` is what the rest
of the bridge calls, ``routes`` the addresses. Rows are in ``store.bridge_grants`` and ``store.bridge_keys``.
"""
