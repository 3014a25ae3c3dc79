"""How long a plan that a second person approved may wait before it is carried out (decision 15)."""

from __future__ import annotations

from datetime import datetime, timedelta

from quanheng.operations.context import Context


def is_expired(context: Context, made: datetime) -> bool:
    """Whether a plan that was made then is too old by now: much may have changed, and it is asked anew."""
    return context.clock() - made > timedelta(hours=context.settings.safety.plan_hours)
