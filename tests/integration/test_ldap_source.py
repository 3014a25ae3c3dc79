"""Reading a real slapd: everything of it, or an error that says what to do."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deploy.local.certificates import write_certificates
from deploy.local.slapd import SERVICES, RunningSlapd, start_slapd, stop_slapd

from fixtures.feeds import AS_OF, shanxi
from fixtures.proxy import failing_proxy
from fixtures.servers_slapd import PEOPLE_BASE, POSTS_BASE, FilledSlapd, add_entries, ldap_settings
from quanheng.config import LdapSettings
from quanheng.errors import ConfigurationError, SourceError
from quanheng.model.staff import Mode, Reading
from quanheng.policy.units import Units
from quanheng.sources.ldap import read_ldap

StartSlapd = Callable[[str], RunningSlapd]


def read(settings: LdapSettings, units: Units | None = None) -> Reading:
    """Read with a clock that stands still."""
    return read_ldap(settings, shanxi(), units or Units({}), lambda: AS_OF)


def fails(settings: LdapSettings) -> str:
    """The message of the error that reading must end in; it never holds the password."""
    with pytest.raises(SourceError) as caught:
        read(settings)
    assert caught.value.remedy
    assert caught.value.__suppress_context__
    assert settings.password_file.read_text() not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("tls", ["starttls", "ldaps", "plain"])
def test_a_city_is_read_as_the_generator_says(slapd: FilledSlapd, tls: str) -> None:
    """Every good entry becomes its row, every bad one its reason, over each kind of connection."""
    population = slapd.population
    url = slapd.server.ldaps_url if tls == "ldaps" else slapd.server.url
    units = Units({unit.code: unit for unit in population.units})
    reading = read(ldap_settings(slapd.server, tls=tls, url=url, scope=population.scope), units)
    written = population.rows("ldap")
    assert {
        (row.staff_no, row.document.number.reveal(), row.name, row.org, row.post) for row in reading.rows
    } == {
        (row.staff_no, row.canonical_number, row.name, row.org, row.post_id)
        for row in written
        if row.fault is None
    }
    assert Counter(row.reason for row in reading.rejected) == Counter(
        row.fault for row in written if row.fault is not None
    )
    declaration = reading.declaration
    assert (declaration.mode, declaration.sequence, declaration.as_of) == (Mode.SNAPSHOT, 0, AS_OF)
    assert (declaration.scope, reading.units) == (population.scope, None)


def test_pages_make_no_difference(slapd: FilledSlapd) -> None:
    """A page of one entry and a page of all give the same answer."""
    digests = {read(ldap_settings(slapd.server, page_size=size)).declaration.digest for size in (1, 7, 5000)}
    assert len(digests) == 1


def test_an_empty_directory_is_a_reading_without_rows(start_own_slapd: StartSlapd) -> None:
    """Nobody below the bases is a complete answer: the engine decides what follows."""
    reading = read(ldap_settings(start_own_slapd("")))
    assert (reading.rows, reading.rejected, reading.declaration.row_count) == ((), (), 0)


def test_a_size_limit_is_half_an_answer(slapd: FilledSlapd, tmp_path: Path) -> None:
    """A bind account that the server gives only some of the entries gives none of them to us."""
    password = tmp_path / "password"
    password.write_text("limited-account")
    password.chmod(0o600)
    entry = f"dn: cn=limited,{SERVICES}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\n"
    add_entries(slapd.server, f"{entry}cn: limited\nuserPassword: limited-account\n")
    people = "".join(
        f"dn: uid=x{number},ou=limit,dc=hrss,dc=example\nobjectClass: inetOrgPerson\nobjectClass: qhStaff\n"
        f"uid: x{number}\ncn: x\nsn: x\n\n"
        for number in range(201)
    )
    add_entries(
        slapd.server,
        f"dn: ou=limit,dc=hrss,dc=example\nobjectClass: organizationalUnit\nou: limit\n\n{people}",
    )
    limited = ldap_settings(
        slapd.server,
        bind_dn=f"cn=limited,{SERVICES}",
        password_file=password,
        people_base="ou=limit,dc=hrss,dc=example",
    )
    assert "half an answer is none: the server stopped at a limit" in fails(limited)


@pytest.mark.parametrize("how", ["cut", "stall"])
@pytest.mark.parametrize("after_bytes", [0, 60, 20_000])
def test_a_connection_that_breaks_gives_nothing(slapd: FilledSlapd, how: Any, after_bytes: int) -> None:
    """Cut or silent, before the bind or within the answer: an error, never a part."""
    port = int(slapd.server.url.rpartition(":")[2])
    with failing_proxy(port, after_bytes=after_bytes, how=how) as proxy:
        url = f"ldap://127.0.0.1:{proxy}"
        message = fails(ldap_settings(slapd.server, url=url, tls="plain", timeout_seconds=1))
    assert "the connection broke or the server fell silent" in message


def test_a_handshake_that_breaks_gives_nothing(slapd: FilledSlapd) -> None:
    """Cut within TLS: an error that says so."""
    port = int(slapd.server.url.rpartition(":")[2])
    with failing_proxy(port, after_bytes=100) as proxy:
        assert fails(ldap_settings(slapd.server, url=f"ldap://127.0.0.1:{proxy}"))


def test_a_wrong_password_is_told(slapd: FilledSlapd, tmp_path: Path) -> None:
    """The message names account and file, and shows nothing of what was tried."""
    password = tmp_path / "wrong"
    password.write_text("not-the-password")
    password.chmod(0o600)
    message = fails(ldap_settings(slapd.server, password_file=password))
    assert "refuses the bind account or its password" in message


@pytest.mark.parametrize("tls", ["starttls", "ldaps"])
def test_an_expired_certificate_is_told(tmp_path: Path, tls: str) -> None:
    """A server whose certificate has run out is not spoken to."""
    now = datetime.now(UTC)
    write_certificates(
        tmp_path / "tls",
        host="127.0.0.1",
        not_before=now - timedelta(days=30),
        not_after=now - timedelta(days=1),
    )
    server = start_slapd(tmp_path)
    try:
        url = server.ldaps_url if tls == "ldaps" else server.url
        assert "certificate has expired" in fails(ldap_settings(server, tls=tls, url=url))
    finally:
        stop_slapd(server)


def test_a_certificate_for_another_name_is_told(tmp_path: Path) -> None:
    """A certificate of a known CA, but of another host, is refused."""
    write_certificates(tmp_path / "tls", host="ldap.example")
    server = start_slapd(tmp_path)
    try:
        assert "certificate is for another name" in fails(ldap_settings(server))
    finally:
        stop_slapd(server)


@pytest.mark.parametrize("tls", ["starttls", "ldaps"])
def test_a_certificate_of_an_unknown_authority_is_told(slapd: FilledSlapd, tmp_path: Path, tls: str) -> None:
    """Whoever can answer in the server's place cannot without its CA."""
    write_certificates(tmp_path, host="127.0.0.1")
    url = slapd.server.ldaps_url if tls == "ldaps" else slapd.server.url
    message = fails(ldap_settings(slapd.server, url=url, tls=tls, ca_file=tmp_path / "ca.pem"))
    assert "certificate is not from a CA that we know" in message


