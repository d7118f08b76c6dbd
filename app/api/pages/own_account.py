"""The page on which users look after their own account.

It uses the public API, as any other page could. Each section is a template. If HTML is
not enough for a section, the section also has a script of the same name. To remove a
section, delete its files and its line in `SECTIONS`.
"""

from fastapi import FastAPI

from app.api.pages import SCRIPTED, STATIC, add_endpoints, asset, page
from app.core.config import Settings

# A QR code comes as a data URL.
IMAGES = SCRIPTED.replace("img-src 'self'", "img-src 'self' data:")
POLICY = {
    "Content-Security-Policy": (
        f"{IMAGES}; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
}
SECTIONS = (
    "sessions",
    "password",
    "second_factors",
    "totp",
    "passkeys",
    "external_identities",
    "api_keys",
    "security_events",
    "deletion",
)


def add_own_account(app: FastAPI, settings: Settings) -> None:
    scripts = [name for name in SECTIONS if (STATIC / folder(f"{name}.js")).exists()]
    names = ["page.css", "page.js", "session.js", *(f"{name}.js" for name in scripts)]
    endpoints = {f"/account/own/{name}": asset(folder(name)) for name in names}
    endpoints["/account"] = page(
        "own_account/page.html",
        POLICY,
        root="",
        title="Your account",
        api=settings.api_v1_prefix,
        min_length=settings.password_min_length,
        sections=SECTIONS,
        scripts=scripts,
    )
    reason = "It shows no data of any account before its script has asked the API."
    add_endpoints(app, endpoints, reason)


def folder(name: str) -> str:
    return f"own_account/{name}"
