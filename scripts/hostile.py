"""Hostile requests: start the app, send it what no page of ours would send, and see that it stays polite, shut and whole.

    PYTHONPATH=. python scripts/hostile.py

Prints a Markdown table by kind of request, and ends with 1 if one was answered by a failure of the server, with more than a
sentence, with a trace of its code, or with something that is none of a visitor's business: a file of the host or a token,
which the app is started with for that purpose. Its log must hold no traceback and no token either.
"""

import base64
import concurrent.futures
import contextlib
import io
import json
import math
import secrets
import socket
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
from PIL import Image, PngImagePlugin
from serving import Served, component, running_app

TABS, SLOW = 100, 40  # of one visitor; connections that send a byte and wait
LONGEST = 1500  # characters of a sentence that lists what is allowed
TRACES = ("Traceback", 'File "/', "root:x:0", "site-packages")


class Reply(NamedTuple):
    """What came back; status 0: the connection was closed without an answer."""

    status: int
    text: str
    kind: str = ""


class Host:
    """The app, and the ways to ask it."""

    def __init__(self, served: Served, page: dict[str, Any], secret: Path) -> None:
        self.http = httpx.Client(base_url=served.address, timeout=20)
        self.place = ("127.0.0.1", int(served.address.rpartition(":")[2]))
        self.component, self.spec, self.secret = page["id"], page["props"]["props"]["spec"], secret
        self.sections = {s["key"]: s for tab in self.spec["tabs"] for s in tab["sections"]}

    def send(self, method: str, path: str, **more: Any) -> Reply:
        try:
            with self.http.stream(method, path, **more) as answer:
                text = next(answer.iter_text(100_000), "")
                return Reply(answer.status_code, text, answer.headers.get("content-type", ""))
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            return Reply(0, "")
        except httpx.TimeoutException:
            return Reply(504, f"{method} {path[:40]} was not answered")

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, content=content, headers={"content-type": "application/json"} | headers)

    def ask(self, section: Any, state: Any, **more: Any) -> Reply:
        """A direct call; work is asked for by the queue, and its first answer read."""
        if isinstance(section, str) and self.sections.get(section, {}).get("work"):
            return self.work(section, state)
        body = {"component_id": self.component, "fn_name": "ask", "session_hash": "hostile"} | more
        return self.post("/gradio_api/component_server", body | {"data": {"section": section, "state": state}})

    def work(self, section: Any, state: Any) -> Reply:
        lane = self.sections.get(section, {}).get("lane", "cpu") if isinstance(section, str) else "cpu"
        call = f"/gradio_api/call/work_{lane}"
        sent = self.post(call, {"data": [section, state]})
        if sent.status != 200:
            return sent
        try:
            with self.http.stream("GET", f"{call}/{json.loads(sent.text)['event_id']}") as stream:
                data = next((line for line in stream.iter_lines() if line.startswith("data: [")), "data: [null]")
            return Reply(200, json.dumps(json.loads(data.removeprefix("data: "))[0]), "application/json")
        except httpx.HTTPError as error:
            return Reply(500, repr(error))

    def raw(self, data: bytes) -> Reply:
        """Bytes as they are, which a client of HTTP would not send."""
        with socket.create_connection(self.place, timeout=20) as line:
            with contextlib.suppress(OSError):
                line.sendall(data)
            answer = b""
            with contextlib.suppress(OSError):
                while len(answer) < 10_000 and (part := line.recv(4096)):
                    answer += part
        head, _, text = answer.decode("latin-1").partition("\r\n\r\n")
        return Reply(int(head.split()[1]) if head.startswith("HTTP") else 0, text)


# -- what is asked -----------------------------------------------------------------------------------------------------


