"""The rules on their way to the guard: when they are published, with which number, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from fixtures.fake_guard import install_guard
from fixtures.world import World
from quanheng.engine.matching import qualification_groups
from quanheng.errors import ConfigurationError
from quanheng.identity.rules_key import PRIVATE
from quanheng.keycloak.fake_base import FakeGuardState
from quanheng.keycloak.port import RealmRefusedError
from quanheng.keycloak.sealing import SwappedRolesError, UnsealableRulesError
from quanheng.model.ids import KeycloakId, RoleName
from quanheng.operations.guarding import Published, publish_rules, read_issue
from quanheng.operations.refresh import read_live


@pytest.fixture
def guarded(world: World) -> World:
    """A world whose server has a guard, and whose realm has its groups."""
    world.issue_and_sync()
    install_guard(world.fake, world.settings.keys_directory)
    return world


def publish(world: World) -> Published | None:
    """Give the guard its rules, as the realm is now."""
    return publish_rules(world.context, read_live(world.context.realm))


def state_of(world: World) -> FakeGuardState:
    """The guard's state."""
    return world.fake.guard.state


def in_force(world: World) -> Any:
    """The rules that the guard has."""
    rules = state_of(world).rules
    assert rules is not None
    return json.loads(rules.payload)


def test_nothing_without_a_guard(world: World) -> None:
    """A server without a guard gets nothing, and no key is asked for."""
    assert publish(world) is None
    assert read_issue(world.context).sequence == 0


def test_names_are_known_without_a_guard(world: World) -> None:
    """What is exchanged where nothing guards is seen all the same."""
    publish(world)
    _swap(world)
    with pytest.raises(SwappedRolesError):
        publish(world)


def test_once(guarded: World) -> None:
    """The rules of the pack are put in force once, and written into the ledger; unchanged, never again."""
    published = publish(guarded)
    assert published is not None
    assert (published.sequence, published.exclusions) == (1, len(guarded.context.rules.exclusions))
    status = guarded.context.guard.read_status()
    assert status is not None
    assert (status.valid, status.sequence) == (True, 1)
    assert publish(guarded) is None
    guarded.pass_time(days=1)
    assert publish(guarded) is None
    (entry,) = guarded.ledger("rules_published")
    body = json.loads(entry.body)
    assert (body["sequence"], body["digest"]) == (1, published.digest)


def test_our_accounts_and_qualifications_are_in_them(guarded: World) -> None:
    """Writers are our service accounts; a qualification is the id of its group."""
    publish(guarded)
    body = in_force(guarded)
    assert body["writers"] == sorted(guarded.context.realm.own_actors)
    groups = {group.path: group.id for group in guarded.context.realm.read_groups().values()}
    assert body["groups"] == {groups["资格", "正式在编"]: "正式在编"}


def test_names_that_no_draft_takes(guarded: World) -> None:
    """Those that are issued, and the sealed accounts', of whatever number."""
    publish(guarded)
    assert in_force(guarded)["protect"]["user_names"] == ["break-glass-#", "sx#"]


def test_before_there_are_groups(world: World) -> None:
    """In an empty realm a qualification is a group that nobody can be in; once there is one, it is told."""
    install_guard(world.fake, world.settings.keys_directory)
    assert publish(world) is not None
    assert list(in_force(world)["groups"]) == ["no-group:permanent"]
    world.issue_and_sync()
    publish(world)
    assert "no-group:permanent" not in in_force(world)["groups"]


def _wipe(world: World) -> None:
    state_of(world).rules = None


def _forge(world: World) -> None:
    rules = state_of(world).rules
    assert rules is not None
    state_of(world).rules = replace(rules, signature=bytes(64))


def _new_role(world: World) -> None:
    role = next(iter(world.context.rules.composites))
    world.console.tamper_delete_role(role)
    world.console.tamper_role(role, composites=world.context.rules.composites[role])


def _new_key(world: World) -> None:
    (world.settings.keys_directory / PRIVATE).unlink()
    install_guard(world.fake, world.settings.keys_directory)


@pytest.mark.parametrize("change", [_wipe, _forge, _new_role, _new_key])
def test_published_again(guarded: World, change: Callable[[World], None]) -> None:
    """Rules that were wiped or forged, a role made anew, another key: the next number is published."""
    publish(guarded)
    change(guarded)
    again = publish(guarded)
    assert again is not None
    assert again.sequence == 2
    assert publish(guarded) is None


def test_a_restored_store_knows_less(guarded: World) -> None:
    """The number is above the guard's own, whatever the store remembers."""
    for _ in range(3):
        _wipe(guarded)
        publish(guarded)
    with guarded.context.database.transaction() as connection:
        connection.exec_driver_sql("delete from meta where key = 'rules_issued'")
    again = publish(guarded)
    assert again is not None
    assert again.sequence == 4


def test_nobody_is_read_whom_no_waiver_names(guarded: World) -> None:
    """Whether the guard has the rules of today is asked often, and concerns people by their waivers alone."""
    publish(guarded)
    live = read_live(guarded.context.realm)
    asked: list[tuple[str, Any]] = []

    def note(*seen: Any) -> None:
        asked.append((seen[2], seen[3]))

    event.listen(guarded.context.database.engine, "before_cursor_execute", note)
    try:
        assert publish_rules(guarded.context, live) is None
    finally:
        event.remove(guarded.context.database.engine, "before_cursor_execute", note)
    of_people = [(text, given) for text, given in asked if "FROM person" in text or "FROM claim" in text]
    assert of_people
    assert all("WHERE" in text and not given for text, given in of_people)


