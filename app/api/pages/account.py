"""The pages that mailed links open, for deployments without a front end of their own.

A click shows a page; only its button uses the token, because programs that check
mail open every link. The token stays in the fragment, which no server ever sees.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Response
from starlette.responses import HTMLResponse

from app.api.authorization import public

POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
PAGES = {  # page: endpoint, title, what has happened in the end
    "verify-email": (
        "/auth/verify-email",
        "Confirm your e-mail address",
        "Your address is confirmed. You can sign in now.",
    ),
    "reset-password": (
        "/auth/password/reset",
        "Choose a new password",
        "Your password is changed. Sign in with the new one.",
    ),
    "confirm-email": (
        "/auth/email/confirm",
        "Confirm your new e-mail address",
        "Your address is changed. Sign in with the new one.",
    ),
}
FIELD = """<p><label>New password<br><input type="password" name="password"
autocomplete="new-password" required></label></p>"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 32em; margin: 3em auto;
padding: 0 1em }} input, button {{ font: inherit; padding: .4em .8em }}</style>
</head>
<body>
<h1>{title}</h1>
<form data-endpoint="{endpoint}" data-done="{done}">{field}
<button>{title}</button></form>
<p role="status"></p>
<script src="page.js"></script>
</body>
</html>
"""
SCRIPT = """const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [base] = location.pathname.split("/account/");
  const body = { token, ...Object.fromEntries(new FormData(form)) };
  try {
    const response = await fetch(base + form.dataset.endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (response.ok) {
      form.remove();
      status.textContent = form.dataset.done;
    } else {
      const problem = await response.json();
      status.textContent = problem.errors?.[0]?.message ?? problem.detail;
    }
  } catch {
    status.textContent = "The service cannot be reached. Try again.";
  }
});
"""


def add_account_pages(app: FastAPI, api_prefix: str) -> None:
    access = public("The token in the link is the credential.")

    @app.get("/account/page.js", include_in_schema=False, openapi_extra=access)
    async def script() -> Response:
        return Response(SCRIPT, media_type="text/javascript")

    for name, (endpoint, title, done) in PAGES.items():
        field = FIELD if name == "reset-password" else ""
        html = PAGE.format(
            title=title, endpoint=api_prefix + endpoint, done=done, field=field
        )
        app.add_api_route(
            f"/account/{name}",
            _page(html),
            include_in_schema=False,
            openapi_extra=access,
        )


def _page(html: str) -> Callable[[], Awaitable[HTMLResponse]]:
    async def page() -> HTMLResponse:
        return HTMLResponse(html, headers=POLICY)

    return page
