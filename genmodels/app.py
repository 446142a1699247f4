"""The web app: `genmodels app` (in a checkout `python app.py`), then open the printed address.

The environment variables GRADIO_SERVER_NAME and GRADIO_SERVER_PORT choose host and port.
"""

import contextlib
import os
from collections.abc import Iterator

from genmodels import start
from genmodels.wrappers import core, hub_repos

# before gradio is imported, which reads both: no telemetry, no version check
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# uploads and pictures on show: Gradio's usual folder may belong to another user of the machine
os.environ.setdefault("GRADIO_TEMP_DIR", str(core.own_folder()))

from pathlib import Path
from typing import Any

with core.without("pyarrow"):  # which pandas takes along, and Gradio pandas
    import gradio as gr
from gradio.routes import App
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from genmodels.tabs import page, waiting
from genmodels.tabs.document import ELEMENTS, WEB, WithElements
from genmodels.tabs.guard import Guard
from genmodels.wrappers.section import Section

PICTURES = "/pictures"
FOREVER = {"Cache-Control": "max-age=31536000, immutable"}
FOR_AN_HOUR = {"Cache-Control": "max-age=3600"}
#: Whose copy of the page's components Gradio keeps. Nothing of ours is in them; what an event needs is made again.
SESSIONS = 64
#: For where the document isn't ours (an app mounted into another one, a page of another host that shows this one).
SCRIPT = """
const root = (window.gradio_config?.root ?? location.origin).replace(/\\/$/, "");
import(`${root}%s/start.js`).then((module) => module.startIn(element, server, props));
"""
#: What shares a window with the page and is Gradio's: its footer alone.
ROOM = """
.nav-holder, .gradio-container main:has(.gm-root:empty) { display: none !important; }
gradio-app { flex-grow: 0 !important; }
body:not(:has(.gm-filled, .gm-empty)) footer { visibility: hidden; }
footer .divider { display: none !important; }
"""


def build_app() -> gr.Blocks:
    """The whole app: one page that lays itself out from a spec, each family alone at `/<key>`, and an endpoint per section."""
    spec = page.spec()
    with without_servers():
        with gr.Blocks(title="genmodels", analytics_enabled=False, delete_cache=(3600, 3600)) as demo:
            component(spec)
            for section in page.sections().values():
                if section.is_ready:
                    endpoint(section)
            for lane, limit in page.LANES.items():
                name = f"work_{lane}"
                gr.api(
                    page.follow, api_name=name, api_visibility="private", concurrency_id=lane, concurrency_limit=limit
                )
        for tab in spec["tabs"]:
            with demo.route(tab["title"], f"/{tab['key']}", show_in_navbar=False):
                component(spec | {"tabs": [tab]}, route=tab["key"])
        waiting.bounded(demo)
    return demo


@contextlib.contextmanager
def without_servers() -> Iterator[None]:
    """Gradio makes a server's app of a page each time that something is added to it, and only the one that `launch` makes serves:
    without the other ten the start is a second shorter."""
    usual = App.create_app
    App.create_app = staticmethod(lambda *_, **__: None)  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        App.create_app = staticmethod(usual)  # type: ignore[method-assign]


def component(spec: dict[str, Any], route: str = "") -> gr.HTML:
    """The page as a component: it brings nothing but the spec and the function by which its scripts ask."""
    return gr.HTML(
        "", js_on_load=SCRIPT % ELEMENTS, server_functions=[page.ask], spec=spec, route=route, apply_default_css=False, elem_classes="gm-root"
    )  # fmt: skip


def endpoint(section: Section) -> None:
    """A section as an endpoint (and an MCP tool) of its state's keys, e.g. `vae_map(model, x, y)`."""
    gr.api(
        page.polite(section.function()),
        api_name=section.endpoint,
        concurrency_id=section.lane,
        concurrency_limit=page.LANES[section.lane],
    )


