"""Reading answers of other servers, no more of them than there should be."""

from __future__ import annotations

import aiohttp


async def read_at_most(answer: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The body, or None when it is longer than ``limit`` bytes; the rest is not read then."""
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > limit:
            answer.close()
            return None
        parts.append(part)
    return b"".join(parts)
