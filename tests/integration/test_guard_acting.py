"""Who may give duties, to whom, and what nobody may do to a managed account."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from fixtures.guard import CARD, GuardedRealm, assert_vetoed, raw

LINK = {"identityProvider": CARD, "userId": "sub-other", "userName": "other"}


def test_entitled_administrator(guarded_realm: GuardedRealm) -> None:
    """A 业务管理员 gives posts in the own county and nowhere else, and only posts that are its to give."""
    realm = guarded_realm
    admin = realm.log_in(realm.add_person("business-admin"))
    user = realm.add_person()

    own = realm.join(admin, user, realm.duty("handler"))
    other_county = realm.join(admin, user, realm.duty("handler", "140921"))
    other_post = realm.join(admin, user, realm.duty("system-admin"))

    assert own.status_code == 204, own.text
    assert_vetoed(other_county, "acting-not-entitled", 403, "经办人员", "无权在该辖区授予")
    assert_vetoed(other_post, "acting-not-entitled", 403, "系统管理员")
    assert realm.groups_of(user) == {realm.duty("handler")}
    assert {told["by"]["userId"] for told in realm.vetoes(user)} == {admin.subject()}


def test_entitled_from_above(guarded_realm: GuardedRealm) -> None:
    """A post of the city entitles in each of its counties."""
    realm = guarded_realm
    if "/岗位/1409" not in realm.groups:
        realm.add_group("/岗位", "1409")
        # A bureau's own staff are coded with the zeros that GB/T 2260 fills up with.
        realm.add_group("/岗位/1409", "业务管理员", area="140900000", role=realm.roles["business-admin"])
    city = realm.add_person()
    assert realm.join(realm.sync, city, realm.groups["/岗位/1409/业务管理员"]).status_code == 204
    admin = realm.log_in(city)
    user = realm.add_person()

    assert realm.join(admin, user, realm.duty("handler", "140921")).status_code == 204


def test_only_where_somebody_works(guarded_realm: GuardedRealm) -> None:
    """Whoever may give a post in two places gives it where the person works. Our own accounts decide that
    themselves, as they do of somebody whose code says no place."""
    realm = guarded_realm
    admin = realm.log_in(realm.add_person("business-admin"))
    here = realm.add_person(attributes={"org_code": ["140902101"]})
    there = realm.add_person(attributes={"org_code": ["140921101"]})
    bureau = realm.add_person(attributes={"org_code": ["140900000"]})
    unknown = realm.add_person(attributes={"org_code": ["X1"]})
    duty = realm.duty("handler")

    for user in (there, bureau):
        assert_vetoed(realm.join(admin, user, duty), "target-elsewhere", 409, "经办人员", "不得跨地区授予")
    assert [realm.join(admin, user, duty).status_code for user in (here, unknown)] == [204, 204]
    assert realm.join(realm.sync, there, duty).status_code == 204
    assert realm.groups_of(bureau) == set()


def test_a_place_that_is_not_what_its_code_begins_with(guarded_realm: GuardedRealm) -> None:
    """A development zone's township has a code of the county that it was cut out of: its group says where."""
    realm = guarded_realm
    zone, duty, office = (
        "/机构/140901-开发区",
        "/岗位/140901-开发区/经办人员",
        "/岗位/140901-开发区/业务管理员",
    )
    if zone not in realm.groups:
        for parent, name, area, role in (
            (None, "机构", "", ""),
            ("/机构", "140901-开发区", "140901", ""),
            (zone, "高城乡", "140902077", ""),
            ("/岗位", "140901-开发区", "", ""),
            ("/岗位/140901-开发区", "经办人员", "140901", realm.roles["handler"]),
            ("/岗位/140901-开发区", "业务管理员", "140901", realm.roles["business-admin"]),
        ):
            realm.add_group(parent, name, area=area, role=role)
    granter = realm.add_person()
    assert realm.join(realm.sync, granter, realm.groups[office]).status_code == 204
    admin = realm.log_in(granter)
    code = {"org_code": ["140902077"]}
    inside = realm.add_person(attributes=code, groups=[f"{zone}/高城乡"])
    outside = realm.add_person(attributes=code)

    assert realm.join(admin, inside, realm.groups[duty]).status_code == 204
    assert_vetoed(realm.join(admin, outside, realm.groups[duty]), "target-elsewhere", 409)


