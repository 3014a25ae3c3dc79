"""The connection to an LDAP server: all of an answer or :class:`SourceError`, never a part of it.

ldap3's defaults are not ours: here exceptions are on, certificates and host names are verified,
referrals and aliases are not followed, and ranges are merged by ``members``.
"""

from __future__ import annotations

import math
import ssl
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from quanheng.config import LdapSettings
from quanheng.errors import ConfigurationError, SourceError

with warnings.catch_warnings():
    # ldap3 2.9.1 imports names from pyasn1 that have new names since; it works all the same.
    warnings.simplefilter("ignore", DeprecationWarning)
    import ldap3
    from ldap3.core import exceptions as refusals
    from ldap3.utils.conv import escape_filter_chars
    from pyasn1.error import PyAsn1Error

_PAGED_RESULTS: Final = "1.2.840.113556.1.4.319"
"""Control of RFC 2696."""
_SUCCESS: Final = 0
_REFERRAL: Final = 10
_LIMITS: Final = frozenset({3, 4, 11})
"""timeLimitExceeded, sizeLimitExceeded, adminLimitExceeded (RFC 4511, appendix A)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as the server gave it."""

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]]
    """Values by lower-case attribute name, options such as ``;range=0-1499`` included."""


class Directory(Protocol):
    """What the reader needs of a directory. Every method raises :class:`SourceError`."""

    def search(self, base: str, object_class: str, attributes: Sequence[str]) -> Iterator[Entry]:
        """Every entry of a class at or below ``base``, in pages."""

    def read(self, dn: str, attribute: str) -> Entry:
        """One entry with one attribute, which may carry a range option."""


@contextmanager
def open_directory(settings: LdapSettings) -> Iterator[Directory]:
    """Connect and bind; the connection ends with the context.

    Raises :class:`ConfigurationError` for what is wrong in quanheng.toml or with the password's file,
    :class:`SourceError` when the server cannot be reached, verified, or refuses.
    """
    server = _server(settings)
    password = read_password(settings.password_file)
    with _translated(settings, "connecting"):
        connection = ldap3.Connection(
            server,
            user=settings.bind_dn,
            password=password,
            authentication=ldap3.SIMPLE,
            version=3,
            client_strategy=ldap3.SYNC,
            raise_exceptions=True,
            auto_referrals=False,
            auto_range=False,
            check_names=False,
            return_empty_attributes=False,
            read_only=True,
            receive_timeout=math.ceil(settings.timeout_seconds),
        )
    try:
        with _translated(settings, "connecting"):
            _bind(connection, settings)
        yield _LdapDirectory(settings, connection)
    except SourceError as error:
        problem = server.tls.problem if isinstance(server.tls, _VerifiedTls) else None
        raise (error if problem is None else _tls_error(settings, problem)) from None
    finally:
        with _ignoring_farewell():
            connection.unbind()
        if connection.socket is not None:  # ldap3 leaves it open when connecting failed
            connection.socket.close()


def _bind(connection: Any, settings: LdapSettings) -> None:
    connection.open(read_server_info=False)
    if settings.tls == "starttls":
        try:
            connection.start_tls(read_server_info=False)
        except (refusals.LDAPOperationResult, refusals.LDAPStartTLSError):
            raise SourceError(
                f"{settings.id}: the server does not offer StartTLS",
                remedy='use ldaps:// with tls = "ldaps", or let the server have a certificate',
            ) from None
    # Without TLS no password leaves, whatever the library thought of it.
    if settings.tls != "plain" and not isinstance(connection.socket, ssl.SSLSocket):
        raise SourceError(f"{settings.id}: not encrypted", remedy="see whether the server offers StartTLS")
    connection.bind(read_server_info=False)
    _require_success(connection.result, settings)


def peer_certificate(directory: Directory) -> Mapping[str, Any] | None:
    """The server's certificate as ``SSLSocket.getpeercert()`` gives it; None without encryption."""
    channel = directory.channel if isinstance(directory, _LdapDirectory) else None
    return channel.getpeercert() if isinstance(channel, ssl.SSLSocket) else None


