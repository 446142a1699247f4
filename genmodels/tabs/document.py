"""The page's document: our modules in the head of Gradio's, so that the page begins with the document.

Gradio renders its page in the browser, and a component's own script runs when all of that is done: half a second in which
nothing is to be seen. What the page is laid out from stands in the document anyway (`window.gradio_config`), so our
modules can start at once. Gradio's, which keep its log-in, the page of the API and the footer, are put off: `start.js`
begins them when the first picture is there, or at once where the page isn't ours.
"""

import functools
import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WEB = Path(str(files("genmodels") / "web" / "elements"))
#: Where the modules are served: another address for other contents, so that no browser mixes two versions.
ELEMENTS = "/elements/" + hashlib.sha256(b"".join(path.read_bytes() for path in sorted(WEB.iterdir()))).hexdigest()[:12]
#: Of the theme; one that comes after the first layout would move it.
FONTS = ("Regular", "Bold")
_IMPORT = re.compile(r"""^(?:import|.*\bfrom) '\./([\w-]+\.js)'""", re.MULTILINE)
_GRADIO = re.compile(rb'<script type="module" crossorigin src="([^"]+)"></script>')
_API = re.compile(rb"<script>window\.gradio_api_info = [^<]*</script>")
_THEME = re.compile(rb'"theme_hash":\s*"(\w+)"')


@functools.cache
def modules(first: str = "start.js") -> tuple[str, ...]:
    """A module and all that it imports, and these: what a page begins with, and not what it asks for at a press."""
    found = [first]
    for name in found:
        found += [one for one in _IMPORT.findall((WEB / name).read_text("utf-8")) if one not in found]
    return tuple(sorted(found))


def tags(document: bytes) -> bytes:
    """What goes into the head of a page: its fonts and theme, our style sheet, and its modules at once, not one after the other."""
    theme = _THEME.search(document)
    sheets = [f"theme.css?v={theme[1].decode()}" if theme else "theme.css", f"{ELEMENTS[1:]}/page.css"]
    fonts = [f"static/fonts/IBMPlexSans/IBMPlexSans-{weight}.woff2" for weight in FONTS]
    lines = [
        *(f'<link rel="preload" as="font" type="font/woff2" crossorigin href="{font}">' for font in fonts),
        *(f'<link rel="stylesheet" href="{sheet}">' for sheet in sheets),
        *(f'<link rel="modulepreload" href="{ELEMENTS[1:]}/{name}">' for name in modules()),
        f'<script type="module" src="{ELEMENTS[1:]}/start.js"></script>',
    ]
    return "\n".join(lines).encode()


def with_tags(document: bytes, alone: bool = False) -> bytes:
    """A page of Gradio's that begins with ours; any other document as it is, also one without the place for our tags.
    A section alone (see start.js) does without Gradio's modules, and without what its page of the API says."""
    if b"<gradio-app" not in document or b"<base" not in document:
        return document
    rel = b"" if alone else b'rel="modulepreload" '
    document = _GRADIO.sub(rb'<link %scrossorigin href="\1" data-later>' % rel, document)
    if alone:
        document = _API.sub(b"", document)
    return document.replace(b"<base", tags(document) + b"\n<base", 1)


class WithElements:
    """Middleware that puts `tags` into Gradio's pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a page back until it is whole; let everything else pass."""
        started: Message | None = None
        body = b""

        async def sent(message: Message) -> None:
            nonlocal started, body
            if message["type"] == "http.response.start" and _is_page(message):
                started = message
            elif started is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    body = with_tags(body, alone=b"only=" in scope["query_string"])
                    MutableHeaders(raw=started["headers"])["content-length"] = str(len(body))
                    await send(started)
                    await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, sent if scope["type"] == "http" and scope["method"] == "GET" else send)


def _is_page(start: dict[str, Any] | Message) -> bool:
    return MutableHeaders(raw=start["headers"]).get("content-type", "").startswith("text/html")
