"""Fetch and build Keycloak ahead of its first start; ``deploy/setup.sh`` calls it."""

from __future__ import annotations

import sys

from deploy.local.keycloak import LocalServerError, built_distribution


def main() -> int:
    """Exit 0 when a built server is in the cache."""
    try:
        built = built_distribution()
    except LocalServerError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"setup: Keycloak is in {built}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
