"""The GAN tab: spot the fake first, then generate, walk, mix styles, bring a picture in, ask the critic, watch training."""

from genmodels.tabs.base import Accent, Glance, Tab
from genmodels.wrappers import (
    core,
    discriminator,
    projection,
    sampling,
    spot_the_fake,
    style_mixing,
    training_films,
)
from genmodels.wrappers.section import Section, Use, View
from genmodels.wrappers.state import State

FAMILY = "gan"


def models() -> list[str]:
    return core.available(FAMILY)


def filmed() -> list[str]:
    return [name for name in models() if training_films.films(name)]


DRAWS = ["z", "w", "generator", "fake"]

TAB = Tab(
    key=FAMILY,
    title="GAN",
    heading="Generative adversarial network",
    objective="Two networks play: the generator draws pictures, the critic tells them from real ones, and both get better.",
    diagram={
        "alt": "Noise and a class become a style, from which the generator draws a picture. The critic sees it, or a real "
        "picture, and says how real it looks.",
        "boxes": [
            {"id": "z", "text": "noise z\nand class", "x": 0, "y": 0, "kind": "code"},
            {"id": "w", "text": "style w", "x": 1, "y": 0, "kind": "code"},
            {"id": "generator", "text": "generator", "x": 2, "y": 0},
            {"id": "fake", "text": "picture", "x": 3, "y": 0, "kind": "data"},
            {"id": "real", "text": "real picture", "x": 3, "y": 1, "kind": "data"},
            {"id": "critic", "text": "critic", "x": 4, "y": 0.5},
            {"id": "score", "text": "how real?", "x": 5, "y": 0.5, "kind": "code"},
        ],
        "arrows": [
            ["z", "w"], ["w", "generator"], ["generator", "fake"], ["fake", "critic"], ["real", "critic"],
            ["critic", "score"],
        ],
        "lights": {"generate": DRAWS, "walk": DRAWS, "mix": DRAWS[1:], "project": DRAWS[1:], "restyle": DRAWS[1:], "critic": ["fake", "real", "critic", "score"]},
    },
    accent=Accent("#be123c", "#fb7185"),
    glance=Glance(
        idea="A generator draws pictures, a critic tells them from real ones. Each learns from the "
        "mistakes of the other, and no pixel is ever compared with a pixel.",
        verb="lets its critic score it",
        architecture="Convolutional generator steered by a style, and a convolutional critic",
        training="A game of two losses: the critic against the generator",
        sampling="One pass: noise to style to picture",
        strengths=("sharp pictures", "in a single pass", "styles that mix"),
        limits=("no likelihood", "a way back only by search", "a game that may tip over"),
        picture="Twelve heroes that change as the noise changes that they are drawn from",
    ),
    sections=[
        Section(
            "gan.spot", "Spot the fake",
            "Look closely and pick, then compare yourself with the critic, which has learned nothing but to tell what is "
            "generated from what is real.",
            models, spot_the_fake.SpotState, spot_the_fake.spot, element="gm-spot",
            use=Use(
                "In a study, people told generated faces from real ones no better than by tossing a coin.",
                "Nightingale & Farid 2022", "doi.org/10.1073/pnas.2120481119",
            ),
            task="Beat the critic in three rounds.",
        ),
        Section(
            "gan.generate", "Generate",
            "The generator turns random numbers into a picture in a single pass. The seed picks the numbers: the same "
            "seed gives the same picture.",
            models, style_mixing.TruncatedState, sampling.generate,
            (View("grid", "samples", "Samples", {"take": True}), View("words", "words")),
            use=Use(
                "Generated scans of liver lesions, added to the few real ones, help a classifier to tell their kinds.",
                "Frid-Adar et al. 2018", "arxiv.org/abs/1803.01229",
            ),
            task="Move ψ down to 0: all pictures of a class become its most typical one.",
        ),
        Section(
            "gan.walk", "Walk in a loop",
            "A walk through the pictures of several seeds and back to the first. Every frame on the way is a picture of "
            "its own, not a cross-fade.",
            models, style_mixing.LoopState, style_mixing.loop,
            (
                View("film", "film", "The walk", {"loops": True, "plays": True, "interval": 60}),
                View("grid", "strip", "The seeds on the way", {"columns": 8, "count": 4, "take": True}),
            ),
            use=Use(
                "A walk in one direction makes a face older, or smile, and changes little else.",
                "Shen et al. 2020", "arxiv.org/abs/1907.10786",
            ),
            task="Pause between two classes: is there a picture that is both?",
        ),
        Section(
            "gan.mix", "Mix styles",
            "The generator works from coarse to fine, and a style tells each layer what to draw. Here the first layers take "
            "the style of the picture on the left, the others that of the picture on top.",
            models, style_mixing.MixState, style_mixing.mix,
            (View("crossed", "table", "Mixed styles", {"rows": 4, "columns": 6, "take": True}),),
            use=Use(
                "Shops show a garment on another person: the pose comes from one picture, the cloth from another.",
                "Lewis et al. 2021", "arxiv.org/abs/2101.02285",
            ),
            task="Move the slider layer by layer: which one decides on the shape, which one on the colour or stroke?",
        ),
        Section(
            "gan.project", "Bring your picture in",
            "A GAN has no way back from a picture to its style, so one is searched for: the closest of 256 that are drawn, then "
            "step by step downhill through the generator. This is how photographs are edited by a GAN: what has a style can be "
            "mixed with others.",
            models, projection.ProjectState, projection.bring_in,
            (
                View("gallery", "gallery", "Yours, and what the generator makes of it", {"columns": 3, "count": 3, "lines": 2, "take": True}),
                View("grid", "typical", "From the most typical picture (ψ = 0) to yours (1) and beyond", {"columns": 6, "count": 6, "take": True}),
            ),
            work=True, lane="heavy", element="gm-steps", verb="Search",
            use=Use("A photo is brought into a GAN to be edited there.", "Abdal et al. 2019", "arxiv.org/abs/1904.03189"),
            task="Draw what this GAN has never seen: how close does it come with one style, and how close with one per layer?",
        ),
        Section(
            "gan.restyle", "Style of another on yours",
            "Both pictures are searched for; then the first layers take the style of the picture on the left, the others that "
            "of the picture on top: yours, another one, or one that the GAN draws.",
            models, projection.RestyleState, projection.restyle,
            (
                View("second", "other", "The other picture", {"place": "side"}),
                View("crossed", "table", "Styles of both", {"rows": 2, "columns": 6, "take": True}),
                View("film", "film", "A walk from yours to the other and on", {"loops": True, "plays": True, "interval": 80}),
            ),
            work=True, lane="heavy", element="gm-steps", verb="Mix",
            use=Use(
                "Portraits become cartoons: the coarse layers of one network, the fine ones of another.",
                "Pinkney & Adler 2020", "arxiv.org/abs/2010.05334",
            ),
            task="Give a boot the fabric of a shirt: which layers must follow whom?",
        ),
        Section(
            "gan.critic", "The critic looks",
            "The critic gives every picture a score, high for what it takes for real. Draw, pick or upload one and see where "
            "it stands among real test images and among the GAN's own pictures.",
            models, discriminator.CriticState, discriminator.look,
            (
                View(
                    "histogram", "realism", "How real does the critic find it?",
                    {"keys": ["real test images", "pictures of this GAN"]},
                ),
                View("words", "words"),
            ),
            use=Use(
                "What a critic of healthy eyes takes for unreal in a scan marks disease.",
                "Schlegl et al. 2017", "arxiv.org/abs/1703.05921",
            ),
            task="Press a picture of Generate to take it to the pad, then change a single stroke of it.",
        ),
        Section(
            "gan.training", "Training, filmed",
            "The same 64 random points, from the first step to the last. Beside it the finished model trains on without the "
            "rules that keep the game stable: soon all points give the same picture.",
            filmed, State, training_films.show,
            (View("films", "films", "Step of the training", {"screens": 2, "side": 238}),),
            use=Use(
                "Where pictures are few, as in medicine, a critic learns them by heart and training fails; showing it altered ones helps.",
                "Karras et al. 2020", "arxiv.org/abs/2006.06676",
            ),
            task="Stop the spoilt run where the last class but one disappears.",
        ),
    ],
)  # fmt: skip
