import json
import secrets
from typing import Annotated, Literal

import typer

from app.cli.console import output
from app.cli.lists import JsonLines
from app.core.config import get_settings

SHOWN = ("kid", "alg", "state", "not_after")

group = typer.Typer(name="keys", help="Generate and rotate secrets and keys.")


@group.command()
def generate(
    algorithm: Annotated[
        Literal["HS256", "ES256", "Ed25519"],
        typer.Option(
            help="HS256 prints a secret for SECRET_KEY. The other algorithms print a "
            "key ring for SIGNING_KEYS: a list of a current and a next key pair."
        ),
    ] = "HS256",
) -> None:
    """Print a new value for SECRET_KEY or SIGNING_KEYS."""
    from app.core.tokens.signing_keys import generate

    if algorithm == "HS256":
        show("SECRET_KEY", secrets.token_urlsafe(48))
    else:
        show_ring([generate(algorithm), generate(algorithm, "next")])


@group.command(name="list")
def list_keys(*, as_json: JsonLines = False) -> None:
    """List the IDs and states of the keys that verify access tokens.

    The list never contains a key.
    """
    from app.core.tokens.signing_keys import SigningKeys
    from app.state import secret_ring

    settings = get_settings()
    if settings.signing_keys is None:
        keys = SigningKeys.from_secret(secret_ring(settings))
        entries = [
            {"kid": key.kid, "alg": "HS256", "state": "retired" if old else "current"}
            for old, key in enumerate(keys)
        ]
    else:
        entries = json.loads(settings.signing_keys.get_secret_value())
    for entry in entries:
        shown = {name: entry[name] for name in SHOWN if name in entry}
        if as_json:
            output.out(json.dumps(shown))
            continue
        until = f"  until {entry['not_after']}" if "not_after" in entry else ""
        output.print(f"{entry['kid']}  {entry['alg']}  {entry['state']}{until}")


@group.command()
def rotate() -> None:
    """Make a new key, and print the settings that use it.

    Nothing changes until you set these values, for example in `.env`, and restart. Then
    the service signs new tokens with the next key. Users stay logged in, because the
    service still accepts tokens of the old key.
    """
    from app.core.tokens.signing_keys import rotate

    settings = get_settings()
    if settings.signing_keys is not None:
        show_ring(rotate(json.loads(settings.signing_keys.get_secret_value())))
        return
    show("SECRET_KEY_PREVIOUS", settings.secret_key.get_secret_value())
    show("SECRET_KEY", secrets.token_urlsafe(48))


def show_ring(ring: object) -> None:
    show("SIGNING_KEYS", f"'{json.dumps(ring, separators=(',', ':'))}'")


def show(name: str, value: str) -> None:
    output.print(f"{name}={value}")
