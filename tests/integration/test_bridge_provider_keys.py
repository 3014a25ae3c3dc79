"""Keys that sign, on both databases: the first, the next, the last; and the file that opens them."""

from __future__ import annotations

import base64
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select, update

from fixtures.bridge_provider import SUBJECT, TOKEN_SECONDS, World, bridge_settings
from quanheng.bridge.provider.signing import AFTERWARDS, FRESH, LEAD, SigningKeys
from quanheng.errors import ConfigurationError
from quanheng.identity.wrapping import KEY_BYTES, WrappingKey
from quanheng.operations.bridge_keys import (
    initialise_bridge,
    list_signing_keys,
    open_signing_keys,
    rotate_signing_key,
)
from quanheng.store.bridge_grants import forget_expired
from quanheng.store.database import Database, open_database
from quanheng.store.tables import bridge_key

RACERS: Final = 6
KEPT: Final = timedelta(seconds=TOKEN_SECONDS) + AFTERWARDS
SECOND: Final = timedelta(seconds=1)

OTHER_PROCESS: Final = """
import sys
from datetime import timedelta
from pathlib import Path
from quanheng.bridge.provider.signing import SigningKeys
from quanheng.clock import system_clock
from quanheng.identity.wrapping import WrappingKey
from quanheng.store.database import open_database
url, key = sys.argv[1:]
with open_database(url, clock=system_clock) as database:
    wrapping = WrappingKey(bytes.fromhex(key))
    keys = SigningKeys(database, wrapping, system_clock, token_life=timedelta(minutes=2))
    print("ready", flush=True)
    sys.stdin.readline()
    print(keys.signer().kid, flush=True)
"""


@pytest.fixture
def world(database: Database) -> World:
    """A provider on either database."""
    return World(database)


@pytest.fixture
def fast_world(sqlite_database: Database) -> World:
    """A provider, where the database makes no difference."""
    return World(sqlite_database)


def kids(keys: SigningKeys) -> list[str]:
    """Names of the published keys."""
    return [key["kid"] for key in keys.published()]


def rows(world: World) -> int:
    """Keys in the store, published or not."""
    with world.database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(bridge_key)) or 0)


def signed_by(world: World) -> str:
    """The name of the key that signs now; the token is good by what is published."""
    token = world.tokens()["id_token"]
    assert world.decode(token)["sub"] == SUBJECT
    return str(jwt.get_unverified_header(token)["kid"])


def test_the_first_key_is_made_when_it_is_needed(world: World) -> None:
    """Whether it is asked for its name or to sign; and it is the only one."""
    assert kids(world.keys) == [world.keys.signer().kid]
    assert kids(world.process()) == kids(world.keys)
    assert rows(world) == 1


def test_threads_that_start_at_once_make_one_key(world: World) -> None:
    """Each with an object of its own, as processes have."""
    barrier = Barrier(RACERS)

    def start(_: int) -> str:
        keys = world.process()
        barrier.wait(30)
        return keys.signer().kid

    with ThreadPoolExecutor(RACERS) as pool:
        assert len(set(pool.map(start, range(RACERS)))) == 1
    assert rows(world) == 1