def read_password(file: Path) -> str:
    """The password in a file that only its owner may read; one line break at its end is not part of it."""
    try:
        mode = file.stat().st_mode
        password = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"{file}: cannot be read", remedy="write the password of the bind account into it, mode 0600"
        ) from None
    if mode & 0o077:
        raise ConfigurationError(f"{file}: others may read it", remedy=f"chmod 600 {file}")
    password = password.removesuffix("\n").removesuffix("\r")
    if not password:
        # RFC 4513, 5.1.2: a bind without password succeeds, as nobody.
        raise ConfigurationError(f"{file}: empty", remedy="write the password of the bind account into it")
    return password


class _LdapDirectory:
    def __init__(self, settings: LdapSettings, connection: Any) -> None:
        self._settings = settings
        self._connection = connection

    @property
    def channel(self) -> object:
        """The socket."""
        return self._connection.socket

    def search(self, base: str, object_class: str, attributes: Sequence[str]) -> Iterator[Entry]:
        filter_ = f"(objectClass={escape_filter_chars(object_class)})"
        cookie: bytes | None = None
        while True:
            entries, next_cookie = self._page(base, filter_, attributes, cookie)
            yield from entries
            if not next_cookie:
                return
            if next_cookie == cookie and not entries:
                raise _incomplete(self._settings, "the server does not get on with its pages")
            cookie = next_cookie

    def read(self, dn: str, attribute: str) -> Entry:
        with _translated(self._settings, "reading a group"):
            self._connection.search(
                dn,
                "(objectClass=*)",
                search_scope=ldap3.BASE,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=[attribute],
            )
        entries = self._entries()
        if len(entries) != 1:
            raise _incomplete(self._settings, "a group vanished while it was read")
        return entries[0]

    def _page(
        self, base: str, filter_: str, attributes: Sequence[str], cookie: bytes | None
    ) -> tuple[list[Entry], bytes]:
        with _translated(self._settings, f"searching {base}"):
            self._connection.search(
                base,
                filter_,
                search_scope=ldap3.SUBTREE,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(attributes),
                paged_size=self._settings.page_size,
                paged_criticality=True,
                paged_cookie=cookie,
            )
        entries = self._entries()
        control = (self._connection.result.get("controls") or {}).get(_PAGED_RESULTS)
        if control is None:
            raise _incomplete(self._settings, "the server does not answer in pages (RFC 2696)")
        return entries, control["value"]["cookie"] or b""

    def _entries(self) -> list[Entry]:
        """Entries of the last answer, or the error when it is not the whole answer."""
        _require_success(self._connection.result, self._settings)
        entries = []
        for item in self._connection.response or ():
            if item["type"] == "searchResRef":
                raise _referred(self._settings)
            if item["type"] == "searchResEntry":
                raw = item["raw_attributes"]
                entries.append(
                    Entry(item["dn"], {name.lower(): tuple(values) for name, values in raw.items()})
                )
        return entries


def _require_success(result: Mapping[str, Any], settings: LdapSettings) -> None:
    """Raise unless the server said success: ldap3 raises for most other codes, not for all."""
    if result["result"] != _SUCCESS:
        raise _refused(result["result"], result["description"], settings) from None


def _refused(code: int, description: str, settings: LdapSettings) -> SourceError:
    if code == _REFERRAL:
        return _referred(settings)
    if code in _LIMITS:
        return _incomplete(settings, "the server stopped at a limit")
    return _incomplete(settings, f"the server answered '{description}'")


def _server(settings: LdapSettings) -> Any:
    """The server of the settings, after their address and their kind of encryption were found to agree."""
    where = f"sources: {settings.id}"
    try:
        url = urlsplit(settings.url)
        host, port = url.hostname, url.port
    except ValueError:
        host, port = None, None
    if not host or url.scheme not in ("ldap", "ldaps") or url.path.strip("/") or url.query or url.username:
        raise ConfigurationError(
            f"{where}: url: not ldap://host:port or ldaps://host:port", remedy="mend quanheng.toml"
        )
    if (url.scheme == "ldaps") != (settings.tls == "ldaps"):
        raise ConfigurationError(
            f'{where}: url {url.scheme}:// does not go with tls = "{settings.tls}"',
            remedy='ldaps:// goes with tls = "ldaps", ldap:// with "starttls" (or "plain")',
        )
    tls = None
    if settings.tls != "plain":
        if settings.ca_file is not None and not settings.ca_file.is_file():
            raise ConfigurationError(
                f"{settings.ca_file}: there is no such file",
                remedy="put the certificate of the directory's CA there (PEM)",
            )
        tls = _VerifiedTls(settings.ca_file)
    return ldap3.Server(
        host,
        port=port or (636 if url.scheme == "ldaps" else 389),
        use_ssl=settings.tls == "ldaps",
        tls=tls,
        get_info=ldap3.NONE,
        connect_timeout=settings.timeout_seconds,
    )


