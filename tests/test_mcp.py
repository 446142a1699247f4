"""The sections as tools for agents: GENMODELS_MCP=1, asked by the official client."""

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import ROOT, free_port, in_background, python, wait_until_served

from genmodels import checkpoint
from genmodels.tabs import page

pytestmark = pytest.mark.skipif(not checkpoint.bundled(), reason="no bundled models")
SECTIONS = {section.endpoint: section for section in page.sections().values() if section.is_ready}
#: The client lists the tools, calls one, and one with what can't be.
CLIENT = """
import asyncio, json, sys
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

async def main():
    async with streamablehttp_client(sys.argv[1]) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        good = await session.call_tool("vae_map", {"model": "vae2d-mnist", "x": 1.0, "y": -1.0})
        bad = await session.call_tool("vae_map", {"x": 99.0})
        print(json.dumps({
            "tools": {tool.name: {"says": tool.description, "takes": tool.inputSchema} for tool in tools},
            "good": [content.text for content in good.content], "bad": [content.text for content in bad.content],
            "failed": bad.isError,
        }))

asyncio.run(main())
"""


@pytest.mark.parametrize("endpoint", SECTIONS)
def test_every_argument_is_described(endpoint):
    """In its section's docstring, a line each, which says what it may be."""
    section = SECTIONS[endpoint]
    function = section.function()
    title, _, arguments = function.__doc__.partition("Args:")
    assert title.startswith(f"{section.title}. {section.text}")
    described = dict(line.strip().split(": ", 1) for line in arguments.splitlines() if line.strip())
    assert list(described) == list(function.__signature__.parameters)
    assert all(len(words) > 8 for words in described.values())


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The packages of MCP, which want an older pydantic than ours, in front of this environment's."""
    if importlib.util.find_spec("mcp"):
        return ""
    folder = tmp_path_factory.mktemp("mcp")
    wanted = ["mcp>=1.21,<2", "pydantic>=2.11.10,<=2.12.5"]
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), *wanted]
    if subprocess.run(command, capture_output=True, timeout=300).returncode:
        pytest.skip("no registry of packages is in reach")
    return str(folder)


@pytest.fixture(scope="module")
def path(overlay: str) -> str:
    return ":".join(filter(None, [overlay, str(ROOT)]))


@pytest.fixture(scope="module")
def address(path: str) -> Iterator[str]:
    port = free_port()
    with in_background() as start:
        env = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "GENMODELS_MCP": "1"}
        wait_until_served(f"http://127.0.0.1:{port}", start("app.py", PYTHONPATH=path, **env))
        yield f"http://127.0.0.1:{port}/gradio_api/mcp/"


@pytest.mark.slow
@pytest.mark.skipif("vae2d-mnist" not in checkpoint.bundled(), reason="no VAE with a map is bundled")
def test_an_agent_finds_and_calls_the_sections(address: str, path: str, tmp_path: Path):
    result = python("-c", CLIENT, address, cwd=tmp_path, PYTHONPATH=path)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["tools"].keys() == SECTIONS.keys()
    for name, tool in found["tools"].items():
        assert tool["says"].startswith(SECTIONS[name].title)
        arguments = tool["takes"]["properties"]
        assert list(arguments) == list(SECTIONS[name].function().__signature__.parameters)
        assert all(argument.get("description") for argument in arguments.values()), name
    assert ast.literal_eval(found["good"][0])["picture"]["shape"] == [1, 1, 28, 28]
    assert found["failed"]
    assert "must be a number from -8 to 8, not 99.0." in found["bad"][0]
