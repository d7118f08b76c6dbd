from collections.abc import AsyncGenerator, Iterator

import pytest
from fastapi import FastAPI

from app.db.models.user import User
from testbed.browser import Browser, Chromedriver, start_chromedriver
from testbed.serving import serving
from tests.support.people import People
from tests.support.tools import tool


@pytest.fixture(scope="session")
def chromedriver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromedriver]:
    program = tool("chromedriver")
    if program is None or not (tool("chromium") or tool("google-chrome")):
        pytest.skip("chromium and chromedriver are not installed")
    with start_chromedriver(tmp_path_factory.mktemp("chromedriver"), program) as driver:
        yield driver


@pytest.fixture
async def browser(chromedriver: Chromedriver) -> AsyncGenerator[Browser]:
    async with Browser.open(chromedriver.url) as browser:
        yield browser


@pytest.fixture
async def site(app: FastAPI) -> AsyncGenerator[str]:
    async with serving(app) as port:
        yield f"http://localhost:{port}"


@pytest.fixture
async def account(people: People) -> User:
    return await people.add(email="ada@example.org")