class _VerifiedTls(ldap3.Tls):
    """TLS by the standard library's rules. ldap3's own way checks the name late, by code that Python gave
    up, and leaves the socket open when it fails.
    """

    def __init__(self, ca_file: Path | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        try:
            self._context = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError):
            raise ConfigurationError(
                f"{ca_file}: holds no certificates",
                remedy="put the certificate of the directory's CA there (PEM)",
            ) from None
        self.problem: ssl.SSLError | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Called by ldap3 for StartTLS and for ldaps; the handshake is always done here."""
        del do_handshake
        try:
            connection.socket = self._context.wrap_socket(
                connection.socket, server_hostname=connection.server.host
            )
        except ssl.SSLError as error:
            self.problem = error
            raise


@contextmanager
def _translated(settings: LdapSettings, doing: str) -> Iterator[None]:
    """Turn what ldap3 raises into :class:`SourceError`; texts of others, which may quote us, are dropped."""
    try:
        yield
    except refusals.LDAPInvalidCredentialsResult:
        raise SourceError(
            f"{settings.id}: the directory refuses the bind account or its password",
            remedy=f"check bind_dn and {settings.password_file.name}; see whether the account is locked",
        ) from None
    except refusals.LDAPNoSuchObjectResult:
        raise SourceError(
            f"{settings.id}: {doing}: there is no such entry, or the bind account may not see it",
            remedy="check people_base and posts_base, and what the bind account may read",
        ) from None
    except refusals.LDAPOperationResult as error:
        raise _refused(error.result, error.description, settings) from None
    except (refusals.LDAPSessionTerminatedByServerError, refusals.LDAPSocketReceiveError):
        raise _incomplete(settings, f"{doing}: the connection broke or the server fell silent") from None
    except (refusals.LDAPException, PyAsn1Error, OSError, ValueError, IndexError, KeyError) as error:
        raise _connection_error(settings, doing, error) from None


def _connection_error(settings: LdapSettings, doing: str, error: Exception) -> SourceError:
    return SourceError(
        f"{settings.id}: {doing}: no server there, or none that speaks LDAP ({type(error).__name__})",
        remedy="check url and the network, and whether the server runs; the next run tries again",
    )


_CERTIFICATE_PROBLEMS: Final = {
    # X509_V_ERR_…, OpenSSL's x509_vfy.h
    9: ("is not valid yet", "check the clocks of both machines"),
    10: ("has expired", "ask the directory's administrator for a new one"),
    62: ("is for another name", "write the name of the certificate into url"),
    64: ("is for another name", "write the name of the certificate into url"),
}


def _tls_error(settings: LdapSettings, error: ssl.SSLError) -> SourceError:
    if not isinstance(error, ssl.SSLCertVerificationError):
        problem, remedy = "no encrypted connection came about", "see which TLS versions the server offers"
        return SourceError(f"{settings.id}: {problem} ({error.reason})", remedy=remedy)
    problem, remedy = _CERTIFICATE_PROBLEMS.get(
        error.verify_code, ("is not from a CA that we know", "check ca_file; it names the CA, in PEM")
    )
    return SourceError(f"{settings.id}: the server's certificate {problem}", remedy=remedy)


def _incomplete(settings: LdapSettings, problem: str) -> SourceError:
    return SourceError(
        f"{settings.id}: half an answer is none: {problem}",
        remedy="nothing was changed, and the next run tries again; if it stays, raise the server's limits "
        "for the bind account and timeout_seconds",
    )


def _referred(settings: LdapSettings) -> SourceError:
    return SourceError(
        f"{settings.id}: the server refers to another one for a part of the answer, which is never followed",
        remedy="name bases that this server holds itself, or read the other one as a source of its own",
    )


@contextmanager
def _ignoring_farewell() -> Iterator[None]:
    try:
        yield
    except (refusals.LDAPException, OSError):
        return  # the answer is complete, or an error is on its way already
