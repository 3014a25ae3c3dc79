"""A sweep with the guard's help sees what one that asks for each user sees, and asks little."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import Any

import pytest

from fixtures.guard import CARD, GuardedRealm, raw
from fixtures.servers_keycloak import KeycloakRealm
from quanheng.keycloak.fake import FakeRealm
from quanheng.keycloak.guard import Guard
from quanheng.keycloak.guard_rest import RestGuard
from quanheng.keycloak.reading import RealmReading
from quanheng.keycloak.rest import SYNC_CLIENT
from quanheng.keycloak.sweeping import RealmSweep
from quanheng.model.ids import KeycloakId
from quanheng.model.realm import FederatedIdentity, RealmUser

OTHER, GONE = "sweep-other", "sweep-gone"


def sweep(realm: GuardedRealm, guard: Guard | None = None) -> tuple[dict[KeycloakId, RealmUser], int]:
    """Everybody as the sync sees them, and how many requests it took; each user was shown once."""
    connection = realm.realm.client(SYNC_CLIENT)
    guard = guard or RestGuard(connection)
    users = list(RealmSweep(connection, RealmReading(connection), guard).users())
    by_id = {user.id: user for user in users}
    assert len(by_id) == len(users)
    return by_id, connection.counter.total


NO_GUARD = FakeRealm("none").guard
"""Answers as a server without one."""


@pytest.fixture
def people(guarded_realm: GuardedRealm) -> Iterator[dict[str, str]]:
    """One of each kind, by what is odd about them."""
    realm = guarded_realm
    known = {item["alias"] for item in realm.admin.get(realm.path("/identity-provider/instances"))}
    for alias in {OTHER, GONE} - known:
        body = {"alias": alias, "providerId": "oidc", "config": {"clientId": "x"}}
        realm.admin.request("POST", realm.path("/identity-provider/instances"), json=body)
    made = {
        "with a duty": realm.add_person("handler"),
        "with two cards": realm.add_person("reviewer", attributes={"person_id": ["p1"]}),
        "without a card": realm.add_person(card=False, enabled=False),
        "with a nameless link": realm.add_person(card=False),
        "without a role": realm.add_person(),
        "with roles": realm.add_person(),
        "renamed service account": service_account(realm, "renamed", username="robot"),
        "service account": service_account(realm, "plain"),
    }
    link(realm, made["with two cards"], OTHER, {"userId": "two", "userName": "二"})
    link(realm, made["with a nameless link"], OTHER, {"userId": "nameless"})
    default = realm.admin.get(realm.path(f"/users/{made['without a role']}/role-mappings/realm"))
    realm.admin.request(
        "DELETE", realm.path(f"/users/{made['without a role']}/role-mappings/realm"), json=default
    )
    assert realm.grant(realm.sync, made["with roles"], realm.roles["handler"]).status_code == 204
    yield made
    for client in ("renamed", "plain"):
        realm.admin.request("DELETE", realm.path(f"/clients/{realm.client(client)}"))
    raw(realm.admin, "DELETE", realm.path(f"/identity-provider/instances/{OTHER}"))
    raw(realm.admin, "DELETE", realm.path(f"/identity-provider/instances/{GONE}"))


def link(realm: GuardedRealm, user: str, provider: str, body: dict[str, str]) -> None:
    """Link an identity, past the port, which always gives it a name."""
    path = realm.path(f"/users/{user}/federated-identity/{provider}")
    realm.admin.request("POST", path, json={"identityProvider": provider, **body})


def service_account(realm: GuardedRealm, client: str, **changes: str) -> str:
    """The account of a new client."""
    body = {"clientId": client, "publicClient": False, "serviceAccountsEnabled": True}
    realm.admin.request("POST", realm.path("/clients"), json=body)
    found = realm.admin.get(realm.path(f"/clients/{realm.client(client)}/service-account-user"))
    if changes:
        realm.admin.request("PUT", realm.path(f"/users/{found['id']}"), json={**found, **changes})
    identifier: str = found["id"]
    return identifier


def test_both_ways_see_the_same(guarded_realm: GuardedRealm, people: dict[str, str]) -> None:
    """Every user is the same, read in bulk or one by one: links of two providers, of none, without a name."""
    quick, few = sweep(guarded_realm)
    slow, many = sweep(guarded_realm, NO_GUARD)

    assert quick == slow
    assert quick.keys() >= set(people.values())
    named = {name: quick[KeycloakId(user)] for name, user in people.items()}
    assert {item.provider for item in named["with two cards"].identities} == {CARD, OTHER}
    assert named["with a nameless link"].identities == {FederatedIdentity(OTHER, "nameless", "")}
    assert named["without a card"].identities == frozenset()
    assert not named["without a card"].enabled
    assert named["without a role"].roles == frozenset()
    assert named["service account"].service_account
    assert len(quick) > 8
    assert few < many


def test_requests_do_not_grow_with_people(guarded_realm: GuardedRealm, people: dict[str, str]) -> None:
    """Fifteen people more, with links, duties and roles, cost not one request more."""
    _, before = sweep(guarded_realm)
    more = {guarded_realm.add_person("handler") for _ in range(15)}
    found, after = sweep(guarded_realm)

    assert found.keys() >= more
    assert after == before


def test_asked_one_by_one_when_refused(guarded_realm: GuardedRealm, people: dict[str, str]) -> None:
    """A sync that is none of the rules' writers is refused by the guard, and sweeps as without it."""
    realm = guarded_realm
    told, _ = sweep(realm)
    others = realm.seal(realm.rules(writers=[realm.configurator.subject()]))
    realm.configurator.request("PUT", realm.guard_path("rules"), json=others)
    try:
        assert raw(realm.sync, "GET", realm.guard_path("holders")).status_code == 403
        assert sweep(realm)[0] == told
    finally:
        realm.configurator.request("PUT", realm.guard_path("rules"), json=realm.seal(realm.rules()))


