"""``quanheng watch``, typed beside another process that writes."""

from __future__ import annotations

from fixtures.command_line import Desk
from quanheng.config import read_settings
from quanheng.operations.carrying_out import hold_lease
from quanheng.operations.context import Context


def test_a_watch_that_could_do_nothing_does_not_say_that_all_is_well(ready_desk: Desk) -> None:
    """While somebody else has the lease: exit 6, and nothing is undone. After that: undone, exit 0."""
    file = ready_desk.folder / "quanheng.toml"
    file.write_text(file.read_text(encoding="utf-8") + "[watch]\nseconds = 0.01\n", encoding="utf-8")
    ready_desk.ask("sync")
    ready_desk.ask("watch")
    realm = ready_desk.realm
    assert realm is not None
    console = realm.as_actor("somebody")
    user = next(user for user in console.sweep_users() if user.attributes.get("person_id"))
    console.add_roles(user.id, frozenset({console.tamper_role("foreign")}))
    given = console.read_user(user.id)
    with Context(read_settings(file), make_realm=lambda _settings: realm) as other, hold_lease(other):
        looks = realm.calls["read_admin_events"]
        done = ready_desk.type("watch", "--format", "json")
        assert done.code == 6
        assert done.report["error"]["kind"] == "LeaseHeldError"
        assert console.read_user(user.id) == given
        assert realm.calls["read_admin_events"] - looks == 5
    assert ready_desk.ask("watch")["changes"] == 1
    assert console.read_user(user.id) == user
