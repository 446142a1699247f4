"""The families, by name. Strings, so that importing the registry imports no model; a new family is one line here."""

import sys
from importlib import import_module

from genmodels.models.base import Model

FAMILIES: dict[str, str] = {
    "autoencoder": "genmodels.models.autoencoder:Autoencoder",
    "vae": "genmodels.models.vae:VAE",
    "gan": "genmodels.models.gan:GAN",
    "flow": "genmodels.models.flow:Flow",
    "pixelcnn": "genmodels.models.pixelcnn:PixelCNN",
    "pixelrnn": "genmodels.models.pixelrnn:PixelRNN",
    "wavenet": "genmodels.models.wavenet:WaveNet",
    "diffusion": "genmodels.models.diffusion:Diffusion",
}
#: What measures the families: trained, saved and loaded like them, but no generative model and without a tab.
INSTRUMENTS: dict[str, str] = {"referee": "genmodels.models.referee:Referee"}


def get_family(name: str) -> type[Model]:
    """The model class of a family (or instrument). ValueError that lists the families if there is none of that name.

    >>> import genmodels
    >>> family = genmodels.get_family("gan")
    >>> model = family(family.Config(image_shape=(3, 32, 32), num_classes=2))
    >>> list(model.players())
    ['discriminator', 'generator']
    """
    known = FAMILIES | INSTRUMENTS
    if name not in known:
        raise ValueError(f"There is no family {name!r}; the families are {', '.join(known)}.")
    module, _, attribute = known[name].partition(":")
    return getattr(import_module(module), attribute)


def family_of(model: Model) -> str:
    """The registry name of a model's class."""
    target = f"{type(model).__module__}:{type(model).__name__}"
    return next(name for name, path in (FAMILIES | INSTRUMENTS).items() if path == target)


def title(family: str) -> str:
    """A family as readers know it; what is none, as it is.

    >>> from genmodels.registry import title
    >>> title("gan"), title("user/mine")
    ('GAN', 'user/mine')
    """
    return get_family(family).__name__ if family in FAMILIES | INSTRUMENTS else family


def kin(family: str) -> list[str]:
    """The families that one stands for, itself first.

    >>> from genmodels.registry import kin
    >>> kin("pixelcnn"), kin("vae")
    (['pixelcnn', 'pixelrnn', 'wavenet'], ['vae'])
    """
    return [family, *(other for other in FAMILIES if get_family(other).represented_by == family)]


def representatives() -> list[str]:
    """The families of which each stands for all of its kind: itself and those that it represents."""
    return [family for family in FAMILIES if not get_family(family).represented_by]


def about(family: str) -> str:
    """The opening text of the family's model file."""
    return (sys.modules[get_family(family).__module__].__doc__ or "").strip()
