"""Answers that are made while they are sent."""

from contextlib import aclosing
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Send


class StreamedResponse(StreamingResponse):
    """Ends its generator when the client goes, not when it is collected as garbage."""

    def __init__(self, content: Any, **options: Any) -> None:
        super().__init__(content, **options)
        self.generator = content

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.generator):
            await super().stream_response(send)
