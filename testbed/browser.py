"""Chromium without a window, which chromedriver controls (W3C WebDriver)."""

import signal
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self

from httpx2 import AsyncClient, Limits

from testbed.processes import ENVIRONMENT, Server

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # root and containers cannot have a sandbox
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
)
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "isUserConsenting": True,
    "defaultBackupEligibility": True,
    "defaultBackupState": True,
}
# Evaluates the expression after each change of the page, until it is true or WebDriver
# ends the script because of its timeout.
UNTIL = """
return new Promise((resolve) => {{
  const look = () => {{
    const found = {expression};
    if (!found) return;
    watch.disconnect();
    resolve(found);
  }};
  const watch = new MutationObserver(look);
  watch.observe(document, {{
    subtree: true, childList: true, attributes: true, characterData: true,
  }});
  look();
}});
"""


class Chromedriver(Server):
    name = "chromedriver"
    parting = signal.SIGTERM

    def __init__(self, directory: Path, program: str) -> None:
        super().__init__(directory)
        self.program = program
        # The profile and the crash reports stay in the directory.
        home = str(directory)
        self.environment = {**ENVIRONMENT, "HOME": home, "TMPDIR": home}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _command(self) -> Sequence[str | Path]:
        return [self.program, f"--port={self.port}"]


@contextmanager
def start_chromedriver(directory: Path, program: str) -> Iterator[Chromedriver]:
    server = Chromedriver(directory, program)
    try:
        server.start_on_a_free_port()
        yield server
    finally:
        server.end(signal.SIGTERM)


class Browser:
    """One browser with a profile of its own, and the commands that tests need."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.session = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, driver: str, *arguments: str) -> AsyncGenerator[Self]:
        options = {"args": [*ARGUMENTS, *arguments]}
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": 30_000, "implicit": 30_000},
        }
        limits = Limits(max_keepalive_connections=0)
        async with AsyncClient(base_url=driver, timeout=60, limits=limits) as client:
            browser = cls(client)
            body = {"capabilities": {"alwaysMatch": wanted}}
            opened = await browser.command("POST", "/session", body)
            browser.session = f"/session/{opened['sessionId']}"
            try:
                yield browser
            finally:
                await browser.command("DELETE", browser.session)

    async def command(self, method: str, path: str, body: Any = None) -> Any:
        body = ({} if body is None else body) if method == "POST" else None
        answer = await self.client.request(method, path, json=body)
        value = answer.json()["value"]
        if answer.status_code != 200:
            raise RuntimeError(f"{value['error']}: {value['message']}")
        return value

    async def visit(self, url: str) -> None:
        """Load a page, even if it is open already."""
        await self.command("POST", f"{self.session}/url", {"url": url})

    async def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page, and wait for its promise."""
        body = {"script": script, "args": arguments}
        return await self.command("POST", f"{self.session}/execute/sync", body)

    async def until(self, expression: str) -> Any:
        """Wait until an expression of JavaScript is true, and return its value."""
        return await self.run(UNTIL.format(expression=expression))

    async def fill(self, within: str = "body", /, **values: str) -> None:
        """Type into the fields with these names."""
        for name, value in values.items():
            field = await self._find(f'{within} [name="{name}"]')
            await self.command("POST", f"{field}/clear")
            await self.command("POST", f"{field}/value", {"text": value})

    async def click(self, selector: str) -> None:
        await self.command("POST", f"{await self._find(selector)}/click")

    async def emulate(self, width: int, scheme: str) -> None:
        """Show pages as on a screen of this width, in the scheme `light` or `dark`."""
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1}
        feature = {"name": "prefers-color-scheme", "value": scheme}
        for command, values in (
            ("Emulation.setDeviceMetricsOverride", {**screen, "mobile": width < 600}),
            ("Emulation.setEmulatedMedia", {"features": [feature]}),
        ):
            await self.devtools(command, **values)

    async def devtools(self, command: str, **values: Any) -> Any:
        """Run a command of the Chrome DevTools Protocol."""
        body = {"cmd": command, "params": values}
        path = f"{self.session}/goog/cdp/execute"
        return await self.command("POST", path, body)

    async def add_authenticator(self) -> None:
        """Add a virtual authenticator (WebAuthn §11)."""
        path = f"{self.session}/webauthn/authenticator"
        await self.command("POST", path, AUTHENTICATOR)

    async def accept(self) -> None:
        """Press OK in the dialog that the browser itself shows."""
        await self.command("POST", f"{self.session}/alert/accept")

    async def cookies(self) -> list[dict[str, Any]]:
        """List the cookies of the page, also those that no script can read."""
        found: list[dict[str, Any]] = await self.command(
            "GET", f"{self.session}/cookie"
        )
        return found

    async def errors(self) -> list[str]:
        """Take the errors from the console, such as a breach of the security policy."""
        body = {"type": "browser"}
        lines = await self.command("POST", f"{self.session}/se/log", body)
        return [line["message"] for line in lines if line["level"] == "SEVERE"]

    async def _find(self, selector: str) -> str:
        wanted = {"using": "css selector", "value": selector}
        path = f"{self.session}/element"
        found = await self.command("POST", path, wanted)
        return f"{path}/{next(iter(found.values()))}"
