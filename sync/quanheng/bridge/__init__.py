"""电子社保卡 → OpenID Connect: an OpenID Provider for Keycloak that shows a QR code.

One login goes through four rooms. ``provider`` takes the authorization request and, in the end, gives tokens
(OpenID Connect Core 1.0); ``login`` shows the page and waits; ``card`` speaks with the card platform;
``recognising`` tells whose card it is and whether that person may come in. ``app`` puts them together,
``settings`` is the table ``[bridge]`` of ``quanheng.toml``, ``values`` is what the rooms hand to each other.
Rows are in ``quanheng.store`` (``card_logins``, ``bridge_grants``, ``bridge_keys``, ``login_records``), so
several processes may serve one login.

The bridge keeps no session: every login is a scan. Of the three keys it has the index key alone.
"""
