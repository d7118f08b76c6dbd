"""A sign-in provider for the tests, with OpenID Connect and the API of GitHub.

It runs in this process. It follows the specifications unless a test makes it lie.
"""

import hmac
import json
import secrets
from base64 import b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT_ID, CLIENT_SECRET = "the-app", "s3cret: with / signs"
Answer = tuple[int, Any]


def new_key() -> ECKey:
    return ECKey.generate_key("P-256", {"kid": secrets.token_hex(4)})


def encode(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


class Provider:
    def __init__(self, url: str) -> None:
        self.url = self.issuer = url
        self.keys = [new_key()]
        self.key: Any = self.keys[0]
        self.codes: dict[str, tuple[dict[str, str], dict[str, Any]]] = {}
        self.people: dict[str, dict[str, Any]] = {}  # by access token
        self.asked: Counter[str] = Counter()  # requests by path
        # Tests set these to make the provider hostile or unusual.
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.algorithm = "ES256"
        self.known = b""  # the key of HS256
        self.answers: dict[str, Answer] = {}  # by path, in place of the usual ones
        self.in_userinfo = False
        # The claims of the person for whom a browser opens `/authorize`.
        self.visitor: dict[str, Any] = {}

    def consent(self, authorization_url: str, **person: Any) -> dict[str, str]:
        """Log a person in, and return the parameters of the redirect."""
        asked = dict(parse_qsl(urlsplit(authorization_url).query))
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self.codes[code] = asked, {"sub": "1", **person}
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def answer(self, path: str, form: dict[str, str], authorization: str) -> Answer:
        scheme, _, given = authorization.partition(" ")
        match path:
            case "/.well-known/openid-configuration":
                return 200, self.discovery()
            case "/keys":
                return 200, {"keys": [key.as_dict(private=False) for key in self.keys]}
            case "/token" if scheme == "Basic":
                name, _, secret = b64decode(given).decode().partition(":")
                return self.exchange(form, unquote(name), unquote(secret))
            case "/login/oauth/access_token":
                return self.exchange(form, form["client_id"], form["client_secret"])
            case "/userinfo" if given in self.people:
                return 200, self.people[given]
            case "/api/v3/user" if given in self.people:
                person = self.people[given]
                return 200, {"id": int(person["sub"]), "name": person.get("name")}
            case "/api/v3/user/emails" if given in self.people:
                return 200, self.people[given]["emails"]
        return 404, {"error": "not_found"}

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def exchange(self, form: dict[str, str], name: str, secret: str) -> Answer:
        if (name, secret) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        asked, person = self.codes.pop(form["code"], ({}, {}))
        challenge = encode(sha256(form["code_verifier"].encode()).digest()).decode()
        if (asked.get("redirect_uri"), asked.get("code_challenge")) != (
            form["redirect_uri"],
            challenge,
        ):
            return 400, {"error": "invalid_grant"}
        access_token = secrets.token_urlsafe()
        self.people[access_token] = person
        about = {"sub": person["sub"]} if self.in_userinfo else person
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": int(time()),
            "exp": int(time()) + 60,
            "nonce": asked.get("nonce"),
            "at_hash": encode(sha256(access_token.encode()).digest()[:16]).decode(),
            **about,
            **self.claims,
        }
        tokens = {"access_token": access_token, "token_type": "Bearer"}
        if "nonce" in asked:
            claims = {name: value for name, value in claims.items() if value != ""}
            tokens["id_token"] = self.sign(claims)
        return 200, tokens

    def sign(self, claims: dict[str, Any]) -> str:
        if self.algorithm in {"none", "HS256"}:  # the library refuses to do this
            parts = ({"alg": self.algorithm, "kid": self.key.kid}, claims)
            text = b".".join(encode(json.dumps(part).encode()) for part in parts)
            signature = hmac.digest(self.known, text, "sha256")
            if self.algorithm == "none":
                signature = b""
            return (text + b"." + encode(signature)).decode()
        header = {"alg": self.algorithm, "kid": self.key.kid, **self.header}
        return jwt.encode(header, claims, self.key, algorithms=[self.algorithm])


@contextmanager
def serve_provider() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.reply(dict(parse_qsl(body.decode())))

        def reply(self, form: dict[str, str]) -> None:
            provider.asked[self.path] += 1
            authorization = self.headers.get("Authorization", "")
            location = f"{provider.url}/elsewhere"
            answer = provider.answers.get(self.path) or provider.answer(
                self.path, form, authorization
            )
            if self.path.startswith("/authorize?"):
                returned = provider.consent(self.path, **provider.visitor)
                [redirect_uri] = parse_qs(urlsplit(self.path).query)["redirect_uri"]
                answer = 302, b""
                location = f"{redirect_uri}?{urlencode(returned)}"
            status, content = answer
            raw = isinstance(content, bytes)
            body = content if raw else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
