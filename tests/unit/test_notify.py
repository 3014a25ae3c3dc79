"""Telling people: words, a file, a webhook and a mail server, all real and on this machine."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import re
import socketserver
import ssl
import stat
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from fixtures.identities import a_mint
from quanheng.config import NotifySettings, SmtpSettings, WebhookSettings
from quanheng.errors import ConfigurationError
from quanheng.notify.file import FileNotifier
from quanheng.notify.open import open_notifiers
from quanheng.notify.port import Notice, NoticeKind, UndeliveredError
from quanheng.notify.smtp import SmtpNotifier
from quanheng.notify.webhook import WebhookNotifier
from quanheng.notify.words import as_json, words_of

SECRET = "a secret for tests"
NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)


def notice(kind: NoticeKind = NoticeKind.REPAIR, **facts: Any) -> Notice:
    """Something to tell."""
    values = {"count": 1, "changes": ["sx0000001：收回"], "actors": ["a1"]}
    return Notice(id="7-file", kind=kind, at=NOW, realm="shanxi", facts=facts or values)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A file for its owner alone."""
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    file.write_text(SECRET + "\n")
    return file


# Words


FACTS: dict[NoticeKind, dict[str, Any]] = {
    NoticeKind.VETO: {
        "user": "u1",
        "actor": "a1",
        "reason": "某理由",
        "rule": "s4",
        "article": "S4",
        "event": "e1",
        "duty": "某岗位",
        "actor_client": "c1",
    },
    NoticeKind.REPAIR: {"count": 1, "changes": ["某变动"], "actors": ["a1"]},
    NoticeKind.GLASS_USED: {
        "account": "break-glass-1",
        "user": "u1",
        "outcome": "logged_in",
        "since": "2026-03-02T03:00:00+00:00",
        "address": "192.0.2.7",
        "client": "quanheng-break-glass",
    },
    NoticeKind.GLASS_REFUSED: {
        "count": 3,
        "attempts": ["break-glass-1：3 次"],
        "since": "2026-03-02T03:00:00+00:00",
        "until": "2026-03-02T03:00:00+00:00",
    },
    NoticeKind.REPAIR_REFUSED: {"count": 1, "changes": ["某变动"]},
    NoticeKind.CAP_REACHED: {"excess": ["某类"]},
    NoticeKind.CONFIGURATION: {"gaps": ["某项"], "actors": ["a1"]},
    NoticeKind.PERMISSIONS: {"gaps": ["某权限"], "count": 1, "actors": ["a1"]},
    NoticeKind.CAUSE: {"causes": ["某角色"], "actors": ["a1"], "remedy": "某办法"},
    NoticeKind.ADMINISTRATOR: {"holders": ["某账号"], "actors": ["a1"]},
    NoticeKind.ACCOUNT_GONE: {"count": 1, "accounts": ["某账号"], "actors": ["a1"]},
    NoticeKind.PASSWORD: {"count": 1, "accounts": ["某账号"], "actors": ["a1"]},
    NoticeKind.GAP: {"reason": "某原因"},
    NoticeKind.BLIND: {
        "since": "2026-03-02T06:00:00+00:00",
        "reason": "某原因",
        "problem": "某问题",
        "remedy": "某办法",
    },
    NoticeKind.SEEING: {"since": "2026-03-02T06:00:00+00:00", "until": "2026-03-02T07:00:00+00:00"},
    NoticeKind.BREAK_GLASS: {
        "until": "2026-03-02T06:00:00+00:00",
        "user": "u1",
        "actor": "a1",
        "reason": "某理由",
        "rule": "s4",
        "article": "S4",
    },
    NoticeKind.RULES: {"problem": "某问题", "outcome": "某结果"},
    NoticeKind.GUARD_NOT_REQUIRED: {"sequence": 12},
    NoticeKind.LOCK_AHEAD: {"count": 1, "days": 7, "accounts": ["sx0000001：2026-12-01 09:00"]},
    NoticeKind.LOCKED: {"count": 1, "accounts": ["sx0000001"]},
    NoticeKind.LOCK_STOPPED: {"excess": ["140902: 9 of 30, 5 allowed"], "digest": "0123456789ab"},
    NoticeKind.LOGINS_MISSING: {"reason": "登录事件被清除"},
    NoticeKind.FROZEN: {"username": "sx0000001", "by": "os:root@host"},
    NoticeKind.TENURE: {"people": ["sx0000001：待遇核定岗，2026-12-01 满 5 年"]},
    NoticeKind.OVERDUE: {"items": ["0123456789ab 注销"]},
    NoticeKind.TERM_ENDS: {
        "county": "140902",
        "accounts": ["sx0000001：临时账号，2026-12-01 到期，还有 7 天，责任人 sx0000002"],
        "excess": ["停用账号 9 项，上限 1（现有 30）"],
    },
    NoticeKind.REVIEW_UNANSWERED: {
        "month": "2026-11",
        "above": "1409 忻州市",
        "counties": ["140902：3"],
    },
    NoticeKind.GUARD_GONE: {"sequence": 12},
}
"""What the watcher tells of each kind, all of it at once."""


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_has_words(kind: NoticeKind) -> None:
    """Subject and text in Chinese, with the realm and the time in China; every fact it asks for is one that
    the watcher gives."""
    words = words_of(notice(kind, **FACTS[kind]))
    assert words.subject.startswith("【权衡】shanxi")
    assert "2026-03-02 12:00:00" in words.text
    template = resources.files("quanheng.notify") / "templates" / f"{kind}.txt"
    subject, _, text = template.read_text(encoding="utf-8").partition("\n")
    assert re.findall(r"\$(\w+)", subject) == ["realm"]
    asked = set(re.findall(r"\$(\w+)", text)) - {"at"}
    assert asked <= FACTS[kind].keys()
    assert "$" not in words.subject + words.text


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_a_fact_that_is_not_known_leaves_no_empty_line(kind: NoticeKind) -> None:
    """Its line is left out: no label with nothing behind it, no two blank lines, no gap to fill in."""
    for name in FACTS[kind]:
        for empty in ("", [], None):
            words = words_of(notice(kind, **FACTS[kind] | {name: empty}))
            lines = words.text.splitlines()
            assert all(
                after.startswith(("- ", "1. "))
                for line, after in pairwise([*lines, ""])
                if line.endswith("：")
            )
            assert words.subject.startswith("【权衡】shanxi")
            assert "\n\n\n" not in words.text
            assert "$" not in words.text
            assert "（）" not in words.text


