"""The families, by name. Strings, so that importing the registry imports no model; a new family is one line here."""

from importlib import import_module

from genmodels.models.base import Model

FAMILIES: dict[str, str] = {
    "autoencoder": "genmodels.models.autoencoder:Autoencoder",
    "vae": "genmodels.models.vae:VAE",
}


def get_family(name: str) -> type[Model]:
    """The model class of a family. Raises ValueError that lists the families if there is none of that name."""
    if name not in FAMILIES:
        raise ValueError(f"There is no family {name!r}; the families are {', '.join(FAMILIES)}.")
    module, _, attribute = FAMILIES[name].partition(":")
    return getattr(import_module(module), attribute)


def family_of(model: Model) -> str:
    """The registry name of a model's class."""
    target = f"{type(model).__module__}:{type(model).__name__}"
    return next(name for name, path in FAMILIES.items() if path == target)
