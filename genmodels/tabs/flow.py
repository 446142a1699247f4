"""The flow tab: there and back first, then samples, their layers, how likely a picture is, blends, other classes."""

from genmodels.tabs.base import Accent, Glance, Tab
from genmodels.wrappers import core, flows, latents, likelihoods, sampling
from genmodels.wrappers.section import Section, Use, View

FAMILY = "flow"


def models() -> list[str]:
    return core.available(FAMILY)


TAB = Tab(
    key=FAMILY,
    title="Flow",
    heading="Normalizing flow",
    objective="Find a chain of layers, each of which can be undone, that turns every picture of the training into plain noise.",
    diagram={
        "alt": "A picture passes layer after layer and becomes noise z of the same size; the same layers, undone one by one, "
        "turn z back into the picture.",
        "boxes": [
            {"id": "x", "text": "picture x", "x": 0, "y": 0, "kind": "data"},
            {"id": "first", "text": "layer 1", "x": 1, "y": 0},
            {"id": "more", "text": "…", "x": 2, "y": 0},
            {"id": "last", "text": "layer n", "x": 3, "y": 0},
            {"id": "z", "text": "noise z", "x": 4, "y": 0, "kind": "code"},
            {"id": "y", "text": "picture x", "x": 0, "y": 1, "kind": "data"},
            {"id": "unfirst", "text": "undo 1", "x": 1, "y": 1},
            {"id": "unmore", "text": "…", "x": 2, "y": 1},
            {"id": "unlast", "text": "undo n", "x": 3, "y": 1},
        ],
        "arrows": [
            ["x", "first"], ["first", "more"], ["more", "last"], ["last", "z"], ["z", "unlast"],
            ["unlast", "unmore"], ["unmore", "unfirst"], ["unfirst", "y"],
        ],
    },
    accent=Accent("#7e22ce", "#c084fc"),
    glance=Glance(
        idea="A chain of layers turns a picture into noise, and each layer can be undone. So every picture "
        "has exactly one code, and every code one picture.",
        verb="turns it into noise and back",
        architecture="Invertible couplings of monotonic splines, from fine to coarse",
        training="Maximises the likelihood by the change of variables",
        sampling="One pass: noise, with all layers undone",
        strengths=("nothing is lost", "a likelihood", "codes that can be edited"),
        limits=("a code as large as the picture", "many weights for its quality"),
        picture="Twelve garments that come out of noise, layer by layer",
    ),
    sections=[
        Section(
            "flow.round_trip", "There and back",
            "Every picture has exactly one code z, as large as itself, and the code gives exactly that picture back. To the "
            "flow, a picture of its kind is nothing but noise: z spreads like the bell curve.",
            models, latents.PictureState, flows.there_and_back,
            (
                View("grid", "code", "Its code z", {"count": 1, "alt": "The code as a picture: noise as large as the picture"}),
                View("grid", "decoded", "Decoded again", {"count": 1, "alt": "The picture that the code decodes to"}),
                View("histogram", "numbers", "Numbers of z"),
                View("words", "words"),
                View("film", "film", "Through the layers, there and back"),
            ),
            use=Use(
                "A picture is made small for sending and large again by the same network, run backwards.",
                "Xiao et al. 2020", "arxiv.org/abs/2005.05650",
            ),
            task="Draw something that is no such picture: does its z still look like noise, and does the picture come back?",
        ),
        Section(
            "flow.generate", "Generate",
            "Run backwards, the chain turns noise into a picture that never was. The seed picks the noise, the temperature "
            "its strength, and guidance bends all but the finest curves further towards the class.",
            models, flows.SamplesState, sampling.generate,
            (View("grid", "samples", "Samples", {"count": sampling.A_FEW, "take": True}), View("words", "words")),
            use=Use(
                "A flow turns noise into speech, all moments of it at once, faster than it is spoken.",
                "Prenger et al. 2019", "arxiv.org/abs/1811.00002",
            ),
            task="Take a sample to the pad by pressing it, and look at its z.",
        ),
        Section(
            "flow.layers", "From noise to pictures",
            "A coarse picture comes first, and then finer and finer pixels between what is there. What is still noise is "
            "shown as noise.",
            models, flows.LayersState, flows.layers,
            (View("film", "film", "Eight samples, layer by layer", {"tiles": [4, 2]}),),
            use=Use(
                "Photos are enlarged: many sharp pictures fit one small one, and a flow draws any of them.",
                "Lugmayr et al. 2020", "arxiv.org/abs/2006.14200",
            ),
            task="Find the layer after which you can tell what each of them will be.",
        ),
        Section(
            "flow.likelihood", "How likely is it?",
            "The flow knows what every picture costs to write down, in bits per pixel and colour: the fewer, the more likely "
            "it is. Look at pictures of other kinds, too: more likely does not mean more like a real one.",
            models, latents.PictureState, likelihoods.verdict,
            (View("histogram", "histogram", "Real test images, by bits/dim"), View("words", "words")),
            element="gm-likelihood",
            use=Use(
                "Parts that a flow finds unlikely are sorted out, though it has never seen a faulty one.",
                "Rudolph et al. 2021", "arxiv.org/abs/2008.12577",
            ),
            task="Draw something that is more likely than every test image.",
        ),
        Section("flow.kinds", "Pictures of other kinds", "", models, likelihoods.KindsState, likelihoods.kinds, hidden=True),
        Section(
            "flow.blend", "Between two pictures",
            "Halfway between two codes lies the code of another picture, for every code is one. Mixing the pixels themselves "
            "gives a double exposure.",
            models, flows.BlendState, flows.blend,
            (
                View("second", "other", "Second picture", {"place": "side"}),
                View("grid", "latent", "Codes mixed", {"columns": 9, "count": 9, "take": True}),
                View("grid", "pixels", "Pixels mixed", {"columns": 9, "count": 9, "take": True}),
            ),
            use=Use(
                "Moved along the code, a face smiles, or its hair turns fair.",
                "Kingma & Dhariwal 2018", "arxiv.org/abs/1807.03039",
            ),
            task="Take the fifth picture of each row to the pad, and see how likely they are.",
        ),
        Section(
            "flow.swap", "Swap the class",
            "A flow that is told the class leaves it out of z, and keeps there how it looks. So the same z, decoded as "
            "another class, is another thing in the same style.",
            models, flows.SwapState, flows.swap,
            (View("gallery", "gallery", "As every class", {"take": True, "count": 10}), View("words", "words")),
            use=Use(
                "The same sentence in somebody else's voice: into noise as one speaker, back as another.",
                "Serrà et al. 2019", "arxiv.org/abs/1906.00794",
            ),
            task="Draw a slanted or a bold one: which classes keep the slant, and which the weight?",
        ),
    ],
)  # fmt: skip
