"""The VAE tab: the map first, then samples, variations of a drawing, the knobs of a hero, and walks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from genmodels.tabs.base import Accent, Glance, Tab
from genmodels.wrappers import core, latents, sampling
from genmodels.wrappers.section import Section, Use, View

FAMILY = "vae"


def models(wanted: Callable[[str], bool]) -> Callable[[], Sequence[str]]:
    return lambda: [name for name in core.available(FAMILY) if wanted(name)]


maps = models(lambda name: core.describe(name)["latent_dim"] == 2)
beta = models(lambda name: name.startswith("vae-beta"))
plain = models(lambda name: core.describe(name)["latent_dim"] != 2 and not name.startswith("vae-beta"))


@dataclass(frozen=True)
class Generate(sampling.GenerateState):
    temperature: float = sampling.temperature_field(
        info="How far from the middle of the cloud: low is typical, high is varied."
    )


TAB = Tab(
    key=FAMILY,
    title="VAE",
    heading="Variational autoencoder",
    objective="Squeeze each picture into a small cloud of codes, so that a code from anywhere in the cloud gives a picture.",
    diagram={
        "alt": "A picture passes the encoder, which gives a mean and a spread; a code drawn from these passes the decoder.",
        "boxes": [
            {"id": "x", "text": "picture x", "x": 0, "y": 0, "kind": "data"},
            {"id": "encoder", "text": "encoder", "x": 1, "y": 0},
            {"id": "q", "text": "mean ± spread", "x": 2, "y": 0, "kind": "code"},
            {"id": "z", "text": "code z", "x": 3, "y": 0, "kind": "code"},
            {"id": "decoder", "text": "decoder", "x": 4, "y": 0},
            {"id": "y", "text": "picture", "x": 5, "y": 0, "kind": "data"},
        ],
        "arrows": [["x", "encoder"], ["encoder", "q"], ["q", "z", "draw"], ["z", "decoder"], ["decoder", "y"]],
    },
    accent=Accent("#1d4ed8", "#60a5fa"),
    glance=Glance(
        idea="The code is not a point but a small cloud, and all clouds together fill a simple one. So any "
        "point of it decodes to a picture that never was.",
        verb="finds its place on the map and varies it",
        architecture="Convolutional encoder of a mean and a spread, decoder of a distribution per pixel",
        training="Maximises a bound of the likelihood: rebuild well, with a code that costs few bits",
        sampling="One pass: draw a code, decode it",
        strengths=("a smooth map of pictures", "a bound of the likelihood", "steady training"),
        limits=("soft edges", "only a bound"),
        picture="Twelve digits that change as their codes walk through the cloud",
    ),
    sections=[
        Section(
            "vae.map", "The latent map",
            "This VAE has a code of two numbers, so its whole world fits on a map: each dot is a test image. Draw one, "
            "and the ellipse shows where its code may lie.",
            maps, latents.MapState, latents.map_point, element="gm-map",
            use=Use(
                "Biologists lay out thousands of cells on such a map, by which of their genes are at work.",
                "Lopez et al. 2018", "doi.org/10.1038/s41592-018-0229-2",
            ),
            task="Move the pointer, or use the arrow keys: can you walk from a 1 to a 7 without meeting a 4?",
        ),
        Section("vae.where", "Where a picture lies", "", maps, latents.PictureState, latents.where, hidden=True),
        Section(
            "vae.generate", "Generate",
            "Its codes fill a simple cloud without holes, so any random point of it decodes to a new picture. The seed "
            "picks the point.",
            plain, Generate, sampling.generate, (View("grid", "samples", "Samples", {"take": True}), View("words", "words")),
            use=Use(
                "Chemists draw points of such a cloud to propose molecules that nobody has made yet.",
                "Gómez-Bombarelli et al. 2018", "arxiv.org/abs/1610.02415",
            ),
            task="Choose a class, and lower the temperature until all its pictures look alike.",
        ),
        Section(
            "vae.variations", "Variations of your picture",
            "The encoder gives not one code but a small cloud of them. Other codes from it are what the model takes for "
            "the same picture.",
            plain, latents.VariationsState, latents.variations,
            (View("grid", "samples", "Decodes of z ~ q(z|x)", {"columns": 4, "count": 8, "take": True}),),
            use=Use(
                "Where doctors may disagree about a scan, one network gives several outlines of a lesion, each of them plausible.",
                "Kohl et al. 2018", "arxiv.org/abs/1806.05034",
            ),
        ),
        Section(
            "vae.knobs", "Turn the knobs",
            "A β-VAE pays extra for every number it uses, so each one tends to mean one thing. Nobody told it what a "
            "shield or a cloak is.",
            beta, latents.KnobsState, latents.knobs,
            (
                View("grid", "picture", "The hero", {"count": 1}),
                View("grid", "strip", "The chosen number through its range", {"columns": 9, "count": 9}),
            ),
            use=Use(
                "A robot that sees the world by a few such numbers finds its way in a place that looks different.",
                "Higgins et al. 2017", "arxiv.org/abs/1707.08475",
            ),
            task="Find the number that takes the weapon away.",
        ),
        Section(
            "vae.walk", "Walk between two pictures",
            "Because the cloud has no holes, every point on the way between two pictures decodes to a picture too.",
            plain, latents.WalkState, latents.walk_film,
            (
                View("film", "film", "The walk", {"loops": True, "plays": True, "interval": 80}),
                View("grid", "strip", "On the way", {"columns": 12, "count": 12, "take": True}),
            ),
            use=Use("Composers let one melody turn into another, bar by bar.", "Roberts et al. 2018", "arxiv.org/abs/1803.05428"),
        ),
    ],
)  # fmt: skip
