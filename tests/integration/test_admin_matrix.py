"""Who asks what of whom in Keycloak's administration: each cell of ``admin_matrix.yaml`` on a real server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from deploy.local.guard import guard_jar
from deploy.local.keycloak import VERSION, built_distribution

from fixtures.admin_endpoints import EXTENSIONS, Endpoint, read_endpoints, read_extensions
from fixtures.admin_matrix import Asking, Case, codes_of, load_matrix
from fixtures.admin_matrix_page import below_the_mark, words
from fixtures.delegated_realm import ACTING, DelegatedRealm
from quanheng.operations.doctor.holes import HOLES

MATRIX: Final = load_matrix()
CASES: Final = tuple(MATRIX.cases)
FEWEST: Final = 600
ADMINISTRATORS: Final = (
    *("county_system", "county_business", "other_system"),
    *("province_system", "province_business"),
)
_ROOT: Final = Path(__file__).resolve().parents[2]
_PLACEHOLDER: Final = re.compile(r"\{[^}]*\}")


@pytest.fixture(scope="module")
def asking(delegated_realm: DelegatedRealm) -> Asking:
    """Asks in the realm."""
    return Asking(MATRIX, delegated_realm)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_each_is_answered_as_the_table_says(asking: Asking, case: Case) -> None:
    """Status or rule; whom the answer names; what became of it."""
    asking.check(case)


@pytest.mark.parametrize("who", ["leaver", "draft"])
def test_whoever_is_disabled_is_not_let_in(delegated_realm: DelegatedRealm, who: str) -> None:
    """Not with the right password either: who has left, and whom an administrator made."""
    with delegated_realm.log_in(who) as login:
        assert login.try_door() == ""


def test_the_table_is_large() -> None:
    """As many cases as were asked for, each of its own name, of everybody who acts."""
    assert len(CASES) >= FEWEST
    assert len({case.id for case in CASES}) == len(CASES)
    assert set(MATRIX.who) == set(ACTING) == {case.who for case in CASES}
    for readme, count in (("README.md", f"{len(CASES):,} cases"), ("README.zh-CN.md", f"{len(CASES):,} 项")):
        assert count in (_ROOT / readme).read_text(encoding="utf-8"), readme


def test_the_page_is_the_table() -> None:
    """What the documentation says is what is asked: ``python -m fixtures.admin_matrix_page`` writes it."""
    assert below_the_mark() == f"{words(MATRIX)}\n"


def test_the_auditor_changes_nothing() -> None:
    """What is no GET is refused, but for questions that Keycloak asks by POST."""
    questions = {"try a permission"}
    allowed = {
        case.row.id
        for case in CASES
        if case.who == "auditor" and case.row.method != "GET" and case.expected.startswith("2")
    }
    assert allowed <= questions


@pytest.mark.parametrize("who", ["handler", "operator", "nobody"])
def test_staff_administer_nobody(who: str) -> None:
    """Of the administration's answers they get an empty list of roles, and one of realms."""
    allowed = {
        case.row.id
        for case in CASES
        if case.who == who and case.expected.startswith("2") and not case.row.path.startswith("~")
    }
    assert allowed <= {"ui: roles to give a role", "ui: names of realms"}


@pytest.mark.parametrize("who", ADMINISTRATORS)
def test_no_administrator_crosses_its_border(who: str) -> None:
    """Whatever names a person or a group that somebody does not see is refused, or shows an empty list."""
    sees = MATRIX.sees[who]
    crossing = {
        case.id
        for case in CASES
        if case.who == who
        and case.at.startswith(("own_", "other_", "city_", "province_"))
        and case.at not in sees
        and case.expected.startswith("2")
        and not (case.row.shows or case.row.counts)
    }
    assert crossing == set()


def test_every_known_hole_is_a_case() -> None:
    """Of those that ``doctor`` knows, each that concerns who administers; and ``doctor`` knows each that is
    tried."""
    tried = {hole for row in MATRIX.rows for hole in row.holes}
    others = {"CVE-2026-18569"}  # of identity providers' tokens: integration/test_card_provider
    assert tried == {hole.id for hole in HOLES} - others


def test_groups_are_in_the_order_of_their_codes(delegated_realm: DelegatedRealm) -> None:
    """Also where the feed named the county of the lowest code last, whose groups are the youngest."""
    values, login = delegated_realm.values, delegated_realm.logins["province_system"]

    def codes(group: str) -> list[str]:
        path = delegated_realm.path(f"/groups/{values[group]}/children?max=100")
        return codes_of(login.request("GET", path).json())

    assert codes("city") == ["140900000", "140901", "140902", "140921"]
    assert codes("duties") == ["1409", "140901", "140902", "140921"]
    assert codes("offices") == ["140901", "140902", "140921"]


@pytest.fixture(scope="module")
def libraries() -> Path:
    """Where the JARs are of the server as it is started here."""
    return built_distribution(guard_jar()) / "lib" / "lib" / "main"


@pytest.fixture(scope="module")
def endpoints(libraries: Path) -> frozenset[Endpoint]:
    """Of its Admin API."""
    return read_endpoints(libraries)


def unasked(endpoints: frozenset[Endpoint]) -> Iterator[Endpoint]:
    """Endpoints that no row of the table asks."""
    longer = {"{authz}": "clients/x/authz/resource-server", "{at.path}": "/x"}
    asked = []
    for row in MATRIX.rows:
        path = row.path.split("?")[0]
        for placeholder, text in longer.items():
            path = path.replace(placeholder, text)
        asked.append((row.method, _PLACEHOLDER.sub("x", path)))
    for endpoint in sorted(endpoints):
        if not any(endpoint.answers(method, path.strip("/")) for method, path in asked):
            yield endpoint


def test_every_endpoint_is_asked(endpoints: frozenset[Endpoint]) -> None:
    """Or is in the list of those that are not, each by its own name: a release that brings one is noticed."""
    left = {f"{item.method} /{item.path}" for item in unasked(endpoints)}
    new, gone = sorted(left - MATRIX.unasked.keys()), sorted(MATRIX.unasked.keys() - left)
    assert not new, (
        f"Keycloak {VERSION} has endpoints that nobody asks: {new}. Read in its source who may use each; add "
        "rows to admin_matrix.yaml, or its name under 'unasked' with the reason"
    )
    assert not gone, f"take these out of 'unasked' of admin_matrix.yaml, they are asked or gone: {gone}"


def test_every_extension_is_read(libraries: Path) -> None:
    """Parts that are added to the Admin API by name, from whatever JAR."""
    found, known = read_extensions(libraries), EXTENSIONS.keys()
    assert found == known, (
        f"Keycloak {VERSION} has other parts of the Admin API, new: {sorted(found - known)}, gone: "
        f"{sorted(known - found)}. Say in admin_endpoints.py where each is, and ask its endpoints"
    )