def test_oneself(guarded_realm: GuardedRealm) -> None:
    """Nobody gives a duty to oneself, entitled or not."""
    realm = guarded_realm
    user = realm.add_person("business-admin")
    admin = realm.log_in(user)

    answer = realm.join(admin, user, realm.duty("handler"))

    assert_vetoed(answer, "acting-self", 403, "不得为本人授予")


def test_entitled_but_against_a_rule(guarded_realm: GuardedRealm) -> None:
    """Being entitled does not help against an exclusion."""
    realm = guarded_realm
    admin = realm.log_in(realm.add_person("business-admin"))
    user = realm.add_person("handler")

    assert_vetoed(realm.join(admin, user, realm.duty("reviewer")), "g11-review", 409)


def test_direct_mapping(guarded_realm: GuardedRealm) -> None:
    """A duty is not mapped directly: not by the entitled, and not inside another role."""
    realm = guarded_realm
    admin = realm.log_in(realm.add_person("business-admin"))
    user = realm.add_person()
    wrapped = realm.add_role("wrapped", "")
    realm.contain(wrapped, realm.roles["handler"])

    for role in (realm.roles["handler"], wrapped):
        assert_vetoed(realm.grant(admin, user, role), "acting-direct", 403, "加入岗位组")
    assert realm.roles_of(user).isdisjoint({realm.roles["handler"], wrapped})


def test_master_administrator(guarded_realm: GuardedRealm) -> None:
    """The master realm's administrator has all of Keycloak's rights and none of ours."""
    realm = guarded_realm
    user = realm.add_person()

    assert_vetoed(realm.join(realm.admin, user, realm.duty("handler")), "acting-not-entitled", 403)
    assert_vetoed(realm.grant(realm.admin, user, realm.roles["handler"]), "acting-direct", 403)
    assert realm.groups_of(user) == set()


def test_service_account(guarded_realm: GuardedRealm) -> None:
    """A service account gets no duty, even from our own."""
    realm = guarded_realm

    answer = realm.join(realm.sync, realm.configurator.subject(), realm.duty("handler"))

    assert_vetoed(answer, "target-service-account", 409)


def test_unlinked_account(guarded_realm: GuardedRealm) -> None:
    """An account without a card gets no duty; once it is linked, it does."""
    realm = guarded_realm
    user = realm.add_person(card=False)

    refused = realm.join(realm.sync, user, realm.duty("handler"))
    linked = raw(realm.sync, "POST", realm.path(f"/users/{user}/federated-identity/{CARD}"), json=LINK)
    joined = realm.join(realm.sync, user, realm.duty("handler"))

    assert_vetoed(refused, "target-unlinked", 409, "尚未绑定电子社保卡")
    assert (linked.status_code, joined.status_code) == (204, 204)


@pytest.mark.parametrize(
    "managed",
    [
        lambda realm: realm.add_person("handler"),
        lambda realm: realm.add_person(),
        lambda realm: realm.add_person(card=False, attributes={"person_id": ["p1"]}),
    ],
    ids=["with a duty", "with a card", "known to the store"],
)
def test_removal(guarded_realm: GuardedRealm, managed: Callable[[GuardedRealm], str]) -> None:
    """A managed account is deleted by nobody, our own service accounts included."""
    realm = guarded_realm
    user = managed(realm)

    for by in (realm.admin, realm.sync, realm.configurator):
        answer = raw(by, "DELETE", realm.path(f"/users/{user}"))
        assert_vetoed(answer, "account-removal", 403, "不得删除")
    assert realm.admin.get(realm.path(f"/users/{user}"))["id"] == user


