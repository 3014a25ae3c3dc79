"""What an instance of the subsystem is told: a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from deploy.subsystem.addresses import GOODBYE, REDIRECT
from quanheng.config_fields import RelativePath, SafeUrl, StrictSettings


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("scheme, host and port alone")
    return url.rstrip("/")


class SubsystemSettings(StrictSettings):
    """Which client of which realm it is, and where browsers find it."""

    issuer: SafeUrl
    """The realm: ``https://…/realms/shanxi``. Everything else is in its discovery document."""
    client_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    key_file: RelativePath
    """PEM private key (P-256), mode 0600; its public half is the client's ``jwks.string``."""
    public_url: Annotated[SafeUrl, AfterValidator(_origin)]
    """Where browsers find it; Keycloak's back-channel too."""
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    name: str = Field(min_length=1, max_length=60)
    permissions: dict[str, str] = Field(default_factory=dict)
    """What people call its permissions, by role."""
    simulator_url: SafeUrl | None = None
    """Where the phones of a demo are, for a hint on the page."""

    @classmethod
    def read(cls, file: Path) -> Self:
        """From a file; paths are relative to it. Raises :class:`OSError` and :class:`ValueError`."""
        content = json.loads(file.read_text(encoding="utf-8"))
        return cls.model_validate(content, context={"base": file.resolve().parent})

    @property
    def redirect_uri(self) -> str:
        """Where Keycloak sends a browser with its code."""
        return f"{self.public_url}{REDIRECT}"

    @property
    def goodbye_uri(self) -> str:
        """Where Keycloak sends a browser that logged out."""
        return f"{self.public_url}{GOODBYE}"
