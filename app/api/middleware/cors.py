"""Which web pages may call (WHATWG Fetch, CORS)."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from app.api.problems import refusal_response
from app.core.errors import BadRequest


class PreflightRefused(BadRequest):
    """A page of this origin may not send such a request."""

    code = "preflight_refused"


class CrossOriginMiddleware(CORSMiddleware):
    """Starlette's, with refusals in the form of every other error."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        refusal = refusal_response(
            PreflightRefused("The origin, the method or a header is not allowed.")
        )
        for name, value in response.headers.items():
            if not name.startswith("content-"):
                refusal.headers[name] = value
        return refusal
