"""What the provider says no with."""

from __future__ import annotations

from quanheng.errors import RefusedError


class UnusableRequestError(RefusedError):
    """Nothing of the request can be trusted, its redirect URI least: a page is shown, and no redirect."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            problem, remedy="begin again at the subsystem; if it happens again, tell its operator"
        )


class RedirectedError(RefusedError):
    """The client is told by a redirect (RFC 6749, section 4.1.2.1)."""

    def __init__(self, error: str, location: str) -> None:
        super().__init__(error)
        self.error = error
        """Code of the error, for example ``invalid_scope``."""
        self.location = location


class TokenError(RefusedError):
    """The token endpoint's answer (RFC 6749, section 5.2). Never an echo of what came in."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class BearerError(RefusedError):
    """Userinfo's answer to a token that does not count (RFC 6750, section 3)."""

    def __init__(self, error: str = "") -> None:
        super().__init__(error or "no token")
        self.error = error
        """Empty when there was none at all."""
