"""Makes the pictures of `docs/` from a running service, with Chromium.

python -m reference.pictures
"""

import asyncio
import html
import shutil
import tempfile
from base64 import b64decode, b64encode
from pathlib import Path

import httpx2

from reference import own_account
from testbed.accounts import PASSWORD
from testbed.browser import Browser, start_chromedriver
from testbed.processes import free_port
from testbed.service import ROOT, Service, command, make_environment, start_service

WIDTH = 720
EMAIL = "ada@example.org"
TERMINAL = """<!doctype html><meta charset="utf-8">
<body style="margin: 0; color: #e4e8f0; background: #12161f; font: 13px/1.5 monospace">
<pre style="margin: 0; padding: 20px; white-space: pre-wrap; font: inherit">{}</pre>"""
# Opens the request that queued a mail.
OPEN = """
const [first] = [...document.querySelectorAll("details")].filter((each) =>
  each.textContent.includes("password/forgot"));
first.open = true;
first.scrollIntoView();
"""


async def keep(browser: Browser, name: str, most: int = 4000) -> None:
    """Write a picture of the page, at most `most` pixels high."""
    height = await browser.run("return document.body.scrollHeight")
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": min(height, most), "scale": 1}
    options = {"format": "webp", "quality": 80, "captureBeyondViewport": True}
    taken = await browser.devtools("Page.captureScreenshot", clip=clip, **options)
    (ROOT / "docs" / f"{name}.webp").write_bytes(b64decode(taken["data"]))


async def story(browser: Browser, service: Service) -> None:
    forgot = f"{service.url}/api/v1/auth/password/forgot"
    request = httpx2.post(forgot, json={"email": EMAIL}, timeout=60)
    name = request.headers["X-Request-ID"]
    while not any(line["event"] == "mail.sent" for line in service.log()):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    line = ("why", name, "--logs", str(service.log_file))
    told = command(*line, environment=service.environment).stdout
    typed = f"$ .venv/bin/python -m app why {name} --logs app.log"
    page = TERMINAL.format(html.escape(f"{typed}\n{told}"))
    await browser.visit(f"data:text/html;base64,{b64encode(page.encode()).decode()}")
    await keep(browser, "why")


async def take(service: Service, driver: str) -> None:
    async with Browser.open(driver) as browser:
        await browser.emulate(WIDTH, "light")
        url = service.url.replace("127.0.0.1", "localhost")  # WebAuthn needs a name
        await own_account.show(browser, url, EMAIL)
        await keep(browser, "account-page")
        await story(browser, service)
        await browser.visit(f"{url}/dev/requests")
        await browser.run(OPEN)
        await keep(browser, "requests", 800)


def main() -> None:
    program = shutil.which("chromedriver")
    if program is None:
        raise SystemExit("chromedriver and Chromium are not installed.")
    with tempfile.TemporaryDirectory() as directory:
        home, port = Path(directory), free_port()
        url = f"http://127.0.0.1:{port}"
        environment = make_environment(home, PUBLIC_BASE_URL=url)
        command("setup", environment=environment)
        line = ("users", "create", "--email", EMAIL, "--role", "editor")
        command(*line, "--password-stdin", environment=environment, stdin=PASSWORD)
        with (
            start_service(home, environment=environment, port=port) as service,
            start_chromedriver(home, program) as driver,
        ):
            asyncio.run(take(service, driver.url))


if __name__ == "__main__":
    main()