def paths_up(host: Host) -> Iterator[Reply]:
    """Out of the folders that are served."""
    document = host.http.get("/").text
    elements = document.split("/start.js")[0].rpartition('"')[2].lstrip("/")
    for folder in (elements, "pictures", "static", "assets", "svelte", "gradio_api/file"):
        for up in (
            "../app.py",
            "..%2fapp.py",
            "%2e%2e/%2e%2e/app.py",
            "....//app.py",
            "..%5capp.py",
            "%2fetc%2fpasswd",
        ):
            yield host.send("GET", f"/{folder}/{up}")
        yield host.raw(
            f"GET /{folder}/../../../../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )


def files(host: Host) -> Iterator[Reply]:
    """Files of the host by Gradio's own routes."""
    for name in (
        str(host.secret),
        "/etc/passwd",
        "app.py",
        str(Path("app.py").absolute()),
        "/proc/self/environ",
        "file:///etc/passwd",
    ):
        for route in ("file=", "file/", "proxy="):
            yield host.send("GET", f"/gradio_api/{route}{quote(name, safe='/:')}")
    for url in ("http://169.254.169.254/latest/meta-data", "http://127.0.0.1:22", "https://example.org"):
        for route in ("file=", "proxy="):
            yield host.send("GET", f"/gradio_api/{route}{url}")


def file_values(host: Host) -> Iterator[Reply]:
    """A file of the host as if it had been uploaded."""
    for path in (str(host.secret), "/etc/passwd"):
        value = {"path": path, "meta": {"_type": "gradio.FileData"}}
        yield host.ask("vae.where", {"picture": value})
        yield host.ask("page.upload", {"model": "vae-mnist", "file": value})
        yield host.work("pixelcnn.finish", {"picture": value})
        yield host.post("/gradio_api/call/vae_where", {"data": ["vae2d-mnist", value]})


def numbers(host: Host) -> Iterator[Reply]:
    """Giant ones, and what is none."""
    bad: Any
    for bad in (math.nan, math.inf, -math.inf, 10**18, -(10**400), 1e308, 0.1 + 0.2j.imag):
        for section, key in (
            ("vae.map", "x"),
            ("vae.generate", "n"),
            ("gan.walk", "frames"),
            ("pixelcnn.write", "temperature"),
        ):
            yield host.ask(section, {key: bad})


def types(host: Host) -> Iterator[Reply]:
    """The wrong type for a value of every section."""
    bad: list[Any] = [None, True, [], {}, [[]], "<b>", "\\x00", -1, {"$gt": 0}, ["__proto__"], 1.5]
    for i, section in enumerate(host.sections.values()):
        for j, key in enumerate(section["fields"]):
            if section["lane"] in ("cpu", "heavy") and bad[(i + j) % len(bad)] is not None:
                yield host.ask(section["key"], {key: {"not": bad[(i + j) % len(bad)]}})


def keys(host: Host) -> Iterator[Reply]:
    for key in ("unicorn", "__class__", "model.__init__", "", "x" * 5000):
        yield host.ask("vae.map", {key: 1})
    for model in (
        "../../etc/passwd",
        "vae-mnist/../vae-mnist",
        "",
        7,
        ["vae-mnist"],
        {"a": 1},
        "\u0000",
        "x" * 100_000,
    ):
        yield host.ask("vae.generate", {"model": model})


def sections(host: Host) -> Iterator[Reply]:
    section: Any
    for section in (
        None,
        5,
        [],
        {},
        "",
        "vae",
        "vae.nothing",
        "page.",
        "__import__",
        "os.system",
        "x" * 100_000,
        "vae.map\n",
    ):
        yield host.ask(section, {})
        yield host.work(section, {})


def components(host: Host) -> Iterator[Reply]:
    """Other components, functions and sessions."""
    component_id: Any
    for component_id in (-1, 0, 10**9, "1", None, [], {}, 1.5):
        yield host.ask("vae.map", {}, component_id=component_id)
    name: Any
    for name in ("__init__", "launch", "answer", "__class__", "props", "", None, [], 5, "ask\n"):
        yield host.ask("vae.map", {}, fn_name=name)
    session: Any
    for session in (None, [], {}, 5, "x" * 10_000, "../../x"):
        yield host.ask("vae.map", {}, session_hash=session)


def bodies(host: Host) -> Iterator[Reply]:
    """No JSON, or deep, or half of it."""
    server = "/gradio_api/component_server"
    for body in (
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"{}" * 1000,
        b'{"data": NaN}',
        b"[" * 100_000,
        b'{"a":' * 20_000,
    ):
        yield host.post(server, body)
        yield host.post("/gradio_api/call/work_cpu", body)
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    yield host.ask("vae.map", {"x": deep})
    yield host.work("pixelcnn.write", {"n": deep})


def huge(host: Host) -> Iterator[Reply]:
    yield host.ask("page.upload", {"model": "vae-mnist", "file": "A" * 30_000_000})
    yield host.ask("vae.where", {"picture": "A" * 20_000_000})
    yield host.work("pixelcnn.finish", {"picture": "A" * 20_000_000})
    yield host.post("/gradio_api/queue/join", b'{"data": ["' + b"x" * 20_000_000 + b'"]}')


def mime(host: Host) -> Iterator[Reply]:
    body = {
        "component_id": host.component,
        "fn_name": "ask",
        "session_hash": "s",
        "data": {"section": "vae.map", "state": []},
    }
    for kind in (
        "text/plain",
        "application/xml",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "image/png",
        "",
        "a/b; charset=\\",
    ):
        yield host.post("/gradio_api/component_server", body, **{"content-type": kind})
        yield host.post("/gradio_api/call/work_cpu", {"data": ["vae.map", []]}, **{"content-type": kind})


def pictures(host: Host) -> Iterator[Reply]:
    """Drawings that are none."""
    for value in (
        "AAAA",
        "no base64!",
        "#999",
        "#x",
        "#-9999999999",
        "",
        "A" * 150_000,
        "data:image/png;base64,AAAA",
        "=" * 100,
        "\u0661" * 8,
    ):
        for section in ("vae.where", "gan.critic", "pixelcnn.finish"):
            yield host.ask(section, {"picture": value})


def packed(host: Host) -> Iterator[Reply]:
    """Drawings of a link that unpack to much, to little or to nothing."""
    bomb = zlib.compress(bytes(10**8), 9)[2:-4]
    for raw in (bomb, bomb[:50], zlib.compress(b"x")[2:-4], b"", b"\xff" * 999):
        for mark in (".d", ".p", ".", ".x", "..."):
            yield host.ask(
                "vae.where", {"picture": mark + base64.urlsafe_b64encode(raw).decode().rstrip("=")[:190_000]}
            )


def uploads(host: Host) -> Iterator[Reply]:
    """What is no picture, or too much of one."""
    for raw in (
        b"",
        b"\x89PNG nonsense",
        b"GIF89a",
        b"<svg onload='alert(1)'/>",
        b"%PDF-1.4",
        b"PK\x03\x04" + bytes(1000),
        b"\xff\xd8\xff" + bytes(99),
        _bomb(60_000, 60_000),
        _bomb(1, 10**9),
        _frames(),
        b"#!/bin/sh\nid",
    ):
        yield host.ask("page.upload", {"model": "vae-mnist", "file": base64.b64encode(raw).decode()})
    file: Any
    for file in ("@@", 5, None, [], "AAAA\n", "A"):
        yield host.ask("page.upload", {"model": "vae-mnist", "file": file})


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    )


