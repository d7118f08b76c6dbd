"""Requests to providers, limited in size and time: only safe URLs, no redirects."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

import httpx2
import orjson

from app.core.errors import explain
from app.core.logging import get_logger
from app.core.settings.external_identities import is_safe_url
from app.services.accounts.external_identities.providers import ProviderUnavailable

TIMEOUT_SECONDS = 4  # for each answer; most sign-ins need at most three answers
LARGEST_ANSWER = 256 * 1024

log = get_logger(__name__)


@dataclass
class Fetcher:
    local: bool  # whether `http` URLs count as safe if they name this machine

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()  # slow, so it is done once

    def check_url(self, url: object) -> str:
        """Return the URL. Raises `ValueError` if it is malformed or not safe."""
        if not isinstance(url, str) or not is_safe_url(url, local=self.local):
            raise ValueError("the URL is not safe")
        return url

    async def json(
        self, provider: str, method: str, url: str, **options: Any
    ) -> tuple[int, Any]:
        """Return the status and the JSON of an answer.

        Raises:
            ProviderUnavailable: There was no answer in time, or the answer is a 5xx, a
                redirect, too large, or not JSON.
        """
        with self.failing(provider):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status, body = await self._send(method, url, options)
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR or 300 <= status < 400:
                raise ValueError(f"status {status}")
            return status, orjson.loads(body)

    @contextmanager
    def failing(self, provider: str) -> Iterator[None]:
        """Log an error of the block, and raise `ProviderUnavailable` instead."""
        try:
            yield
        except (OSError, ValueError, httpx2.HTTPError) as error:
            log.warning("provider.failed", dependency=provider, **explain(error))
            raise ProviderUnavailable from error

    async def _send(
        self, method: str, url: str, options: dict[str, Any]
    ) -> tuple[int, bytes]:
        body = bytearray()
        async with (
            httpx2.AsyncClient(verify=self.tls, trust_env=False) as client,
            client.stream(
                method, self.check_url(url), follow_redirects=False, **options
            ) as answer,
        ):
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > LARGEST_ANSWER:
                    raise ValueError("the answer is too large")
        return answer.status_code, bytes(body)
