"""TLS to PostgreSQL, as the URL demands by `sslmode` and `sslrootcert`.

The PostgreSQL of the tests has no TLS, so a relay in front of it speaks TLS.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from app.core.errors import DatabaseUnavailable
from app.db.session import Database
from tests.conftest import make_settings
from tests.support.certificates import HOST, write_certificate


@asynccontextmanager
async def tls_relay(
    certificate: Path, port: int
) -> AsyncGenerator[tuple[int, list[str]]]:
    """Relay TLS connections to a PostgreSQL.

    Yield the port, and a list of the connections: each is "tls" or "plain".
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    begun: list[str] = []

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(8)
            if first[4:] != b"\x04\xd2\x16\x2f":  # SSLRequest
                begun.append("plain")
                writer.close()
                return
            writer.write(b"S")
            await writer.start_tls(context)
            begun.append("tls")
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, upstream), pump(upstream_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1], begun


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path / "server.pem")


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full", "disable"])
async def test_is_used_as_sslmode_says(
    postgres_database_url: str, certificate: Path, mode: str
) -> None:
    """Mutant: hand `sslmode` to asyncpg as it is, so that each request is a 500."""
    original = make_url(postgres_database_url)
    async with tls_relay(certificate, original.port or 0) as (port, begun):
        url = original.set(host=HOST, port=port, query={"sslmode": mode})
        if mode.startswith("verify"):
            url = url.update_query_dict({"sslrootcert": str(certificate)})
        text_url = url.render_as_string(hide_password=False)
        async with Database(make_settings(database_url=text_url)) as database:
            if mode == "disable":
                with pytest.raises(DatabaseUnavailable):
                    await database.read.all(text("SELECT 1"), {})
            else:
                assert await database.read.all(text("SELECT 1"), {}) == [(1,)]

    assert set(begun) == {"plain" if mode == "disable" else "tls"}


async def test_refuses_a_server_whose_certificate_another_ca_signed(
    postgres_database_url: str, certificate: Path, tmp_path: Path
) -> None:
    other = write_certificate(tmp_path / "other.pem")
    original = make_url(postgres_database_url)
    async with tls_relay(certificate, original.port or 0) as (port, begun):
        query = {"sslmode": "verify-full", "sslrootcert": str(other)}
        url = original.set(host=HOST, port=port, query=query)
        text_url = url.render_as_string(hide_password=False)
        async with Database(make_settings(database_url=text_url)) as database:
            with pytest.raises(DatabaseUnavailable):
                await database.read.all(text("SELECT 1"), {})

    assert begun == []
