"""What stands before Gradio's routes: no body beyond a bound, none of the routes that no visitor needs, and a plain refusal where
a request that is none of ours makes one of them fail."""

import logging
import re

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 16_000_000  # bytes: an upload of 10 MB as base64, and what is around it
#: Of a host of files, of developers and of other components. Our pictures travel in answers, and as files of our own folders.
CLOSED = re.compile(
    r"/gradio_api/(file[=/]|proxy=|upload|stream/|process_recording|vibe-|undo-vibe|dev/|profiling/|run-history/|run/|api/"
    r"|custom_component/)|/monitoring(/|$)|/gradio_api/deep_link"
)
log = logging.getLogger(__name__)


class TooLarge(Exception):
    """A body beyond MAX_BODY."""


class Guard:
    """Middleware; see the module."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if CLOSED.search(scope["path"]):
            return await _refuse(404, "There is nothing here.", scope, receive, send)
        began, size = False, 0

        async def received() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY:
                raise TooLarge
            return message

        async def sent(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            if _announced(scope) > MAX_BODY:
                raise TooLarge
            await self.app(scope, received, sent)
        except TooLarge:
            if not began:
                await _refuse(413, f"A request may have {MAX_BODY // 10**6} MB at most.", scope, receive, send)
        except Exception as error:  # of Gradio's routes: ours answer their own failures
            log.warning("%s %.80r can't be answered: %s", scope["method"], scope["path"], type(error).__name__)
            if not began:
                await _refuse(400, "This can't be answered: it is no request of this page.", scope, receive, send)


def _announced(scope: Scope) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0


async def _refuse(status: int, said: str, scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"error": said}, status)(scope, receive, send)
