"""What a browser asks of the bridge: the way of a login, on a real server and both databases."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deploy.local.ports import free_port

from fixtures.bridge_login import (
    CODE_SECONDS,
    RunningBridge,
    Surfer,
    World,
    answer_of,
    code_on,
    login_of,
    new_world,
    onward_of,
    running_bridge,
    start_bridge,
    wait_until,
)
from quanheng.bridge.card.port import PlatformAnswerError, PlatformUnavailableError
from quanheng.bridge.login.waiting import Notice
from quanheng.bridge.login.words import ZH
from quanheng.bridge.values import LoginState, Refusal, RefusalReason

DOWN = PlatformUnavailableError("down")


@pytest.fixture
def world(store_url: str, tmp_path: Path) -> Iterator[World]:
    """People and cards; a store on both databases."""
    with new_world(store_url, tmp_path) as made:
        yield made


@pytest.fixture
def bridge(world: World) -> Iterator[RunningBridge]:
    """A bridge."""
    with running_bridge(world) as running:
        yield running


@pytest.fixture
def surfer(bridge: RunningBridge) -> Surfer:
    """A browser that has begun a login, and looked at the page."""
    made = Surfer(bridge)
    assert made.begin(state="the-state").status_code == 303
    assert made.page().status_code == 200
    return made


def test_a_login_goes_its_way(bridge: RunningBridge, surfer: Surfer) -> None:
    """Waiting, scanned, confirmed; then the code for the client, and one record without a number."""
    world = bridge.world
    assert surfer.state() == "waiting"
    world.platform.scan(code_on(world))
    surfer.wait_for("scanned")
    assert not world.records
    world.platform.confirm(code_on(world), world.card())
    surfer.wait_for("accepted")
    page = surfer.page()
    assert page.status_code == 303
    assert page.headers["Location"] == f"{world.issuer}/scan/{surfer.login}/finish"
    answer = answer_of(surfer.finish())

    assert answer["state"] == "the-state"
    assert answer["iss"] == world.issuer
    assert len(answer["code"]) == 43
    (record,) = world.records
    assert (record.outcome, record.login, record.address) == ("accepted", surfer.login, "127.0.0.1")
    assert (record.client_id, record.browser, record.region) == ("subsystem", "Chrome · Windows", "140900")


def test_after_the_end_there_is_no_second_code(bridge: RunningBridge, surfer: Surfer) -> None:
    """Back button, second tab, and the finish itself again: the page says that the login is finished."""
    world = bridge.world
    world.platform.confirm(code_on(world), world.card())
    surfer.wait_for("accepted")
    answer_of(surfer.finish())

    assert surfer.finish().headers["Location"] == f"{world.issuer}/scan/{surfer.login}"
    assert ZH.states[LoginState.DONE] in surfer.page().text
    assert surfer.state() == "done"
    assert len(world.records) == 1


def test_of_many_finishes_at_once_one_gets_the_code(bridge: RunningBridge, surfer: Surfer) -> None:
    """All others are sent to the page."""
    world = bridge.world
    world.platform.confirm(code_on(world), world.card())
    surfer.wait_for("accepted")
    barrier = threading.Barrier(6)

    def finish(_number: int) -> str:
        other = Surfer(bridge)
        other.cookies.update(surfer.cookies)
        other.login = surfer.login
        barrier.wait()
        return str(other.finish().headers["Location"])

    with ThreadPoolExecutor(6) as pool:
        locations = list(pool.map(finish, range(6)))
    assert sum("code=" in location for location in locations) == 1
    assert sum(location.endswith(f"/scan/{surfer.login}") for location in locations) == 5


def test_pages_are_told_of_every_change(bridge: RunningBridge, surfer: Surfer) -> None:
    """Two tabs of one login share what is asked of the platform."""
    world = bridge.world
    told: list[list[str]] = [[], []]

    def listen(number: int) -> None:
        for news in surfer.events():
            told[number].append(news["state"])
            if news["state"] == "accepted":
                return

    threads = [threading.Thread(target=listen, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(told))
    world.platform.scan(code_on(world))
    wait_until(lambda: all("scanned" in each for each in told))
    world.platform.confirm(code_on(world), world.card())
    for thread in threads:
        thread.join(15)
    assert told == [["waiting", "scanned", "accepted"]] * 2
    assert len(world.platform.codes) == 1


@pytest.mark.parametrize(
    ("refusal", "usable", "outcome"),
    [
        (Refusal(reason=RefusalReason.UNKNOWN), True, "unknown"),
        (Refusal(reason=RefusalReason.FROZEN, office="忻府区"), True, "frozen"),
        (None, False, "card_lost"),
    ],
)
def test_a_card_that_may_not_is_refused(
    bridge: RunningBridge, surfer: Surfer, refusal: Refusal | None, usable: bool, outcome: str
) -> None:
    """With the reason and whom to ask; there is nothing to fetch, and no name or number is told."""
    world = bridge.world
    world.platform.confirm(code_on(world), world.card(refusal, usable=usable))
    surfer.wait_for("refused")
    page = surfer.page().text

    assert ZH.refusals[RefusalReason(outcome)] in page
    assert ZH.ask_office.format(office="忻府区") in page or outcome != "frozen"
    assert "code=" not in surfer.finish().headers["Location"]
    assert [record.outcome for record in world.records] == [outcome]
    assert not any(text in page for text in world.secret_texts)
    onward = onward_of(surfer.submit("cancel"))
    assert "error=access_denied" in onward
    assert "code=" not in onward


def test_cancelled_on_the_phone(bridge: RunningBridge, surfer: Surfer) -> None:
    """It is told, and noted once; a new code is a click away."""
    world = bridge.world
    world.platform.cancel(code_on(world))
    surfer.wait_for("cancelled")
    assert [record.outcome for record in world.records] == ["cancelled"]
    first = surfer.login
    surfer.login = login_of(surfer.submit("refresh"))
    assert surfer.login != first
    assert surfer.page().status_code == 200
    assert surfer.state() == "waiting"


def test_our_own_clock_ends_a_code(bridge: RunningBridge, surfer: Surfer) -> None:
    """Although the platform would still say that it was confirmed."""
    world = bridge.world
    code = code_on(world)
    world.clock.forward(CODE_SECONDS)
    world.platform.confirm(code, world.card())
    surfer.wait_for("expired")
    assert "code=" not in surfer.finish().headers["Location"]
    assert not world.records


def test_a_code_ends_when_nobody_of_this_process_looked(bridge: RunningBridge, surfer: Surfer) -> None:
    """A laptop that was closed: the page says so at once when it is opened."""
    world = bridge.world
    room = bridge.app.state.room
    wait_until(lambda: bridge.on_loop(lambda: len(room)) == 0)
    asked = world.platform.asked
    world.clock.forward(CODE_SECONDS + 1)
    assert ZH.states[LoginState.EXPIRED] in surfer.page().text
    assert world.platform.asked == asked


def test_nobody_looks_nobody_asks(bridge: RunningBridge, surfer: Surfer) -> None:
    """The platform is asked about a code only while a page waits for it."""
    room = bridge.app.state.room
    wait_until(lambda: bridge.on_loop(lambda: len(room)) == 0)
    asked = bridge.world.platform.asked
    threading.Event().wait(1.5)
    assert bridge.world.platform.asked == asked
    assert surfer.state() == "waiting"
    wait_until(lambda: bridge.world.platform.asked > asked)


def test_new_codes_are_a_click_and_have_an_end(world: World) -> None:
    """Each is a login of its own with another secret; the one before is over, also for the phone."""
    with running_bridge(world, limits={"refreshes": 2}) as bridge:
        surfer = Surfer(bridge)
        surfer.begin()
        seen = []
        for _ in range(2):
            assert surfer.page().status_code == 200
            seen.append((surfer.login, surfer.cookie(), code_on(world)))
            answer = surfer.submit("refresh")
            old, surfer.login = surfer.login, login_of(answer)
            assert surfer.page(old).status_code == 404
        assert len({part for each in seen for part in each}) == 6
        assert surfer.page().status_code == 200
        world.platform.confirm(seen[0][2], world.card())
        assert "/refresh" not in surfer.page().text
        refused = surfer.submit("refresh")
        assert login_of(refused) == surfer.login
        assert surfer.state() == "waiting"
        assert not world.records


def test_cancelling_tells_the_client(bridge: RunningBridge, surfer: Surfer) -> None:
    """By a page that goes there by itself; the code is over."""
    world = bridge.world
    onward = onward_of(surfer.submit("cancel"))
    assert "error=access_denied" in onward
    assert "state=the-state" in onward
    world.platform.confirm(code_on(world), world.card())
    threading.Event().wait(1.2)
    assert surfer.state() == "cancelled"
    assert not world.records


def test_a_platform_that_is_down_is_told_and_not_hammered(world: World) -> None:
    """However often pages are loaded; it recovers by itself."""
    world.platform.fail_with(DOWN)
    with running_bridge(world) as bridge:
        surfer = Surfer(bridge)
        surfer.begin()
        for _ in range(20):
            surfer.page()
        assert ZH.notices[Notice.UNAVAILABLE] in surfer.page().text
        assert world.platform.made <= 3
        world.platform.fail_with(None)
        surfer.wait_for("waiting")
        world.platform.fail_with(DOWN)
        wait_until(lambda: surfer.get(f"/scan/{surfer.login}/state").json()["notice"] == "unavailable")
        assert surfer.state() == "waiting"
        world.platform.fail_with(None)
        wait_until(lambda: surfer.get(f"/scan/{surfer.login}/state").json()["notice"] == "")


def test_a_platform_that_hangs_is_told_in_time(world: World) -> None:
    """A page says within five seconds that nothing is to be heard."""
    with running_bridge(world) as bridge:
        surfer = Surfer(bridge)
        surfer.begin()
        world.platform.hang()
        surfer.page()
        wait_until(
            lambda: surfer.get(f"/scan/{surfer.login}/state").json()["notice"] == "unavailable", seconds=5
        )
        world.platform.hang(False)
        surfer.wait_for("waiting")


def test_an_answer_that_is_not_believed_changes_nothing(bridge: RunningBridge, surfer: Surfer) -> None:
    """It is told, and asked again."""
    world = bridge.world
    world.platform.fail_with(PlatformAnswerError("signature"))
    wait_until(lambda: surfer.get(f"/scan/{surfer.login}/state").json()["notice"] == "unusable")
    world.platform.fail_with(None)
    world.platform.confirm(code_on(world), world.card())
    surfer.wait_for("accepted")


def test_a_confirmation_without_a_card_is_refused(bridge: RunningBridge, surfer: Surfer) -> None:
    """The second deployed mistake: an empty number is nobody."""
    world = bridge.world
    world.platform.confirm(code_on(world), None)
    surfer.wait_for("refused")
    assert [record.outcome for record in world.records] == ["answer"]
    assert ZH.refusals[RefusalReason.ANSWER] in surfer.page().text


def test_a_restart_between_scan_and_confirmation(world: World) -> None:
    """The next process goes on from the store."""
    first = start_bridge(world)
    surfer = Surfer(first)
    surfer.begin()
    surfer.page()
    world.platform.scan(code_on(world))
    surfer.wait_for("scanned")
    first.stop()
    with running_bridge(world):
        assert surfer.state() == "scanned"
        world.platform.confirm(code_on(world), world.card())
        surfer.wait_for("accepted")
        answer_of(surfer.finish())
    assert len(world.records) == 1


def test_two_processes_share_a_login(world: World) -> None:
    """A page that listens at one is told of what another has done; only one of them ends it."""
    with running_bridge(world) as first, running_bridge(world, port=free_port()) as second:
        surfer = Surfer(first)
        surfer.begin()
        surfer.page()
        other = Surfer(second)
        other.cookies.update(surfer.cookies)
        other.login = surfer.login
        assert other.page().status_code == 200
        assert len(world.platform.codes) == 1
        world.platform.confirm(code_on(world), world.card())
        surfer.wait_for("accepted")
        other.wait_for("accepted")
        assert len(world.records) == 1
        answers = [surfer.finish(), other.finish()]
        assert sum("code=" in answer.headers["Location"] for answer in answers) == 1
        wait_until(lambda: surfer.state() == other.state() == "done")


def test_stopping_sends_waiting_pages_away_at_once(world: World) -> None:
    """Nobody has to wait for a page that waits."""
    running = start_bridge(world)
    surfer = Surfer(running)
    surfer.begin()
    surfer.page()
    events = surfer.events()
    assert next(events)["state"] == "waiting"
    running.stop()
    assert list(events) == []


def test_a_whole_login_ends(bridge: RunningBridge, surfer: Surfer) -> None:
    """After ten minutes there are no more codes: it has to begin again at the subsystem."""
    bridge.world.clock.forward(601)
    page = surfer.page().text
    assert ZH.over in page
    assert "/refresh" not in page
    assert "error=access_denied" in onward_of(surfer.submit("cancel"))


def test_pages_without_a_login(bridge: RunningBridge) -> None:
    """Logged out, an unusable request, a wrong address: each says what to do."""
    surfer = Surfer(bridge)
    assert ZH.goodbye in surfer.get("/logout").text
    unusable = surfer.begin(redirect_uri="https://elsewhere.example.gov.cn/")
    assert unusable.status_code == 400
    assert ZH.unusable in unusable.text
    assert surfer.get("/nothing").status_code == 404
    assert surfer.get("/scan/%00").status_code == 404
    assert re.search(r'lang="en"', surfer.get("/nothing", headers={"Accept-Language": "en-GB"}).text)
    assert surfer.get("/").status_code == 200
    assert surfer.get("/healthz").text == "ok\n"