def _frames() -> bytes:
    file = io.BytesIO()
    first, *rest = [Image.new("L", (8, 8), i % 256) for i in range(500)]
    first.save(file, "gif", save_all=True, append_images=rest)
    return file.getvalue() + bytes(100)


def png_text(host: Host) -> Iterator[Reply]:
    """Pictures whose text is not for us. (The page reads the text of ours; the server none.)"""
    for text in ("<script>alert(1)</script>", "x" * 2_000_000, "\u0000", '{"section": "os.system"}'):
        info, file = PngImagePlugin.PngInfo(), io.BytesIO()
        info.add_text("section", text, zip=len(text) > 1000)
        info.add_itxt("model", text)
        Image.new("RGB", (9, 9)).save(file, "png", pnginfo=info)
        yield host.ask("page.upload", {"model": "vae-mnist", "file": base64.b64encode(file.getvalue()).decode()})


def links(host: Host) -> Iterator[Reply]:
    """Addresses that were tampered with, and what the page has checked of them."""
    for asked in (
        "tab=../../etc",
        "tab=%00",
        "only=vae.map.x",
        "tab=vae&x=" + "9" * 4000,
        "model=%3Cscript%3E",
        "__theme=%22%3E%3Cscript%3E",
        "hide=%FF%FE",
        "view=api&tab[]=1",
    ):
        yield host.send("GET", f"/?{asked}")
    state: Any
    for state in (
        5,
        None,
        [],
        {"x": "1e999"},
        {"model": "a/b"},
        {"picture": "#0" * 9999},
        {"x": [1]},
        {"y": {"$ne": 1}},
        {"": ""},
    ):
        yield host.ask("page.state", {"section": "vae.map", "state": state})
    yield host.ask("page.state", {"section": "os.path", "state": {}})


def words(host: Host) -> Iterator[Reply]:
    """Script, format strings and commands in words."""
    for text in (
        "<script>alert(1)</script>",
        "{0.__class__}",
        "%s%n",
        "$(id)",
        "'; DROP TABLE models; --",
        "${jndi:ldap://x}",
        "\u202e\u0000\ud800",
        "a" * 100_000,
        "\U0001f600" * 300,
    ):
        yield host.ask("diffusion.words", {"prompt": text})
        yield host.ask("vae.generate", {"label": text})
        yield host.ask("page.about", {"tab": text})