def test_a_server_without_starttls_gets_no_password(slapd: FilledSlapd) -> None:
    """Where StartTLS is refused the session ends before the bind; plain has to be asked for."""
    received = bytearray()
    # RFC 4511, 4.12: an ExtendedResponse with protocolError, no name and no text.
    refusal = bytes.fromhex("78070a010204000400")

    def refuse(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            received.extend(client.recv(65_536))
            message_id = bytes(received[2 : 4 + received[3]])
            client.sendall(bytes([0x30, len(message_id) + len(refusal)]) + message_id + refusal)
            while data := client.recv(65_536):
                received.extend(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=refuse, args=(listener,))
        server.start()
        url = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
        assert "does not offer StartTLS" in fails(ldap_settings(slapd.server, url=url))
        server.join()
    assert slapd.server.bind_password.encode() not in received


def test_an_unreachable_server_is_told(slapd: FilledSlapd) -> None:
    """A port where nobody listens is an error with what to check."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        message = fails(ldap_settings(slapd.server, url=f"ldap://127.0.0.1:{taken.getsockname()[1]}"))
    assert "no server there" in message


def test_a_missing_base_is_told(slapd: FilledSlapd) -> None:
    """A base that does not exist, or is hidden, is not an empty directory."""
    assert "there is no such entry" in fails(
        ldap_settings(slapd.server, people_base="ou=none,dc=hrss,dc=example")
    )


def test_a_scope_outside_the_pack_is_refused(slapd: FilledSlapd) -> None:
    """A directory is not asked about another province."""
    with pytest.raises(ConfigurationError, match="outside the scope of pack 'shanxi'"):
        read(ldap_settings(slapd.server, scope=("62",)))


def test_a_referral_in_the_answer_is_not_followed(start_own_slapd: StartSlapd) -> None:
    """A part of the tree that lies on another server makes the answer incomplete, hence an error."""
    server = start_own_slapd(
        f"dn: ou=elsewhere,{PEOPLE_BASE}\nobjectClass: referral\nobjectClass: extensibleObject\n"
        "ou: elsewhere\nref: ldap://127.0.0.1:1/ou=elsewhere,dc=example\n"
    )
    assert "refers to another one" in fails(ldap_settings(server))


def test_a_referral_instead_of_an_answer_is_not_followed(start_own_slapd: StartSlapd) -> None:
    """A base that lies on another server is an error, too."""
    server = start_own_slapd(
        f"dn: ou=elsewhere,{PEOPLE_BASE}\nobjectClass: referral\nobjectClass: extensibleObject\n"
        "ou: elsewhere\nref: ldap://127.0.0.1:1/ou=elsewhere,dc=example\n"
    )
    assert "refers to another one" in fails(ldap_settings(server, people_base=f"ou=elsewhere,{PEOPLE_BASE}"))


def test_an_alias_does_not_lead_out_of_the_base(start_own_slapd: StartSlapd) -> None:
    """An alias below the base that points outside brings nobody in."""
    outside = "uid=guest,ou=外部,dc=hrss,dc=example"
    server = start_own_slapd(
        f"dn: {outside}\nobjectClass: inetOrgPerson\nobjectClass: qhStaff\nuid: guest\ncn: x\nsn: x\n\n"
        f"dn: uid=alias,{PEOPLE_BASE}\nobjectClass: alias\nobjectClass: extensibleObject\nuid: alias\n"
        f"aliasedObjectName: {outside}\n"
    )
    assert read(ldap_settings(server)).declaration.row_count == 0


def test_names_that_need_escapes_are_found(start_own_slapd: StartSlapd) -> None:
    """A member whose name is written with other case, blanks and escapes is the same person."""
    server = start_own_slapd(
        f"dn: cn=Wang\\, Wu\\+1,{PEOPLE_BASE}\nobjectClass: inetOrgPerson\nobjectClass: qhStaff\n"
        f"cn: Wang, Wu+1\nsn: x\nemployeeNumber: R1\n\n"
        f"dn: cn=post,{POSTS_BASE}\nobjectClass: groupOfNames\ncn: post\ndescription: x\n"
        f"member: CN=wang\\2C wu\\2b1, {PEOPLE_BASE}\n"
    )
    reading = read(ldap_settings(server))
    assert reading.notes == ()
    assert [row.staff_no for row in reading.rejected] == ["R1"]


def test_a_slapd_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
    """Stopped and started again it has the same address, passwords and entries; a second start finds it."""
    first = start_slapd(tmp_path)
    try:
        add_entries(first, "dn: ou=人员,dc=hrss,dc=example\nobjectClass: organizationalUnit\nou: 人员\n")
        assert start_slapd(tmp_path) == first
        stop_slapd(first)
        again = start_slapd(tmp_path)
        assert (again.url, again.bind_password) == (first.url, first.bind_password)
        with pytest.raises(SourceError, match="searching ou=岗位"):
            read(ldap_settings(again))
    finally:
        stop_slapd(first)
