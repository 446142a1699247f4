"""The tabs of the app: texts, diagrams and sections; whatever is computed comes from `genmodels.wrappers`."""

#: The modules whose `TAB` is a tab of the page, in its order.
TABS = [
    "genmodels.tabs.overview",
    "genmodels.tabs.autoencoder",
    "genmodels.tabs.vae",
    "genmodels.tabs.gan",
    "genmodels.tabs.flow",
    "genmodels.tabs.pixelcnn",
    "genmodels.tabs.diffusion",
    "genmodels.tabs.compare",
]
