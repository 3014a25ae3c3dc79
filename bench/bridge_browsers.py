"""Browsers of :mod:`bench.bridge`, many at once: lean, since they share the machine with what is measured."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import itertools
import re
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from random import Random
from typing import Final
from urllib.parse import parse_qs, unquote, urlencode, urljoin, urlsplit

import aiohttp

from bench.bridge_stage import APP_LINK, CALLBACK, CARD, Stage

_PHONE: Final = "Mozilla/5.0 (Linux; Android 14; K) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"
_LINK: Final = re.compile(re.escape(html.escape(APP_LINK.partition("{")[0])) + r'([^"]+)"')
_ASSET: Final = re.compile(r'(?:href|src)="(/static/[^"]+)"')
_FORM: Final = re.compile(r'id="kc-form-login"[^>]*action="([^"]+)"')
_HOPS: Final = 20
_OPENED_AT_ONCE: Final = 32
_SCANNED_BEFORE: Final = 3.0
"""Seconds between scanning and confirming: somebody reads what the phone says."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=120)


class LoginFailedError(Exception):
    """A login of the bench did not come to its end."""


def _pkce() -> tuple[str, str]:
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _request(stage: Stage, challenge: str) -> str:
    """An authentication request as Keycloak makes it, straight to the bridge."""
    parameters = {
        "client_id": CARD,
        "redirect_uri": stage.broker_uri,
        "response_type": "code",
        "scope": "openid",
        "state": secrets.token_urlsafe(16),
        "nonce": secrets.token_urlsafe(16),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{stage.bridge_url}/authorize?{urlencode(parameters)}"


@dataclass
class Browser:
    """Cookies by host and port, and requests that follow no redirect by themselves."""

    session: aiohttp.ClientSession
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    agent: str = "bench"

    def headers(self, url: str) -> dict[str, str]:
        """What it sends along."""
        kept = self.cookies.get(urlsplit(url).netloc, {})
        return {"User-Agent": self.agent, "Cookie": "; ".join(f"{n}={v}" for n, v in kept.items())}

    async def send(self, method: str, url: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Status, address to go on to, and text."""
        async with self.session.request(
            method, url, data=form, headers=self.headers(url), allow_redirects=False
        ) as answer:
            kept = self.cookies.setdefault(urlsplit(url).netloc, {})
            for line in answer.headers.getall("Set-Cookie", []):
                for name, morsel in SimpleCookie(line).items():
                    kept[name] = morsel.value
            return answer.status, answer.headers.get("Location", ""), await answer.text()

    async def follow(self, url: str, until: Callable[[str], bool]) -> tuple[str, str]:
        """Follow redirects up to an address of that kind, which is not opened, or to a page."""
        for _ in range(_HOPS):
            if until(url):
                return url, ""
            status, target, text = await self.send("GET", url)
            if not target:
                if status >= 400:
                    raise LoginFailedError(f"{status} at {urlsplit(url).path}")
                return url, text
            url = urljoin(url, target)
        raise LoginFailedError("redirected without end")


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(), timeout=_TIMEOUT
    )


async def page_bytes(stage: Stage) -> int:
    """What a browser loads for the page: page, QR code, style, script."""
    async with _session() as session:
        browser = Browser(session)
        _, text = await browser.follow(_request(stage, _pkce()[1]), lambda _: False)
        assets = [(await browser.send("GET", stage.bridge_url + path))[2] for path in _ASSET.findall(text)]
        return sum(len(part.encode()) for part in (text, *assets))


@dataclass
class _Page:
    browser: Browser
    address: str
    code: str
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class WaitingPages:
    """Pages that wait for server-sent events."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._session = _session()
        self._pages: list[_Page] = []

    async def open(self, count: int) -> None:
        """Open so many more."""
        room = asyncio.Semaphore(_OPENED_AT_ONCE)

        async def one() -> None:
            async with room:
                self._pages.append(await self._open_one())

        await asyncio.gather(*(one() for _ in range(count)))

    async def confirm(self, count: int, rate: float) -> Sequence[float]:
        """Have so many of them log in; seconds from each confirmation to the redirect with the code."""
        chosen = Random(1).sample(self._pages, count)  # noqa: S311 -- a draw
        people = itertools.cycle(self._stage.people)

        async def one(page: _Page, after: float) -> float:
            await asyncio.sleep(after)
            await self._phone("scan", page, next(people))
            await asyncio.sleep(_SCANNED_BEFORE)
            began = time.perf_counter()
            await self._phone("confirm", page)
            await asyncio.wait_for(page.accepted.wait(), 60)
            _, target, _ = await page.browser.send("GET", f"{page.address}/finish")
            if "code=" not in target:
                raise LoginFailedError("no code came")
            return time.perf_counter() - began

        return await asyncio.gather(*(one(page, place / rate) for place, page in enumerate(chosen)))

    async def close(self) -> None:
        """All of them are closed."""
        for page in self._pages:
            if page.task is not None:
                page.task.cancel()
        await asyncio.gather(*(page.task for page in self._pages if page.task), return_exceptions=True)
        await self._session.close()

    async def _open_one(self) -> _Page:
        browser = Browser(self._session, agent=_PHONE)
        address, text = await browser.follow(_request(self._stage, _pkce()[1]), lambda _: False)
        deadline = time.perf_counter() + 60
        while (found := _LINK.search(text)) is None:
            if time.perf_counter() > deadline:
                raise LoginFailedError("no code on the page")
            await asyncio.sleep(0.5)
            _, _, text = await browser.send("GET", address)
        page = _Page(browser, address.partition("?")[0], unquote(html.unescape(found[1])))
        opened = asyncio.Event()
        page.task = asyncio.create_task(self._listen(page, opened))
        await asyncio.wait_for(opened.wait(), 60)
        return page

    async def _listen(self, page: _Page, opened: asyncio.Event) -> None:
        await _wait_until_accepted(page.browser, page.address, opened)
        page.accepted.set()

    async def _phone(self, what: str, page: _Page, person: str = "") -> None:
        body = {"code": page.code, **({"person": person} if person else {})}
        async with self._session.post(f"{self._stage.simulator_url}/control/{what}", json=body) as answer:
            answer.raise_for_status()


async def _wait_until_accepted(browser: Browser, address: str, opened: asyncio.Event | None = None) -> None:
    """Listen to the page's events, as its script does."""
    url = f"{address}/events"
    timeout = aiohttp.ClientTimeout(total=None)
    async with browser.session.get(url, headers=browser.headers(url), timeout=timeout) as stream:
        stream.raise_for_status()
        if opened is not None:
            opened.set()
        async for line in stream.content:
            if b'"accepted"' in line:
                return
            if b'"refused"' in line:
                raise LoginFailedError("the card was refused")
    raise LoginFailedError("the stream ended")


async def _run(one: Callable[[], Awaitable[None]], count: int, at_once: int) -> int:
    left = itertools.count()

    async def worker() -> None:
        while next(left) < count:
            await one()

    await asyncio.gather(*(worker() for _ in range(at_once)))
    return count


class CardLogins:
    """Whole logins by card, while everybody confirms at once; ``realm_url`` None: to the bridge's code."""

    def __init__(self, stage: Stage, realm_url: str | None) -> None:
        self._stage = stage
        self._realm_url = realm_url

    async def run(self, count: int, at_once: int) -> int:
        """So many logins, so many at once."""
        async with _session() as session:
            return await _run(lambda: self._one(session), count, at_once)

    async def _one(self, session: aiohttp.ClientSession) -> None:
        browser, (verifier, challenge) = Browser(session), _pkce()
        first = _request(self._stage, challenge)
        if self._realm_url is not None:
            first = _authorization(self._realm_url, challenge)
        address, _ = await browser.follow(first, lambda _: False)
        address = address.partition("?")[0]
        await _wait_until_accepted(browser, address)
        end = CALLBACK if self._realm_url is not None else self._stage.broker_uri
        back, _ = await browser.follow(f"{address}/finish", lambda url: url.startswith(end))
        if self._realm_url is not None:
            await _exchange(browser, self._realm_url, back, verifier)
        elif "code=" not in back:
            raise LoginFailedError("no code came")


class PasswordLogins:
    """Whole logins by Keycloak's own form."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._free = deque(stage.passwords.items())

    async def run(self, count: int, at_once: int) -> int:
        """So many logins, so many at once."""
        async with _session() as session:
            return await _run(lambda: self._one(session), count, at_once)

    async def _one(self, session: aiohttp.ClientSession) -> None:
        # Nobody twice at once: Keycloak takes that for guessing, and refuses the second.
        username, password = someone = self._free.popleft()
        browser, (verifier, challenge) = Browser(session), _pkce()
        _, text = await browser.follow(_authorization(self._stage.password_url, challenge), lambda _: False)
        form = _FORM.search(text)
        if form is None:
            raise LoginFailedError("there is no form")
        action = html.unescape(form[1])
        _, target, _ = await browser.send("POST", action, {"username": username, "password": password})
        if not target.startswith(CALLBACK):
            raise LoginFailedError("the password was refused")
        await _exchange(browser, self._stage.password_url, target, verifier)
        self._free.append(someone)


def _authorization(realm_url: str, challenge: str) -> str:
    parameters = {
        "client_id": "quanheng-cli",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "state": secrets.token_urlsafe(8),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{realm_url}/protocol/openid-connect/auth?{urlencode(parameters)}"


async def _exchange(browser: Browser, realm_url: str, back: str, verifier: str) -> None:
    codes = parse_qs(urlsplit(back).query).get("code")
    if not codes:
        raise LoginFailedError("Keycloak gave no code")
    form = {
        "grant_type": "authorization_code",
        "client_id": "quanheng-cli",
        "code": codes[0],
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }
    status, _, _ = await browser.send("POST", f"{realm_url}/protocol/openid-connect/token", form)
    if status != 200:
        raise LoginFailedError(f"Keycloak gave no tokens ({status})")