def hub(host: Host) -> Iterator[Reply]:
    """Names of the Hub that lead elsewhere. (The app is offline.)"""
    repo: Any
    for repo in (
        "http://169.254.169.254/x",
        "../../etc",
        "a/../../b",
        "user/name/../../x",
        "file:///etc/passwd",
        "a/b?x=http://c",
        "a/b#c",
        "a" * 500 + "/b",
        "@x/y",
        "user/na me",
        5,
        None,
        [],
        {"a": 1},
    ):
        yield host.ask("page.hub_model", {"repo": repo})
        yield host.work("diffusion.hub_cost", {"repo": repo})


def queue(host: Host) -> Iterator[Reply]:
    """The queue's own routes."""
    for path in (
        "call/nothing",
        "call/__init__",
        "call/work_nothing",
        "run/work_cpu",
        "api/work_cpu",
        "call/v2/work_cpu",
        "call/v2/nothing",
        "run/nothing",
    ):
        yield host.post(f"/gradio_api/{path}", {"data": [None, None]})
        yield host.post(f"/gradio_api/{path}", {"data": []})
    for event in ("0" * 32, "../../x", "%00"):
        yield host.send("GET", f"/gradio_api/call/work_cpu/{event}")
        yield host.send("GET", f"/gradio_api/queue/data?session_hash={event}")
    body: Any
    for body in (
        {"fn_index": 10**9, "data": [], "session_hash": "s"},
        {"fn_index": -1, "data": [], "session_hash": "s"},
        {"data": []},
        {"fn_index": "x"},
        {"session_hash": "s", "data": [1]},
    ):
        yield host.post("/gradio_api/queue/join", body)
    for body in ({"session_hash": "s", "fn_index": 0, "event_id": "x"}, {}, []):
        yield host.post("/gradio_api/cancel", body)


def routes(host: Host) -> Iterator[Reply]:
    """What Gradio has besides, and no visitor needs."""
    for path in (
        "vibe-code",
        "vibe-code/",
        "dev/reload",
        "user",
        "token",
        "app_id",
        "login_check",
        "runs",
        "run-history/buckets",
        "profiling/traces",
        "upload_progress?upload_id=x",
        "stream/x/y/z/playlist.m3u8",
        "custom_component/x/client/component/../../app.py",
        "mcp/sse",
    ):
        yield host.send("GET", f"/gradio_api/{path}")
    for path in (
        "monitoring",
        "monitoring/x",
        "monitoring/summary",
        "gradio_api/deep_link?session_hash=x",
        "logout",
        "pwa_icon/../../x",
        "robots.txt",
        "manifest.json",
        "nothing",
        "vae/../../etc",
        "%2e%2e",
        "\u0000".encode().hex(),
    ):
        yield host.send("GET", f"/{path}")
    for path in (
        "login",
        "gradio_api/vibe-edit",
        "gradio_api/vibe-code",
        "gradio_api/undo-vibe-edit",
        "gradio_api/process_recording",
        "gradio_api/stream/x",
        "gradio_api/reset",
        "gradio_api/run-history/connect",
    ):
        yield host.post(f"/{path}", {"prompt": "x", "code": "import os", "hash": "../../app"})


def file_uploads(host: Host) -> Iterator[Reply]:
    """Files to Gradio's upload, which keeps them for an hour: kept apart, by a name of its own."""
    for name, data in (
        ("../../../tmp/x", b"x"),
        ("/etc/x", b"x"),
        ("a\u0000b", b"x"),
        ("x" * 5000, b"x"),
        (".html", b"<script>"),
        ("", b""),
    ):
        yield host.send("POST", "/gradio_api/upload", files={"files": (name, data)})
    yield host.send("POST", "/gradio_api/upload", files={"files": ("large", bytes(12_000_000))})
    yield host.post("/gradio_api/upload", b"--x\r\nno multipart", **{"content-type": "multipart/form-data; boundary=x"})
    yield host.post("/gradio_api/upload", {"files": []})


def methods(host: Host) -> Iterator[Reply]:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "BREW"):
        for path in ("/", "/config", "/gradio_api/component_server", "/pictures/vae.webp"):
            yield host.send(method, path)