def test_removal_of_others(guarded_realm: GuardedRealm) -> None:
    """What is not managed may be deleted: a foreign user, a client with its service account."""
    realm = guarded_realm
    user = realm.add_person(card=False)
    service = {"clientId": "passing", "serviceAccountsEnabled": True, "publicClient": False}
    realm.admin.request("POST", realm.path("/clients"), json=service)

    assert raw(realm.admin, "DELETE", realm.path(f"/users/{user}")).status_code == 204
    assert raw(realm.admin, "DELETE", realm.path(f"/clients/{realm.client('passing')}")).status_code == 204


def test_card_is_the_syncs(guarded_realm: GuardedRealm) -> None:
    """Nobody but our service accounts links a card or takes it away; other providers are free."""
    realm = guarded_realm
    user, unlinked = realm.add_person(), realm.add_person(card=False)

    def at(person: str, provider: str = CARD) -> str:
        return realm.path(f"/users/{person}/federated-identity/{provider}")

    assert_vetoed(raw(realm.admin, "POST", at(unlinked), json=LINK), "card-link", 403)
    assert_vetoed(raw(realm.admin, "DELETE", at(user)), "card-link", 403)
    with_card = {"username": "with-card", "federatedIdentities": [LINK]}
    assert_vetoed(raw(realm.admin, "POST", realm.path("/users"), json=with_card), "card-link", 403)
    provider = {"alias": "other", "providerId": "oidc", "config": {"clientId": "x", "clientSecret": "x"}}
    if raw(realm.admin, "GET", realm.path("/identity-provider/instances/other")).status_code == 404:
        realm.admin.request("POST", realm.path("/identity-provider/instances"), json=provider)
    assert raw(realm.admin, "POST", at(unlinked, "other"), json=LINK).status_code == 204
    assert raw(realm.sync, "DELETE", at(user)).status_code == 204


def test_card_of_oneself(guarded_realm: GuardedRealm) -> None:
    """A person does not take away the own card in the account pages."""
    realm = guarded_realm
    user = realm.add_person()
    admin = realm.log_in(user)
    account = realm.client("account")
    role = realm.admin.get(realm.path(f"/clients/{account}/roles/manage-account"))
    realm.admin.request("POST", realm.path(f"/users/{user}/role-mappings/clients/{account}"), json=[role])

    answer = raw(admin, "DELETE", f"realms/{realm.name}/account/linked-accounts/{CARD}")

    assert_vetoed(answer, "card-link", 403)
    assert len(realm.admin.get(realm.path(f"/users/{user}/federated-identity"))) == 1


def test_provider_of_cards_stays(guarded_realm: GuardedRealm) -> None:
    """Deleting the provider would unlink everybody: refused to all but our service accounts."""
    realm = guarded_realm
    user = realm.add_person()
    path = realm.path(f"/identity-provider/instances/{CARD}")
    if raw(realm.admin, "GET", path).status_code == 404:
        body = {"alias": CARD, "providerId": "oidc", "config": {"clientId": "x", "clientSecret": "x"}}
        realm.admin.request("POST", realm.path("/identity-provider/instances"), json=body)

    answer = raw(realm.admin, "DELETE", path)

    assert_vetoed(answer, "card-link", 403)
    assert raw(realm.admin, "GET", path).status_code == 200
    assert len(realm.admin.get(realm.path(f"/users/{user}/federated-identity"))) == 1


def test_forged_token(guarded_realm: GuardedRealm) -> None:
    """A token of the sync's name that Keycloak did not sign opens neither realm nor guard."""
    realm = guarded_realm
    head, claims, _ = realm.sync._current_token().text.split(".")

    def ask(path: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {head}.{claims}.AAAA"}
        return requests.get(f"{realm.sync.url}/{path}", headers=headers, timeout=30)

    assert ask(realm.guard_path("status")).status_code == 401
    assert ask(realm.path("/users")).status_code == 401