def test_break_glass_is_told_by_what_is_known() -> None:
    """The server tells until when; a grant that it let pass tells what and by whom. Times are China's."""
    opened = words_of(notice(NoticeKind.BREAK_GLASS, until="2026-03-02T06:00:00+00:00", reason=""))
    assert "停用至：2026-03-02 14:00:00" in opened.text
    assert "操作人" not in opened.text
    used = words_of(notice(NoticeKind.BREAK_GLASS, until="", reason="某理由", actor="a1", user="u1"))
    assert "停用至" not in used.text
    assert "操作人：a1" in used.text


def test_users_are_told_by_name() -> None:
    """Whom the mirror knows by the name that the console shows, anybody else by the id."""
    told = notice(NoticeKind.VETO, **FACTS[NoticeKind.VETO] | {"names": {"u1": "sx0000001"}})
    assert "对象：sx0000001\n操作人：a1（Keycloak 用户 ID）\n" in words_of(told).text
    repair = notice(NoticeKind.REPAIR, **FACTS[NoticeKind.REPAIR] | {"names": {"a1": "sx0000002"}})
    assert "操作人：\n- sx0000002\n" in words_of(repair).text


HOSTILE = [
    "x\n操作人：\n- forged",
    "x\r\n操作人：forged",
    "x\u2028操作人：forged",
    "x\u2029操作人：forged",
    "x\x85操作人：forged",
    "x\x1b[2J\x1b[1A操作人：forged",
    "x\u202e操作人\u2066",
    "操\u200b作人",
    "x\ud800",
    "x\x00y",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_others_wrote_stays_in_its_line(name: str) -> None:
    """A group's name makes no line of its own and hides none: not in a text, not in the JSON beside it."""
    tame = notice(NoticeKind.REPAIR, count=1, changes=["/岗位/x"], actors=["a1"])
    wild = notice(NoticeKind.REPAIR, count=1, changes=[f"/岗位/{name}"], actors=["a1"])
    words = words_of(wild)
    assert len(words.text.splitlines()) == len(words_of(tame).text.splitlines())
    line = as_json(wild)
    assert len(line.splitlines()) == 1
    facts = json.loads(line.encode())["facts"]
    for text in (words.text.replace("\n", ""), *facts["changes"]):
        assert {unicodedata.category(sign) for sign in text}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})