def heads(host: Host) -> Iterator[Reply]:
    """Heads that are too long, malformed or contradict themselves."""
    for head in (
        "X: " + "a" * 200_000,
        "\r\n".join(f"X{i}: 1" for i in range(3000)),
        "Cookie: " + "a=b; " * 20_000,
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: -1",
        "Content-Length: 99999999999",
        "Range: bytes=0-,0-,0-",
        "Upgrade: websocket\r\nConnection: Upgrade",
        "\x00: x",
        "Host: evil.example\r\nX-Forwarded-Host: evil.example",
    ):
        yield host.raw(f"GET /?x HTTP/1.1\r\nConnection: close\r\n{head}\r\n\r\n".encode("latin-1"))
    for line in (
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00" * 20,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ):
        yield host.raw(line)
    for origin in ("https://evil.example", "null", "file://"):
        yield host.send("GET", "/config", headers={"origin": origin, "x-forwarded-proto": "gopher"})


def many_tabs(host: Host) -> Iterator[Reply]:
    """All of one visitor at once: a few are let in, the others told in one sentence, and others' questions answered."""

    def tab(i: int) -> Reply:
        return host.post(
            "/gradio_api/call/work_cpu", {"data": ["pixelcnn.write", {"n": 1}], "session_hash": f"tabs.{i}"}
        )

    with concurrent.futures.ThreadPoolExecutor(20) as tabs:
        replies = list(tabs.map(tab, range(TABS)))
    if not any(reply.status == 503 for reply in replies):
        yield Reply(500, "all tabs were let in")
    yield from replies
    yield host.ask("vae.map", {"x": 0.1})


def slow(host: Host) -> Iterator[Reply]:
    """Who sends a byte and waits, or asks and doesn't read, keeps nobody else from an answer."""
    with contextlib.ExitStack() as lines:
        for i in range(SLOW):
            line = lines.enter_context(socket.create_connection(host.place, timeout=20))
            line.sendall(b"G" if i % 2 else b"GET /config HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        for _ in range(10):
            yield host.ask("vae.map", {"x": 0.2})


KINDS: list[Callable[[Host], Iterator[Reply]]] = [
    paths_up, files, file_values, numbers, types, keys, sections, components, bodies, huge, mime, pictures, packed, uploads, png_text,
    links, words, hub, queue, routes, file_uploads, methods, heads, many_tabs, slow,
]  # fmt: skip


# -- what is made of it ------------------------------------------------------------------------------------------------


def trouble(reply: Reply, secrets_: list[str]) -> str:
    """What is wrong with an answer, or nothing."""
    if any(secret in reply.text for secret in (*secrets_, *TRACES)):
        return "tells what it should not"
    if reply.status >= 500 and reply.status != 503:
        return f"status {reply.status}: {reply.text[:60]!r}"
    if reply.status == 200 and reply.kind.startswith("application/json"):
        with contextlib.suppress(ValueError):
            answer = json.loads(reply.text)
            said = answer.get("error") if isinstance(answer, dict) else None
            if said is not None and not _is_sentence(said):
                return f"no sentence: {said!r:.80}"
    return ""


def _is_sentence(said: Any) -> bool:
    return isinstance(said, str) and 0 < len(said) < LONGEST and said[-1] == "." and "\n" not in said


def main() -> int:
    token = f"hf_{secrets.token_hex(16)}"
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        log, secret = Path(folder, "log"), Path(folder, "secret.txt")
        secret.write_text(secrets.token_hex(16))
        never = [token, secret.read_text(), "def build_app"]
        print("| kind of request | sent | refused (4xx, 503) | answered | wrong |\n| --- | ---: | ---: | ---: | ---: |")
        total = 0
        with running_app(log, HF_TOKEN=token, HF_HUB_OFFLINE="1", GRADIO_TEMP_DIR=f"{folder}/gradio") as served:
            host = Host(served, component(served.address), secret)
            for kind in KINDS:
                replies = list(kind(host))
                found = [told for told in (trouble(reply, never) for reply in replies) if told]
                wrong += [f"{kind.__name__}: {told}" for told in found]
                answered = sum(200 <= reply.status < 400 for reply in replies)
                total += len(replies)
                print(
                    f"| {kind.__name__.replace('_', ' ')} | {len(replies)} | {len(replies) - answered} | {answered} | {len(found)} |",
                    flush=True,
                )
            if host.ask("vae.map", {"x": 0.5}).status != 200:
                wrong.append("it answers nothing any more")
        said = log.read_text()
        if (count := said.count("Traceback")) or any(word in said for word in never):
            wrong.append(f"the log: {count} tracebacks, or a secret")
            print(said[-3000:], file=sys.stderr)
    print(f"| all | {total} | | | {len(wrong)} |")
    for told in wrong:
        print(told, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
