"""The tabs of the app: layout and wiring only; whatever is computed comes from `genmodels.wrappers`."""

from typing import NamedTuple


class Tab(NamedTuple):
    """One tab: its key (route and prefix of its endpoints), its title, the module whose `build(page)` lays it out."""

    key: str
    title: str
    module: str


TABS = [
    Tab("autoencoder", "Autoencoder", "genmodels.tabs.autoencoder"),
    Tab("vae", "VAE", "genmodels.tabs.vae"),
    Tab("gan", "GAN", "genmodels.tabs.gan"),
    Tab("flow", "Flow", "genmodels.tabs.flow"),
    Tab("pixelcnn", "PixelCNN", "genmodels.tabs.pixelcnn"),
]
