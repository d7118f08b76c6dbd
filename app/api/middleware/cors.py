"""Decides which web pages can call this API (WHATWG Fetch, CORS)."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from app.api.problems import refusal_response
from app.core.errors import BadRequest

# This header lets a page send the cookie of its session, and read the answer.
# Starlette's `allow_credentials` would also send it to origins that are not allowed.
CREDENTIALS = "Access-Control-Allow-Credentials"


class PreflightRefused(BadRequest):
    """CORS does not allow this origin, method or header."""

    code = "preflight_refused"


class CrossOriginMiddleware(CORSMiddleware):
    """Starlette's middleware, with problem documents as errors."""

    @staticmethod
    def allow_explicit_origin(headers: MutableHeaders, origin: str) -> None:
        CORSMiddleware.allow_explicit_origin(headers, origin)
        headers[CREDENTIALS] = "true"

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            response.headers[CREDENTIALS] = "true"
            return response
        refusal = refusal_response(
            PreflightRefused("CORS does not allow this origin, method or header.")
        )
        for name, value in response.headers.items():
            if not name.startswith("content-"):
                refusal.headers[name] = value
        return refusal
