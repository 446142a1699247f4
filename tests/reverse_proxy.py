"""A reverse proxy as nginx is one in docs/hosting.md: what comes under a path goes to another server, without that path.

python tests/reverse_proxy.py PORT /path http://127.0.0.1:7860
"""

import contextlib
import sys
from collections.abc import AsyncIterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route

HOP = {"host", "connection", "transfer-encoding", "keep-alive"}


def proxy(path: str, target: str) -> Starlette:
    once = httpx.Limits(max_keepalive_connections=0)  # the other end may be closing what is kept
    client = httpx.AsyncClient(base_url=target, timeout=None, limits=once)

    async def passed_on(request: Request) -> Response:
        url = httpx.URL(path=request.scope["path"].removeprefix(path), query=request.url.query.encode())
        headers = {name: value for name, value in request.headers.items() if name not in HOP}
        headers |= {"host": request.headers["host"], "x-forwarded-proto": "http"}
        asked = client.build_request(request.method, url, headers=headers, content=await request.body())
        try:
            answer = await client.send(asked, stream=True)
        except httpx.ConnectError:
            return Response("Bad gateway", 502)
        told = {name: value for name, value in answer.headers.items() if name not in HOP}
        return StreamingResponse(content(answer), answer.status_code, told)

    async def content(answer: httpx.Response) -> AsyncIterator[bytes]:
        async with contextlib.aclosing(answer):
            async for chunk in answer.aiter_raw():
                yield chunk

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await (await passed_on(Request(scope, receive)))(scope, receive, send)

    icon = Route("/favicon.ico", lambda request: Response(status_code=204))  # the host's own
    return Starlette(routes=[Mount(path, app), icon])


if __name__ == "__main__":
    port, path, target = sys.argv[1:]
    uvicorn.run(proxy(path, target), host="127.0.0.1", port=int(port), log_level="warning")