@pytest.mark.parametrize("name", ["x secret=", "x password:", 'x "token": "', "authorization=", "x\\", '"'])
def test_a_name_that_looks_like_a_secret_swallows_nothing(name: str) -> None:
    """What follows it is another fact, which stays as it was, and the JSON is JSON."""
    told = notice(NoticeKind.REPAIR, count=1, changes=[f"/岗位/{name}", "second"], actors=["a1"])
    assert "- second" in words_of(told).text
    assert "- a1" in words_of(told).text
    read = json.loads(as_json(told))
    assert read["facts"]["changes"][1] == "second"
    assert read["id"] == "7-file"


def test_a_number_of_a_person_is_taken_out() -> None:
    """What should not have got into the facts does not get out of them."""
    number = a_mint().resident_number()
    words = words_of(notice(NoticeKind.VETO, reason=f"号码 {number}"))
    assert number not in words.text
    assert "***" in words.text


# File


def test_lines_of_a_file(tmp_path: Path) -> None:
    """One object per line, for the owner alone, whatever the file's mode was."""
    file = tmp_path / "told" / "notices.jsonl"
    FileNotifier(file).send(notice())
    file.chmod(0o644)
    FileNotifier(file).send(notice(NoticeKind.GAP, reason="清除"))
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [line["kind"] for line in lines] == ["repair", "gap"]
    assert lines[0]["facts"]["changes"] == ["sx0000001：收回"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder in its place is a failure to deliver, not a fault."""
    with pytest.raises(UndeliveredError, match="cannot be written"):
        FileNotifier(tmp_path).send(notice())


# Webhook


@contextmanager
def receiving(answer: int = 204, location: str = "") -> Iterator[tuple[str, list[Any]]]:
    """A server that keeps what it is sent."""
    got: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            self.send_response(answer)
            if location:
                self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}/hook", got


@contextmanager
def running(server: socketserver.BaseServer) -> Iterator[int]:
    """A server in a thread; gives its port."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_can_tell_that_it_is_us(secret_file: Path) -> None:
    """The HMAC is over the time and the very bytes of the body."""
    with receiving() as (url, got):
        WebhookNotifier(WebhookSettings(url=url, secret_file=secret_file), clock=lambda: NOW).send(notice())
    headers, body = got[0]
    wanted = hmac.new(SECRET.encode(), headers["X-Quanheng-Time"].encode() + b"." + body, hashlib.sha256)
    assert headers["X-Quanheng-Signature"] == f"sha256={wanted.hexdigest()}"
    assert headers["X-Quanheng-Time"] == NOW.isoformat(timespec="seconds")
    assert json.loads(body)["kind"] == "repair"


@pytest.mark.parametrize(("answer", "location"), [(500, ""), (403, ""), (302, "/elsewhere")])
def test_a_webhook_that_refuses(secret_file: Path, answer: int, location: str) -> None:
    """Anything but 2xx is tried later; a redirect is not followed."""
    with receiving(answer, location) as (url, got):
        notifier = WebhookNotifier(WebhookSettings(url=url, secret_file=secret_file))
        with pytest.raises(UndeliveredError, match=str(answer)):
            notifier.send(notice())
    assert len(got) == 1


def test_a_webhook_that_is_not_there(secret_file: Path) -> None:
    """And the secret is in no message."""
    settings = WebhookSettings(url="http://127.0.0.1:9/hook", secret_file=secret_file, timeout_seconds=1)
    with pytest.raises(UndeliveredError) as caught:
        WebhookNotifier(settings).send(notice())
    assert SECRET not in str(caught.value)


def test_a_webhook_elsewhere_needs_https(secret_file: Path) -> None:
    """In the clear only on this machine."""
    with pytest.raises(ValidationError, match="https"):
        WebhookSettings(url="http://oa.example.gov.cn/hook", secret_file=secret_file)
    WebhookSettings(url="https://oa.example.gov.cn/hook", secret_file=secret_file)


@pytest.mark.parametrize("channel", ["webhook", "smtp"])
@pytest.mark.parametrize("fault", ["open", "empty", "gone", "binary"])
def test_a_secret_that_is_not_fit(secret_file: Path, tmp_path: Path, channel: str, fault: str) -> None:
    """Readable by others, empty, missing, no text: that way sends nothing, the others do, and it is well
    again as soon as the file is."""
    match fault:
        case "open":
            secret_file.chmod(0o640)
        case "empty":
            secret_file.write_text("\n" + SECRET)
        case "gone":
            secret_file.unlink()
        case _:
            secret_file.write_bytes(b"\xff\xfe\n")
    told = tmp_path / "notices.jsonl"
    mails = MailServer()
    with receiving() as (url, got), running(mails) as port:
        settings = NotifySettings(
            file=told,
            webhook=WebhookSettings(url=url, secret_file=secret_file),
            smtp=mail_settings(port, user="q", password_file=secret_file),
        )
        ways = open_notifiers(settings, clock=lambda: NOW)
        ways["file"].send(notice())
        with pytest.raises(ConfigurationError) as caught:
            ways[channel].send(notice())
        with pytest.raises(ConfigurationError):
            ways[channel].check()
        assert (got, mails.words) == ([], [])
        assert SECRET not in str(caught.value)
        secret_file.unlink(missing_ok=True)
        secret_file.touch(mode=0o600)
        secret_file.write_text(SECRET)
        ways["webhook"].send(notice())
    assert len(told.read_text(encoding="utf-8").splitlines()) == len(got) == 1


def test_the_environment_has_no_say(
    secret_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a proxy, nor a .netrc, nor another list of authorities."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password sesame\n")
    netrc.chmod(0o600)
    with receiving(500) as (proxy, passed), receiving() as (url, got):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
        WebhookNotifier(WebhookSettings(url=url, secret_file=secret_file)).send(notice())
    assert passed == []
    assert "Authorization" not in got[0][0]


def test_looking_at_a_webhook_tells_it_nothing(secret_file: Path, tmp_path: Path) -> None:
    """Secret and authority are read, and nobody is told."""
    with receiving() as (url, got):
        WebhookNotifier(WebhookSettings(url=url, secret_file=secret_file)).check()
        unknown = WebhookSettings(url=url, secret_file=secret_file, ca_file=tmp_path / "nowhere.pem")
        with pytest.raises(UndeliveredError, match="ca_file"):
            WebhookNotifier(unknown).check()
    assert got == []


# Mail


class MailHandler(socketserver.StreamRequestHandler):
    """As much of a mail server as is needed, with STARTTLS when it has a certificate."""

    server: MailServer

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            self.server.words.append(word)
            if word == "EHLO":
                self._say("250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN" if self.server.tls else "250 here")
            elif word == "STARTTLS" and self.server.tls is not None:
                self._say("220 go on")
                self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
            elif word == "DATA":
                self._say("354 go on")
                lines = []
                while (part := self.rfile.readline()) != b".\r\n":
                    lines.append(part)
                self.server.mails.append(b"".join(lines).decode())
                self._say("250 taken" if self.server.takes else "554 no")
            elif word == "AUTH":
                self._say("235 welcome")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the encrypted one, which nobody else knows

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


class MailServer(socketserver.ThreadingTCPServer):
    """Keeps what it is sent."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None, *, takes: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), MailHandler)
        self.tls = tls
        self.takes = takes
        self.words: list[str] = []
        self.mails: list[str] = []


def mail_settings(port: int, **fields: Any) -> SmtpSettings:
    """A mail server on this machine."""
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "starttls": False,
        "sender": "quanheng@example.gov.cn",
        "recipients": ("a@example.gov.cn", "b@example.gov.cn"),
        "timeout_seconds": 5,
    }
    return SmtpSettings(**(values | fields))


def test_a_mail() -> None:
    """Subject and text arrive, in UTF-8, with the id of the notice."""
    server = MailServer()
    with running(server) as port:
        SmtpNotifier(mail_settings(port)).send(notice())
    assert "Message-ID: <7-file@quanheng.shanxi>" in server.mails[0]
    assert server.words.count("RCPT") == 2


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this machine, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file, private = tmp_path / "ca.pem", tmp_path / "key.pem"
    file.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, private)
    return file, context


def test_a_mail_by_starttls(certificate: tuple[Path, ssl.SSLContext], secret_file: Path) -> None:
    """Encrypted before anything is said, and the password after that."""
    file, context = certificate
    server = MailServer(context)
    with running(server) as port:
        settings = mail_settings(port, starttls=True, ca_file=file, user="q", password_file=secret_file)
        SmtpNotifier(settings).send(notice())
    assert server.words.index("STARTTLS") < server.words.index("AUTH") < server.words.index("DATA")


def test_a_mail_server_that_nobody_vouches_for(certificate: tuple[Path, ssl.SSLContext]) -> None:
    """Its certificate is checked: nothing is sent."""
    server = MailServer(certificate[1])
    with running(server) as port, pytest.raises(UndeliveredError, match="SSL"):
        SmtpNotifier(mail_settings(port, starttls=True)).send(notice())
    assert server.mails == []


@pytest.mark.parametrize("make", [lambda: MailServer(takes=False), MailServer])
def test_a_mail_server_that_does_not_take_it(make: Callable[[], MailServer]) -> None:
    """Refused, or without the STARTTLS that was asked for: tried again later."""
    server = make()
    with running(server) as port, pytest.raises(UndeliveredError, match="did not take it"):
        SmtpNotifier(mail_settings(port, starttls=server.takes)).send(notice())


def test_mail_settings_that_would_not_be_safe(secret_file: Path) -> None:
    """In the clear to another machine, or a user without a password."""
    with pytest.raises(ValidationError, match="starttls"):
        mail_settings(25, host="mail.example.gov.cn")
    with pytest.raises(ValidationError, match="go together"):
        mail_settings(25, user="q")


def test_a_password_that_the_protocol_cannot_carry(
    certificate: tuple[Path, ssl.SSLContext], secret_file: Path
) -> None:
    """Is a failure to deliver, whose message says what to mend and not what it is."""
    file, context = certificate
    secret_file.write_text("口令" + SECRET, encoding="utf-8")
    with running(MailServer(context)) as port:
        settings = mail_settings(port, starttls=True, ca_file=file, user="q", password_file=secret_file)
        with pytest.raises(UndeliveredError, match="ASCII") as caught:
            SmtpNotifier(settings).send(notice())
    assert "口令" not in str(caught.value)


def test_looking_at_a_mail_server_sends_no_mail(
    certificate: tuple[Path, ssl.SSLContext], secret_file: Path
) -> None:
    """It says who we are, encrypted, and goes."""
    file, context = certificate
    server = MailServer(context)
    with running(server) as port:
        settings = mail_settings(port, starttls=True, ca_file=file, user="q", password_file=secret_file)
        SmtpNotifier(settings).check()
    assert server.words.index("STARTTLS") < server.words.index("AUTH")
    assert "MAIL" not in server.words
    with pytest.raises(UndeliveredError):
        SmtpNotifier(settings).check()


def test_looking_at_a_file_makes_none(tmp_path: Path) -> None:
    """It can be written where it is to be, though it is not there yet."""
    FileNotifier(tmp_path / "told" / "notices.jsonl").check()
    assert not (tmp_path / "told").exists()
    with pytest.raises(UndeliveredError, match="cannot be written"):
        FileNotifier(tmp_path).check()
