"""What every browser test may ask for; here, so that no other test needs Playwright."""

from __future__ import annotations

from fixtures.browser import browser

__all__ = ["browser"]
