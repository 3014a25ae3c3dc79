"""Fetch and build Keycloak and the guard ahead of their first start; ``deploy/setup.sh`` calls it."""

from __future__ import annotations

import sys

from deploy.local.cache import LocalServerError
from deploy.local.guard import guard_jar
from deploy.local.keycloak import built_distribution


def main() -> int:
    """Exit 0 when servers with and without the guard are in the cache."""
    try:
        built = built_distribution(guard_jar())
    except LocalServerError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"setup: Keycloak is in {built}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