def test_a_link_of_no_provider(guarded_realm: GuardedRealm, people: dict[str, str]) -> None:
    """What is left of a provider that is gone is shown by neither way."""
    realm = guarded_realm
    user = KeycloakId(people["without a card"])
    link(realm, user, GONE, {"userId": "left", "userName": "left"})
    assert len(sweep(realm)[0][user].identities) == 1
    realm.admin.request("DELETE", realm.path(f"/identity-provider/instances/{GONE}"))

    assert sweep(realm)[0][user] == sweep(realm, NO_GUARD)[0][user]


def test_pages(guarded_realm: GuardedRealm, people: dict[str, str], keycloak_realm: KeycloakRealm) -> None:
    """Pages follow each other by user id; of whatever size, together they are everybody of this realm once,
    and nobody is cut in two."""
    realm = guarded_realm
    elsewhere = keycloak_realm.rest().own_actors
    sevens = list(chain(*pages(realm, 7)))
    identifiers = [item["user"] for item in sevens]

    assert sevens == list(chain(*pages(realm, 1000)))
    assert all(one < next_one for one, next_one in pairwise(identifiers))
    assert set(identifiers) == set(sweep(realm)[0])
    assert elsewhere.isdisjoint(identifiers)
    before, two = next(
        (one, item)
        for one, item in zip(identifiers, sevens[1:], strict=False)
        if item["user"] == people["with two cards"]
    )
    assert {item["provider"] for item in two["links"]} == {CARD, OTHER}
    [alone] = realm.sync.get(realm.guard_path("holders"), after=before, max=1)
    assert _ordered(alone) == two


def pages(realm: GuardedRealm, size: int) -> list[list[dict[str, Any]]]:
    """Every page, the last of which is not full; lists inside in order."""
    found: list[list[dict[str, Any]]] = []
    after = ""
    while not found or len(found[-1]) == size:
        page = realm.sync.get(realm.guard_path("holders"), after=after, max=size)
        after = page[-1]["user"] if page else ""
        found.append([_ordered(item) for item in page])
    return found


def _ordered(item: dict[str, Any]) -> dict[str, Any]:
    links = sorted(item["links"], key=lambda link: str(link["provider"]))
    return {**item, "roles": sorted(item["roles"]), "groups": sorted(item["groups"]), "links": links}


@pytest.mark.parametrize("size", [0, -1, 1001, "all"])
def test_size_of_a_page(guarded_realm: GuardedRealm, size: object) -> None:
    """No page is larger than a thousand."""
    answer = raw(guarded_realm.sync, "GET", guarded_realm.guard_path(f"holders?max={size}"))
    assert answer.status_code in (400, 404)
    assert "links" not in answer.text


@pytest.mark.parametrize(
    "who",
    [
        lambda realm: realm.admin,
        lambda realm: realm.log_in(realm.add_person("business-admin")),
    ],
    ids=["administrator of the server", "administrator of the realm"],
)
def test_for_our_own_alone(
    guarded_realm: GuardedRealm, who: Callable[[GuardedRealm], Any], people: dict[str, str]
) -> None:
    """Nobody but the writers is told, whatever else they may do."""
    realm = guarded_realm
    refused = raw(who(realm), "GET", realm.guard_path("holders"))
    assert refused.status_code == 403
    assert people["with two cards"] not in refused.text


def newest_events(realm: GuardedRealm) -> set[str]:
    """Ids of the events of the last second in which there were any: those of one moment have no order."""
    found = realm.admin.get(realm.path("/admin-events"), max=200)
    return {event["id"] for event in found if event["time"] > found[0]["time"] - 1000}


def test_nothing_is_told_of_it(guarded_realm: GuardedRealm, people: dict[str, str]) -> None:
    """Reading leaves no admin event."""
    realm = guarded_realm
    before = newest_events(realm)
    assert len(sweep(realm)[0]) > len(people)
    assert newest_events(realm) == before