def test_an_answer_that_was_lost(guarded: World) -> None:
    """A number that the guard may have seen is never used for other rules."""
    lost = RuntimeError("lost")

    def lose(name: str) -> None:
        if name == "guard_publish":
            guarded.fake.after_call = None
            raise lost

    guarded.fake.after_call = lose
    with pytest.raises(RuntimeError):
        publish(guarded)
    again = publish(guarded)
    assert again is not None
    assert again.sequence == 2


def test_a_change_that_was_taken_back(guarded: World) -> None:
    """Rules that the guard took unseen do not stay when they become again what it had before."""
    context = guarded.context
    before = read_live(context.realm)
    name, role = next((name, role) for name, role in before.roles.items() if name in context.rules.duties)
    other = replace(role, id=KeycloakId("another"))
    publish_rules(context, before)

    def lose(name: str) -> None:
        if name == "guard_publish":
            guarded.fake.after_call = None
            raise RuntimeError

    guarded.fake.after_call = lose
    with pytest.raises(RuntimeError):
        publish_rules(context, replace(before, roles={**before.roles, name: other}))
    assert other.id in in_force(guarded)["duties"]
    again = publish_rules(context, before)
    assert again is not None
    assert again.sequence == 3
    assert other.id not in in_force(guarded)["duties"]


def test_a_failure_does_not_forget_that_it_was_there(guarded: World) -> None:
    """A guard that had our rules is still known to have had some when the next ones did not reach it."""
    first = publish(guarded)
    _new_role(guarded)
    state_of(guarded).public_keys = ()
    with pytest.raises(RealmRefusedError):
        publish(guarded)
    assert first is not None
    assert (read_issue(guarded.context).sequence, read_issue(guarded.context).digest) == (2, first.digest)


def test_refused(guarded: World) -> None:
    """A guard that does not know our key refuses, which is an error, and nothing counts as published."""
    state_of(guarded).public_keys = ()
    with pytest.raises(RealmRefusedError) as refused:
        publish(guarded)
    assert refused.value.status == 409
    assert read_issue(guarded.context).digest == ""
    assert state_of(guarded).rules is None


def test_what_is_missing_is_named(guarded: World) -> None:
    """Without the key, or a role of the pack, nothing is published."""
    key = guarded.settings.keys_directory / PRIVATE
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(ConfigurationError, match="quanheng-rules"):
        publish(guarded)
    key.touch(0o600)
    key.write_bytes(kept)
    guarded.console.tamper_delete_role(next(iter(guarded.context.rules.composites)))
    with pytest.raises(UnsealableRulesError, match="realm apply"):
        publish(guarded)


def test_a_copied_key_is_no_qualification(guarded: World) -> None:
    """Whoever copies our key into a group of their own does not make it the qualification's."""
    groups = guarded.context.realm.read_groups()
    ours = next(group for group in groups.values() if group.path == ("资格", "正式在编"))
    root = next(group for group in groups.values() if group.path == ("资格",))
    guarded.console.create_group(root.id, "假", ours.attributes, frozenset())
    found = qualification_groups(guarded.pack, guarded.context.realm.read_groups())
    assert list(found.values()) == [ours.id]


HANDLER, REVIEWER = RoleName("post-handler"), RoleName("post-reviewer")


def _swap(world: World) -> None:
    aside = world.console.tamper_rename_role(HANDLER, "aside")
    world.console.tamper_rename_role(REVIEWER, HANDLER)
    world.console.tamper_rename_role(aside, REVIEWER)


def test_names_that_were_swapped(guarded: World) -> None:
    """Rules by name would take the one duty for the other: not published, until the names are back."""
    publish(guarded)
    before = in_force(guarded)
    _swap(guarded)
    for _ in range(2):
        with pytest.raises(SwappedRolesError, match=r"'post-handler' is called 'post-reviewer'"):
            publish(guarded)
    assert in_force(guarded) == before
    _swap(guarded)
    assert publish(guarded) is None


def test_names_that_were_swapped_by_way_of_a_new_role(guarded: World) -> None:
    """Once the first name is another role's, and published, the old one is still known."""
    publish(guarded)
    aside = guarded.console.tamper_rename_role(HANDLER, "aside")
    guarded.console.tamper_role(HANDLER, composites=guarded.context.rules.composites[HANDLER])
    assert publish(guarded) is not None
    guarded.console.tamper_rename_role(REVIEWER, "away")
    guarded.console.tamper_rename_role(aside, REVIEWER)
    with pytest.raises(SwappedRolesError, match=r"'post-handler' is called 'post-reviewer'"):
        publish(guarded)


def test_rules_of_a_version_that_kept_no_ids(guarded: World) -> None:
    """What the guard has already is written down at the next look, without publishing it again."""
    publish(guarded)
    with guarded.context.database.transaction() as connection:
        connection.exec_driver_sql("delete from meta where key = 'rules_duties'")
    assert publish(guarded) is None
    _swap(guarded)
    with pytest.raises(SwappedRolesError):
        publish(guarded)
