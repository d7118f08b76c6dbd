from collections.abc import AsyncGenerator, Iterator

import pytest

from testbed.browser import Browser, Chromedriver, start_chromedriver
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
