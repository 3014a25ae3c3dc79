"""Where a request comes from, and how often it may come."""

from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection

from quanheng.bridge.login.address import UNKNOWN, AddressReader, subscriber
from quanheng.bridge.login.limits import Limits, Window
from quanheng.bridge.settings import LimitSettings

PROXIES = ("10.0.0.0/24", "fd00::/8")


def connection(peer: str | None, *forwarded: str) -> HTTPConnection:
    """A request as the server hands it on."""
    return HTTPConnection(
        {
            "type": "http",
            "client": None if peer is None else (peer, 1),
            "headers": [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded],
        }
    )


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7\x00"], "10.0.0.1"),
        ("10.0.0.1", ["<script>, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7, 10.0.0.2, nonsense"], "10.0.0.1"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("testclient", ["198.51.100.7"], UNKNOWN),
        (None, ["198.51.100.7"], UNKNOWN),
    ],
)
def test_only_what_a_trusted_proxy_wrote_counts(peer: str | None, forwarded: list[str], address: str) -> None:
    """The first address from the right that is no trusted proxy's; with garbage before it the peer's own."""
    assert AddressReader(PROXIES).read(connection(peer, *forwarded)) == address


def test_addresses_of_one_subscriber_are_one() -> None:
    """Of IPv6 the /64 counts, of IPv4 each address."""
    assert subscriber("2001:db8::1") == subscriber("2001:db8::ffff:2") == "2001:db8::/64"
    assert subscriber("2001:db8:0:1::1") != subscriber("2001:db8::1")
    assert subscriber("192.0.2.1") == "192.0.2.1"


class Hands:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def test_a_window_lets_as_many_in_as_its_limit() -> None:
    """One more is told to wait, is not counted, and may come when it has waited so long."""
    hands = Hands()
    window = Window(3, 60, hands)

    assert [window.hit("a") for _ in range(3)] == [0, 0, 0]
    wait = window.hit("a")
    assert wait > 0
    assert window.hit("b") == 0
    hands.now += wait * 0.9
    assert window.hit("a") > 0
    hands.now += wait * 0.1 + 0.01
    assert window.hit("a") == 0


@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize("step", [0.5, 7.3, 19.0])
def test_no_minute_has_many_more_than_the_limit(limit: int, step: float) -> None:
    """However the requests fall, also around the turn of a window, and some always get in."""
    hands = Hands()
    window = Window(limit, 60, hands)
    taken: list[float] = []
    for _ in range(600):
        if not window.hit("a"):
            taken.append(hands.now)
        hands.now += step

    assert all(
        sum(1 for other in taken if start <= other < start + 60) <= 2 * limit - (limit > 1) for start in taken
    )
    assert len(taken) >= min(600, limit * 600 * step / 60 / 2) // 1


def test_a_window_forgets_who_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Very many addresses do not fill the memory."""
    monkeypatch.setattr("quanheng.bridge.login.limits._KEYS", 10)
    hands = Hands()
    window = Window(1, 60, hands)
    for number in range(100):
        assert window.hit(str(number)) == 0
    assert len(window._slots) <= 10
    hands.now += 200
    for number in range(9):
        window.hit(f"later {number}")
    assert len(window._slots) <= 10


def test_logins_are_limited_for_each_address_and_for_all() -> None:
    """A neighbour in the same IPv6 network counts as the same; others have the rest of all."""
    hands = Hands()
    limits = Limits(LimitSettings(logins_per_minute=2, logins_per_minute_in_all=3), hands)

    assert limits.new_login("2001:db8::1") == 0
    assert limits.new_login("2001:db8::2") == 0
    assert limits.new_login("2001:db8::3") >= 1
    assert limits.new_login("192.0.2.1") == 0
    assert limits.new_login("192.0.2.2") >= 1


def test_streams_are_given_back() -> None:
    """So many pages of one address are told at once, and no more."""
    limits = Limits(LimitSettings(streams_per_address=2))

    assert limits.open_stream("192.0.2.1")
    assert limits.open_stream("192.0.2.1")
    assert not limits.open_stream("192.0.2.1")
    assert limits.open_stream("192.0.2.2")
    limits.close_stream("192.0.2.1")
    assert limits.open_stream("192.0.2.1")
    for _ in range(2):
        limits.close_stream("192.0.2.1")
    limits.close_stream("192.0.2.2")
    assert not limits._streams
