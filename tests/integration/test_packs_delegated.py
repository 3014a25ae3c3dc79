"""The administrators of 恩施 and 甘肃, with tokens of their own: each cell of the packs' tables on a real
server, and what we say of their powers beside what the server answers."""

from __future__ import annotations

from typing import Final

import pytest

from fixtures.admin_matrix import Case
from fixtures.delegated_packs import ENSHI, GANSU, PACKS, AskPack, DelegatedPack
from quanheng.delegation.evaluating import Power
from quanheng.model.ids import KeycloakId
from quanheng.model.permission import GROUPS
from quanheng.operations.answering.powers import read_powers

CASES: Final = tuple((pack, case) for pack in PACKS for case in pack.matrix.cases)
FEWEST_ROWS: Final = 20
_OK: Final = 200
every_pack = pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.region.pack)


@pytest.mark.parametrize(
    ("pack", "case"), CASES, ids=[f"{pack.region.pack}-{case.id}" for pack, case in CASES]
)
def test_each_is_answered_as_the_table_says(ask_pack: AskPack, pack: DelegatedPack, case: Case) -> None:
    """Status or rule; whom the answer names; what became of it."""
    ask_pack(pack).asking.check(case)


@every_pack
def test_the_tables_are_whole(pack: DelegatedPack) -> None:
    """Everybody who acts is asked for, in as many rows as were wanted, each case of its own name."""
    cases = tuple(pack.matrix.cases)
    assert len(pack.matrix.rows) >= FEWEST_ROWS
    assert len({case.id for case in cases}) == len(cases)
    assert {case.who for case in cases} == set(pack.cast.acting) == set(pack.matrix.who)


@every_pack
def test_whoever_has_charge_of_nobody_administers_nobody(pack: DelegatedPack) -> None:
    """Principals, system operators and staff are refused whatever they ask; the auditor changes nothing."""
    for case in pack.matrix.cases:
        if case.who not in pack.seated:
            allowed = case.expected.startswith("2")
            assert not allowed or (case.who == "auditor" and case.row.method == "GET"), case.id


def test_each_subsystem_is_granted_by_its_own() -> None:
    """恩施, by the table: of the five permission administrators of a county each grants one duty, its own,
    and the one of all subsystems every one."""
    granted = {
        (case.who, case.row.path.rpartition("own_duty_")[2].rstrip("}"))
        for case in ENSHI.matrix.cases
        if case.row.ask.startswith("PUT /users/{at}/groups/{own_duty_") and case.expected == "204"
    }
    subsystems = {"library", "sharing", "casual", "analysis", "warning"}
    assert granted == {
        *((f"county_{one}", one) for one in subsystems),
        *(("county_permission", one) for one in subsystems),
    }


def test_no_county_has_a_maintainer(ask_pack: AskPack) -> None:
    """甘肃 (G17): there is not even a group for one, and a city has one."""
    realm = ask_pack(GANSU).realm

    def offices(of: str) -> set[str]:
        return {item["name"] for item in realm.admin.get(f"/groups/{realm.values[of]}/children", max=100)}

    assert "系统权限维护人员" in offices("city_offices")
    assert offices("own_offices") == {"机构主要负责人"}


@every_pack
def test_nobody_has_more_or_less_than_the_pack_gives(ask_pack: AskPack, pack: DelegatedPack) -> None:
    """As ``quanheng admin matrix`` and ``check`` compute it: neither a surplus nor a lack, for each of those
    who have charge of somebody."""
    realm = ask_pack(pack).realm
    report = read_powers(realm.real.world.context)
    assert (report.differences, report.realm.gains) == ((), ())
    for who in pack.seated:
        account = report.find(realm.values[f"{who}.name"])
        assert account is not None, who
        assert account.powers, who
        assert (account.missing, account.missing_roles) == (frozenset(), frozenset()), who


@every_pack
def test_powers_are_what_the_server_answers(ask_pack: AskPack, pack: DelegatedPack) -> None:
    """Of each group that the table names, to each who has charge of somebody: seen or not, with members or
    without."""
    realm = ask_pack(pack).realm
    report = read_powers(realm.real.world.context)
    for who in pack.seated:
        account = report.find(realm.values[f"{who}.name"])
        assert account is not None, who
        for group in pack.cast.groups:
            place = KeycloakId(realm.values[group])
            for scope, tail in (("view", ""), ("view-members", "/members")):
                answer = realm.logins[who].request("GET", realm.path(f"/groups/{place}{tail}"))
                assert (answer.status_code == _OK) is (Power(GROUPS, scope, place) in account.powers), (
                    f"{who} at {group}: {scope} is answered {answer.status_code}"
                )
