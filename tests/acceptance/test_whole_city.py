"""All of 忻州 from a feed and a real slapd, over the fake: what becomes of everybody."""

from __future__ import annotations

from collections import Counter

import pytest

from fixtures.people import Population
from fixtures.servers_slapd import FilledSlapd, ldap_settings
from fixtures.world import FOUNDERS, World
from quanheng.model.person import HoldKind, ProposalKind
from quanheng.model.staff import Reason


@pytest.fixture
def city(world: World, slapd: FilledSlapd) -> World:
    """A world with the feed and the directory of 忻州, synchronised once."""
    population = slapd.population
    directory = ldap_settings(slapd.server, scope=population.scope)
    sources = (*world.settings.sources, directory)
    world.settings = world.settings.model_copy(update={"sources": sources})
    world.context = world.open()
    world.people += population.rows("hr")
    world.units = {unit.code: unit for unit in population.units}
    world.issue_and_sync(scope=population.scope)
    return world


def test_everybody_is_what_the_sources_say(city: World, slapd: FilledSlapd) -> None:
    """Enabled accounts are the people at work; held ones are disabled; leavers have none; bad rows wait."""
    population = slapd.population
    users = city.users()
    enabled = {staff_no for staff_no, user in users.items() if user.enabled}
    assert enabled == population.enabled | set(FOUNDERS.values())
    left = {staff_no for staff_no, hold in population.held.items() if hold is HoldKind.LEFT}
    assert set(users) == enabled | (set(population.held) - left)

    plan = city.sync().plan
    assert plan.empty
    found: Counter[Reason] = Counter()
    for source in plan.sources:
        assert source.accepted
        found.update({Reason(reason): count for reason, count in source.rejected.items()})
    assert found == population.quarantined


def test_guarded_posts_wait_and_are_granted(city: World, slapd: FilledSlapd) -> None:
    """Administrators and reviewers are proposed, approved by a founder, and then in office."""
    population: Population = slapd.population
    guarded = [item for item in city.proposals() if item.kind is ProposalKind.GUARDED_POST]
    assert {item.subject: item.post for item in guarded} == dict(population.proposals)
    city.approve()
    city.sync()
    groups = city.console.read_groups()
    keys = {key: group.attributes["quanheng_key"][0] for key, group in groups.items()}
    held = {
        staff_no: {keys[group].rsplit(":", 1)[-1] for group in user.groups if keys[group].count(":") == 2}
        for staff_no, user in city.users().items()
    }
    assert {staff_no: held[staff_no] for staff_no in population.proposals} == {
        staff_no: {post} for staff_no, post in population.proposals.items()
    }
    assert city.sync().plan.empty
    assert city.check().clean


def test_in_both_sources_is_one_person(city: World, slapd: FilledSlapd) -> None:
    """Somebody whom the feed and the directory both name has one account."""
    rows = [row for row in slapd.population.good if row.source == "ldap"]
    feed = {row.canonical_number for row in slapd.population.good if row.source == "hr"}
    both = [row.staff_no for row in rows if row.canonical_number in feed]
    assert both
    claims = Counter(claim.person for claim in city.registry().claims.values())
    people = {item.staff_no: item.id for item in city.registry().persons.values()}
    assert all(claims[people[staff_no]] == 2 for staff_no in both)
    assert len(people) == len(city.registry().persons)
