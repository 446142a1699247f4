"""The web app: `genmodels app` (in a checkout `python app.py`), then open the printed address.

The environment variables GRADIO_SERVER_NAME and GRADIO_SERVER_PORT choose host and port.
"""

import os

from genmodels.wrappers import core, hub_repos

# before gradio is imported, which reads both: no telemetry, no version check
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# uploads and pictures on show: Gradio's usual folder may belong to another user of the machine
os.environ.setdefault("GRADIO_TEMP_DIR", str(core.own_folder()))

from importlib import import_module
from typing import Any

import gradio as gr

from genmodels import web
from genmodels.tabs import TABS, Tab
from genmodels.tabs.common import Page

PURPOSE = "Try the families of generative image models with your own hands: small networks, live on this computer."


def build_app() -> gr.Blocks:
    """The whole app: one page with a tab per family, and each family alone at `/<key>` for embedding."""
    with gr.Blocks(title="genmodels", analytics_enabled=False, delete_cache=(3600, 3600)) as demo:
        gr.Markdown(f"# genmodels\n{PURPOSE}", elem_classes="gm-header")
        with gr.Tabs() as tabs:
            for tab in tabs_shown():
                with gr.Tab(tab.title, id=tab.key):
                    import_module(tab.module).build(Page(tab.key))
        demo.load(chosen_tab, None, tabs, api_visibility="private", queue=False, show_progress="hidden")
    for tab in tabs_shown():
        with demo.route(tab.title, f"/{tab.key}", show_in_navbar=False):
            gr.Markdown(f"# {tab.title}\nOne of the models of [genmodels](./?tab={tab.key}).", elem_classes="gm-header")
            import_module(tab.module).build(Page(tab.key, home=False))
    demo.queue(max_size=64, default_concurrency_limit=2)
    return demo


def tabs_shown() -> list[Tab]:
    """The tabs of the families that have a trained model here; all of them, which then say so, if there is none at all."""
    return [tab for tab in TABS if core.available(tab.key)] or TABS


def chosen_tab(request: gr.Request) -> gr.Tabs:
    """Open the tab that the address asks for, as in `/?tab=vae`."""
    key = request.query_params.get("tab")
    return gr.Tabs(selected=key) if key in {tab.key for tab in tabs_shown()} else gr.Tabs()


def launch_options() -> dict[str, Any]:
    """What `launch` needs besides host and port: looks, limits, and nothing that leaves the computer."""
    return {
        "theme": theme(),
        "css": web.stylesheet(),
        "ssr_mode": False,
        "run_history": False,
        "footer_links": ["api"],
        "max_file_size": "10mb",
        "enable_monitoring": False,
    }


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
    hub_repos.allow_any_on_loopback(**place)
    build_app().launch(server_port=port, **place, **launch_options())
