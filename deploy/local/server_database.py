"""A database of a private PostgreSQL for a Keycloak, with a role of its own."""

from __future__ import annotations

import secrets

from sqlalchemy import create_engine, text

from deploy.local.keycloak import ServerDatabase
from deploy.local.postgres import LocalPostgres


def create_server_database(postgres: LocalPostgres, name: str) -> ServerDatabase:
    """Make an empty database and a role that may do everything in it, both of this name.

    ``postgres`` listens on a port of the loopback, since Java knows no Unix sockets.
    """
    if postgres.tcp_port is None:
        raise ValueError("Java reaches a PostgreSQL by TCP only: give it a tcp_port")
    password = secrets.token_hex(16)
    engine = create_engine(postgres.create_database(name))
    with engine.begin() as connection:
        connection.execute(text(f"create role {name} login password '{password}'"))
        connection.execute(text(f"grant all on schema public to {name}"))
    engine.dispose()
    url = f"jdbc:postgresql://127.0.0.1:{postgres.tcp_port}/{name}"
    return ServerDatabase(url=url, user=name, password=password)
