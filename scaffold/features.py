"""The features that `remove feature` and `new --without` take out."""

from pathlib import Path
from typing import NamedTuple

from scaffold import stems
from scaffold.refusal import Refused
from scaffold.repository import tracked
from scaffold.stems import Stem


class Feature(NamedTuple):
    about: str
    # The name in the singular, the table, and further names in its files and lines.
    stem: Stem


FEATURES = {
    "api-keys": Feature("keys of programs", Stem(("api_key", "api_keys"))),
    "breached-passwords": Feature(
        "the check of new passwords against data breaches",
        Stem(("breached_password", "breached_passwords", "breaches", "breach_checks")),
    ),
    "browser-sessions": Feature(
        "sessions in cookies, and the pages that need them",
        Stem(
            (
                "browser_session",
                "browser_sessions",
                "browsers.md",
                "browser.html",
                "own_account",
                "account_page",
                "provider_pages",
            )
        ),
    ),
    "identities": Feature(
        "sign-in with Google, GitHub and other providers",
        Stem(
            (
                "external_identity",
                "external_identities",
                "identities",
                "provider_pages",
            )
        ),
    ),
    "passkeys": Feature("sign-in with passkeys", Stem(("passkey", "passkeys"))),
    "totp": Feature(
        "codes of authenticator apps", Stem(("totp", "totp_secrets", "sealing"))
    ),
}


def present(root: Path) -> dict[str, Feature]:
    """Return the features that the checkout still has."""
    files = [*tracked(root)]
    return {
        name: feature
        for name, feature in FEATURES.items()
        if any(feature.stem.owns(file) for file in files)
    }


def find(root: Path, name: str) -> Stem:
    """Find a feature by its name. Raise `Refused` if there is none."""
    left = present(root)
    if name in left:
        return left[name].stem
    there = ", ".join(f"{each} ({left[each].about})" for each in left) or "none"
    raise Refused(f"There is no feature {name} to remove. There are: {there}.")


def find_any(root: Path, name: str) -> Stem:
    """Find a feature or a resource."""
    return find(root, name) if name in FEATURES else stems.find(root, name)
