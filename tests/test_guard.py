"""What stands before Gradio's routes."""

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from genmodels.tabs.guard import MAX_BODY, Guard


@pytest.fixture
def client() -> TestClient:
    async def size(request: Request) -> JSONResponse:
        return JSONResponse(len(await request.body()))

    async def fail(request: Request) -> JSONResponse:
        raise KeyError("a secret")

    async def fail_later(request: Request) -> StreamingResponse:
        async def parts() -> Any:
            yield "a"
            raise KeyError("a secret")

        return StreamingResponse(parts())

    routes = [
        Route("/size", size, methods=["POST"]), Route("/fail", fail), Route("/later", fail_later),
        Route("/gradio_api/{path:path}", size, methods=["GET", "POST"]),
    ]  # fmt: skip
    return TestClient(Starlette(routes=routes, middleware=[Middleware(Guard)]))


def test_a_body_has_a_bound_whether_or_not_it_is_announced(client: TestClient) -> None:
    assert client.post("/size", content=b"x" * 1000).json() == 1000
    part = b"x" * 1_000_000
    for content in (part * (MAX_BODY // len(part) + 1), (part for _ in range(MAX_BODY // len(part) + 1))):
        answer = client.post("/size", content=content)
        assert answer.status_code == 413
        assert answer.json()["error"] == "A request may have 16 MB at most."


def test_a_route_that_fails_is_answered_and_told_in_one_line(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/fail")
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")
    client.get("/later")
    assert [record.getMessage() for record in caplog.records if record.name.endswith("guard")] == [
        "GET '/fail' can't be answered: KeyError",
        "GET '/later' can't be answered: KeyError",
    ]
    assert "secret" not in caplog.text + json.dumps(answer.json())


@pytest.mark.parametrize(
    "path", ["file=/etc/passwd", "upload", "vibe-code/", "run/work_cpu", "proxy=http://x", "dev/reload"]
)
def test_what_no_visitor_needs_is_closed(client: TestClient, path: str) -> None:
    assert client.get(f"/gradio_api/{path}").status_code == 404
    assert client.get("/gradio_api/queue/data").status_code == 200
