"""Names from Keycloak reach the ledger and notices without anybody's number."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from fixtures.identities import a_mint
from fixtures.watching import foreigner
from fixtures.world import VILLAGE, World
from quanheng.store.notices import put_notice
from quanheng.store.tables import notice

OPERATOR = "/岗位/140902-忻府区/业务操作员"


def test_a_foreign_user_called_by_a_number(world: World) -> None:
    """Old accounts are called by ID numbers and phones: taken out of our group, none of that is in the
    ledger for good, and its id still tells which account it was. A name that is no number stays."""
    mint = a_mint()
    world.hire(VILLAGE)
    world.issue_and_sync()
    names = [mint.resident_number(), f"wx{mint.phone()}", "old_account"]
    users = [foreigner(world, name.lower()) for name in names]
    for user in users:
        world.console.join_group(user, world.group(OPERATOR).id)
    world.sync()
    bodies = [entry.body for entry in world.ledger("revoke")]
    assert [sum(user in body for body in bodies) for user in users] == [1, 1, 1]
    told = "".join(entry.body for entry in world.ledger())
    assert names[0].lower() not in told
    assert names[1] not in told
    assert "old_account" in told
    world.verify_ledger()


def test_a_notice_holds_no_number(world: World) -> None:
    """What waits to be delivered is cleaned before it is stored, not only where it is sent."""
    number = a_mint().resident_number()
    facts: dict[str, Any] = {"reason": f"账号 {number}", "actors": [number], "count": 2}
    with world.context.database.transaction() as connection:
        put_notice(connection, ["file"], "veto", facts, world.clock())
        stored = connection.scalar(select(notice.c.facts))
    assert stored == {"reason": "账号 ***", "actors": ["***"], "count": 2}