def launch_options() -> dict[str, Any]:
    """What `launch` needs besides host and port: looks, limits, our modules, and nothing that leaves the computer."""
    return {
        "theme": theme(),
        "head": f"<style>{ROOM}</style>",
        "ssr_mode": False,
        "run_history": False,
        "footer_links": ["api"],
        "max_file_size": "10mb",
        "enable_monitoring": False,
        "state_session_capacity": SESSIONS,
        "mcp_server": os.environ.get("GENMODELS_MCP", "") == "1",
        "app_kwargs": {
            "routes": [
                files_at(ELEMENTS, WEB, forever=True),
                files_at(PICTURES, WEB.parent / "pictures"),
                Route("/embed.js", lambda _: FileResponse(WEB.parent / "embed.js", headers=FOR_AN_HOUR)),
                Route("/poster/{section}", poster),
            ],
            "middleware": [
                Middleware(Guard),
                Middleware(GZipMiddleware, minimum_size=1000, compresslevel=4),
                Middleware(WithElements),
            ],
        },
    }


def files_at(address: str, folder: Path, forever: bool = False) -> Route:
    """The files of a folder; forever: another version has another address, so that browsers need not ask again.
    (Starlette's Mount would miss them under GRADIO_ROOT_PATH behind a proxy that takes it off.)"""
    static = StaticFiles(directory=folder)

    async def file(request: Request) -> Response:
        found = await static.get_response(request.path_params["name"], request.scope)
        found.headers.update(FOREVER if forever else FOR_AN_HOUR)
        return found

    return Route(f"{address}/{{name}}", file)


def poster(request: Request) -> Response:
    """What stands in an article until a section answers: the still of its family, or one of them all."""
    tab = request.path_params["section"].partition(".")[0]
    stills = {key: WEB.parent / "pictures" / f"{key}-still.webp" for key in page.tabs()}
    found = stills.get(tab)
    return FileResponse(found if found and found.exists() else stills["overview"], headers=FOR_AN_HOUR)


def mount(server: Any, path: str) -> Any:
    """The app at a path of another server, e.g. `mount(FastAPI(), "/genmodels")`, for uvicorn and the like; the same server."""
    core.settle()
    left_out = ("ssr_mode", "run_history", "state_session_capacity")
    options = {key: value for key, value in launch_options().items() if key not in left_out}
    return gr.mount_gradio_app(server, build_app(), path, ssr_mode=False, run_history=False, **options)


def theme() -> gr.themes.Base:
    """One accent colour, no boxes around controls, and text dark enough to read."""
    fonts: list[gr.themes.Font | str] = [
        gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)),
        "system-ui",
        "sans-serif",
    ]
    base = gr.themes.Base(primary_hue="teal", secondary_hue="teal", neutral_hue="slate", font=fonts)
    return base.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        block_title_text_weight="600",
        block_title_text_size="13px",
        block_border_width="0px",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_padding="0px",
        block_shadow="none",
        form_gap_width="14px",
        input_background_fill="*background_fill_primary",
        input_border_width="1px",
        input_border_color_focus="*primary_500",
        slider_color="*primary_600",
        slider_color_dark="*primary_500",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        button_secondary_background_fill="*background_fill_primary",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*border_color_primary",
        button_border_width="1px",
        button_large_text_weight="600",
        button_small_padding="6px 12px",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_400",
    )


def main(port: int | None = None) -> None:
    """Serve the app, to this computer alone unless GRADIO_SERVER_NAME or GRADIO_SHARE say otherwise; without a port at
    GRADIO_SERVER_PORT, or at the first free one."""
    place: dict[str, Any] = {
        "server_name": os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        "share": os.environ.get("GRADIO_SHARE", "").lower() == "true",
    }
    start.prepare()
    hub_repos.allow_any_on_loopback(**place)
    app = build_app()
    app.launch(server_port=port, prevent_thread_lock=True, **place, **launch_options())
    start.warm_up()
    app.block_thread()
