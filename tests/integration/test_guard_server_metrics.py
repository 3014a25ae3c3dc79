"""What the server's metrics tell of vetoes."""

from __future__ import annotations

import re

import requests

from fixtures.guard import GuardedRealm, assert_vetoed

_COUNT = re.compile(r"^(quanheng_guard_\w+?)\{([^}]*)\} (\S+)$", re.MULTILINE)
RULE = "counted-rule"
"""Of this test alone: servers and their counts are shared."""


def counts(realm: GuardedRealm) -> dict[tuple[str, str], float]:
    """Every count of the guard, by its name and labels, as a monitoring system reads it."""
    answer = requests.get(f"{realm.realm.server.management_url}/metrics", timeout=30)
    assert answer.status_code == 200, "the server was built without --metrics-enabled=true"
    return {(name, labels): float(value) for name, labels, value in _COUNT.findall(answer.text)}


def test_vetoes_are_counted_by_rule(guarded_realm: GuardedRealm) -> None:
    """Each veto counts once under its rule, what is let through counts nowhere, and nobody is named."""
    realm = guarded_realm
    labels = f'rule="{RULE}-{realm.name}"'
    counter = ("quanheng_guard_vetoes_total", labels)
    rule = realm.exclusion(f"{RULE}-{realm.name}", "person", ["handler"], ["reviewer"])
    realm.publish(exclusions=[rule])
    user = realm.add_person("handler")
    before = counts(realm).get(counter, 0)

    for _ in range(2):
        refused = realm.join(realm.sync, user, realm.duty("reviewer", "140921"))
        assert_vetoed(refused, f"{RULE}-{realm.name}", 409)
    assert realm.join(realm.sync, user, realm.duty("handler", "140921")).status_code == 204

    found = counts(realm)
    assert found[counter] - before == 2
    assert {name for name, _ in found} <= {
        "quanheng_guard_vetoes_total",
        "quanheng_guard_break_glass_total",
    }
    # Nothing but the rule is told: no realm, no user, no address.
    assert all(re.fullmatch(r'rule="[a-z0-9#-]+"', told) for _, told in found)
    assert user not in str(found)
