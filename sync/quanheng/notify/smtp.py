"""Notices by mail (RFC 5321), encrypted by STARTTLS (RFC 3207)."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import format_datetime

from quanheng.config import SmtpSettings
from quanheng.identity.files import read_private_line
from quanheng.notify.port import Notice, UndeliveredError
from quanheng.notify.words import words_of


class SmtpNotifier:
    """One mail to all recipients per notice."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings

    def send(self, notice: Notice) -> None:
        """Send it; refused by one recipient counts as delivered to the others."""
        with self._speaking() as server:
            server.send_message(self._mail(notice))

    def check(self) -> None:
        """Say who we are, and go."""
        with self._speaking() as server:
            server.noop()

    @contextmanager
    def _speaking(self) -> Iterator[smtplib.SMTP]:
        settings = self._settings
        password = None
        if settings.password_file is not None:
            password = read_private_line(settings.password_file)
        try:
            with smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_seconds) as server:
                if settings.starttls:
                    ca_file = str(settings.ca_file) if settings.ca_file is not None else None
                    server.starttls(context=ssl.create_default_context(cafile=ca_file))
                if settings.user is not None and password is not None:
                    server.login(settings.user, password.reveal())
                yield server
        except UnicodeError:
            # Python's client sends them as ASCII; its own words would show the place in the password.
            raise UndeliveredError(
                "user, password or an address of the mail server is not ASCII",
                remedy="give quanheng an account on the mail server whose name and password are ASCII",
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            # The server's own words may repeat what it was sent.
            raise UndeliveredError(
                f"the mail server did not take it ({type(error).__name__})", remedy="check notify.smtp"
            ) from None

    def _mail(self, notice: Notice) -> EmailMessage:
        words = words_of(notice)
        mail = EmailMessage()
        mail["Subject"] = words.subject
        mail["From"] = self._settings.sender
        mail["To"] = ", ".join(self._settings.recipients)
        mail["Date"] = format_datetime(notice.at)
        mail["Message-ID"] = f"<{notice.id}@quanheng.{notice.realm}>"
        mail.set_content(words.text)
        return mail