def test_processes_that_start_at_once_make_one_key(world: World, store_url: str) -> None:
    """Real ones, on the same store."""
    arguments = [sys.executable, "-c", OTHER_PROCESS, store_url, world.wrapping_key.hex()]
    started = [
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        told = [process.communicate("go\n", timeout=60)[0].strip() for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
    assert len(set(told)) == 1
    assert told[0]
    assert rows(world) == 1


def test_a_key_is_published_without_its_private_half(world: World) -> None:
    """What is published is what verifies, its use and algorithm, and the thumbprint for a name."""
    (key,) = world.keys.published()
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")


def test_the_next_key_is_published_before_it_signs(world: World) -> None:
    """Ten minutes, in which whoever keeps the key set reads it again; then the old one signs no more."""
    old = signed_by(world)
    new = world.keys.rotate().kid
    assert kids(world.keys) == [old, new]
    world.clock.now += LEAD - SECOND
    assert signed_by(world) == old
    world.clock.now += SECOND
    assert signed_by(world) == new
    assert kids(world.keys) == [old, new]


def test_an_old_key_is_published_as_long_as_something_of_it_counts(world: World) -> None:
    """The life of a token and an hour after its last signature; then it is removed from the store too."""
    old = signed_by(world)
    new = world.keys.rotate().kid
    world.clock.now += LEAD + KEPT - SECOND
    assert kids(world.process()) == [old, new]
    world.clock.now += SECOND
    assert kids(world.process()) == [new]
    assert rows(world) == 2
    with world.database.transaction() as connection:
        forget_expired(connection, world.clock())
    assert rows(world) == 1
    assert signed_by(world) == new


def test_another_process_sees_the_next_key_by_itself(world: World) -> None:
    """Without a restart, long before the key signs; it does not read the store for each token."""
    other = world.process()
    old = other.signer().kid
    new = world.keys.rotate().kid
    assert kids(other) == [old]
    world.clock.now += FRESH
    assert kids(other) == [old, new]
    assert FRESH < LEAD


def test_keys_that_follow_each_other_quickly_all_count_until_their_time(world: World) -> None:
    """Rotated twice within the lead: nobody signs with a key that is not published."""
    first = signed_by(world)
    second = world.keys.rotate().kid
    world.clock.forward(60)
    third = world.keys.rotate().kid
    seen = []
    for _ in range(100):
        seen.append(signed_by(world))
        world.clock.forward(60)
    assert sorted(set(seen), key=seen.index) == [first, second, third]
    assert kids(world.keys) == [third]


def test_a_key_that_is_not_trusted_any_longer_counts_no_more(world: World) -> None:
    """``--at-once``: the new one signs now, in other processes soon, and nothing else is published."""
    old = world.tokens()["id_token"]
    new = world.keys.rotate(at_once=True).kid
    assert kids(world.keys) == [new]
    assert world.keys.signer().kid == new
    world.clock.now += FRESH
    assert signed_by(world) == new
    with pytest.raises(ValueError, match="not enough values"):
        world.decode(old)


def test_at_once_ends_keys_that_were_to_go_anyway(world: World) -> None:
    """The old key still signs while the next one waits: it is the very one that is not trusted any longer."""
    old = signed_by(world)
    waiting = world.keys.rotate().kid
    world.clock.forward(60)
    new = world.keys.rotate(at_once=True).kid
    assert kids(world.keys) == [new]
    world.clock.now += LEAD + SECOND
    assert signed_by(world) == new
    assert not {old, waiting} & set(kids(world.process()))


def test_the_first_key_of_a_rotation_signs_at_once(world: World) -> None:
    """Where there is none before it, nobody has to wait for it, and it is not replaced."""
    new = world.keys.rotate().kid
    assert signed_by(world) == new
    assert rows(world) == 1


def test_processes_whose_clocks_differ_agree_on_a_key(world: World) -> None:
    """Whose clock is behind does not make another because the first is not to sign yet."""
    kid = world.keys.signer().kid
    world.clock.forward(-5)
    assert world.process().signer().kid == kid
    assert rows(world) == 1


def test_a_clock_that_was_set_back_reads_the_keys_again(world: World) -> None:
    """Else a rotation would not be seen for hours."""
    old = world.keys.signer().kid
    world.clock.forward(-7200)
    other = world.process()
    other.rotate(at_once=True)
    assert kids(world.keys) != [old]


def test_many_threads_sign_while_the_key_changes(fast_world: World) -> None:
    """Each gets a key, whichever it is."""
    fast_world.keys.signer()
    fast_world.keys.rotate()
    barrier = Barrier(RACERS + 1)

    def sign(_: int) -> set[str]:
        barrier.wait(30)
        return {fast_world.keys.signer().kid for _ in range(300)}

    with ThreadPoolExecutor(RACERS) as pool:
        running = [pool.submit(sign, number) for number in range(RACERS)]
        barrier.wait(30)
        for _ in range(40):
            fast_world.clock.now += LEAD if fast_world.clock.now.minute % 2 else -LEAD
            time.sleep(0.001)
        signed = set().union(*(one.result() for one in running))
    assert signed <= set(kids(fast_world.keys))


def test_a_key_is_wrapped_in_the_file_of_the_bridge(world: World) -> None:
    """With another file it does not open, and the operator is told what to do."""
    world.keys.signer()
    with pytest.raises(ConfigurationError, match="another key") as caught:
        world.process(b"x" * KEY_BYTES).signer()
    assert "rotate --at-once" in caught.value.remedy
    assert len(kids(world.process(b"x" * KEY_BYTES))) == 1


def test_a_lost_file_is_followed_by_a_new_key(world: World) -> None:
    """As the remedy says: the new file wraps a new key, and the old one is gone."""
    old = world.keys.signer().kid
    new = world.process(b"x" * KEY_BYTES)
    new.rotate(at_once=True)
    assert new.signer().kid != old
    assert kids(new) == [new.signer().kid]


@pytest.mark.parametrize("change", ["flipped", "cut", "empty", "moved"])
def test_a_key_that_was_tampered_with_does_not_open(world: World, change: str) -> None:
    """Nor does the private half of another key under this one's name."""
    kid = world.keys.signer().kid
    with world.database.transaction() as connection:
        wrapped = connection.scalars(select(bridge_key.c.private_wrapped)).one()
        made: dict[str, bytes] = {
            "flipped": wrapped[:20] + bytes([wrapped[20] ^ 1]) + wrapped[21:],
            "cut": wrapped[:-1],
            "empty": b"",
            "moved": WrappingKey(world.wrapping_key).wrap(b"x" * 138, context="bridge_key.private:other"),
        }
        connection.execute(
            update(bridge_key).where(bridge_key.c.kid == kid).values(private_wrapped=made[change])
        )
    with pytest.raises(ConfigurationError):
        world.process().signer()


def test_nothing_of_a_private_key_is_shown(world: World) -> None:
    """In no representation of what has it."""
    signer = world.keys.signer()
    private = signer.private.private_numbers().private_value
    shown = repr(signer) + repr(world.keys) + repr(world.keys.rotate())
    assert str(private) not in shown
    assert base64.b64encode(private.to_bytes(32)).decode() not in shown
    assert "private_wrapped" not in shown


def table(tmp_path: Path) -> Any:
    """Settings whose key file is not there yet."""
    return bridge_settings(key_file=str(tmp_path / "bridge" / "bridge.key"))


def test_a_bridge_begins_with_a_file_and_a_key(fast_world: World, tmp_path: Path) -> None:
    """The file is its owner's alone and never overwritten; the key signs at once."""
    settings = table(tmp_path)
    file = initialise_bridge(settings, fast_world.database, fast_world.clock)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_text()
    assert len(bytes.fromhex(content)) == KEY_BYTES
    keys = open_signing_keys(settings, fast_world.database, fast_world.clock)
    assert [key.kid for key in list_signing_keys(fast_world.database, fast_world.clock)] == [
        keys.signer().kid
    ]
    with pytest.raises(ConfigurationError, match="already"):
        initialise_bridge(settings, fast_world.database, fast_world.clock)
    assert file.read_text() == content


def test_a_bridge_whose_file_was_lost_begins_again(fast_world: World, tmp_path: Path) -> None:
    """'bridge init' with another file puts another key in the place of the one that nobody can open."""
    settings = table(tmp_path)
    old = initialise_bridge(settings, fast_world.database, fast_world.clock)
    lost = open_signing_keys(settings, fast_world.database, fast_world.clock).signer().kid
    old.rename(old.with_suffix(".old"))
    initialise_bridge(settings, fast_world.database, fast_world.clock)
    found = list_signing_keys(fast_world.database, fast_world.clock)
    assert [key.kid for key in found] != [lost]
    assert open_signing_keys(settings, fast_world.database, fast_world.clock).signer().kid == found[-1].kid


def test_rotation_by_command_is_listed(fast_world: World, tmp_path: Path) -> None:
    """The one that signs last is at the end; ``at_once`` leaves one."""
    settings = table(tmp_path)
    initialise_bridge(settings, fast_world.database, fast_world.clock)
    new = rotate_signing_key(settings, fast_world.database, fast_world.clock)
    found = list_signing_keys(fast_world.database, fast_world.clock)
    assert [key.kid == new.kid for key in found] == [False, True]
    assert found[0].published_until == fast_world.clock() + LEAD + KEPT
    assert (found[1].signs_from, found[1].published_until) == (fast_world.clock() + LEAD, None)
    newest = rotate_signing_key(settings, fast_world.database, fast_world.clock, at_once=True)
    assert [key.kid for key in list_signing_keys(fast_world.database, fast_world.clock)] == [newest.kid]


@pytest.mark.parametrize("content", ["", "xyz", "00" * 15, "00" * 17, "0" * 31])
def test_a_file_that_is_no_key_is_refused(fast_world: World, tmp_path: Path, content: str) -> None:
    """By the command and by the server, with a remedy, and without showing what it holds."""
    settings = table(tmp_path)
    settings.key_file.parent.mkdir()
    settings.key_file.write_text(content + "\n")
    settings.key_file.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        open_signing_keys(settings, fast_world.database, fast_world.clock)
    assert caught.value.remedy
    assert not content or content not in str(caught.value)


def test_a_file_that_others_may_read_is_refused(fast_world: World, tmp_path: Path) -> None:
    """What it holds may be known."""
    settings = table(tmp_path)
    initialise_bridge(settings, fast_world.database, fast_world.clock).chmod(0o640)
    with pytest.raises(ConfigurationError, match="0640"):
        open_signing_keys(settings, fast_world.database, fast_world.clock)


def test_a_missing_file_is_told_with_its_command(fast_world: World, tmp_path: Path) -> None:
    """And none is made by the way: the store may have keys of another."""
    settings = table(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        open_signing_keys(settings, fast_world.database, fast_world.clock)
    assert "quanheng bridge init" in caught.value.remedy
    assert not settings.key_file.exists()


def test_a_wrapped_value_is_never_the_same_twice() -> None:
    """Each has a nonce of its own, and opens for its own purpose alone."""
    key = WrappingKey(b"k" * KEY_BYTES)
    one, two = (key.wrap(b"secret", context="a") for _ in range(2))
    assert one != two
    assert key.unwrap(one, context="a") == key.unwrap(two, context="a") == b"secret"
    assert key.unwrap(one, context="b") is None
    assert WrappingKey(b"l" * KEY_BYTES).unwrap(one, context="a") is None


def test_a_rotation_is_seen_over_another_connection(world: World, store_url: str) -> None:
    """As a command sees to it while servers run."""
    signer = world.keys.signer().kid
    with open_database(store_url, clock=world.clock) as there:
        new = world.process(database=there).rotate()
    world.clock.now += LEAD
    assert isinstance(world.keys.signer().private, ec.EllipticCurvePrivateKey)
    assert world.keys.signer().kid == new.kid != signer
