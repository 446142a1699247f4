"""The autoregressive tab: watch a model write, let it finish a drawing, see what it expects of each pixel, what surprises it,
and how three networks look back.

Its key is the family's that came first, so that old addresses, embeds and endpoints go on.
In the real world: lossless compression (a likelihood is a code's length; PNG's successors predict pixels likewise), filling in
what a scan has lost (van den Oord et al. 2016, arXiv 1601.06759, section 5.6), voices (WaveNet, arXiv 1609.03499).
"""

from genmodels.tabs.base import Accent, Glance, Kin, Tab
from genmodels.wrappers import autoregressive, core, latents, likelihoods
from genmodels.wrappers.section import Section, Use, View

FAMILY = "pixelcnn"


def models() -> list[str]:
    return core.available_of_kin(FAMILY)


TAB = Tab(
    key=FAMILY,
    title="Autoregressive",
    name="PixelCNN",
    heading="Autoregressive models (PixelCNN, PixelRNN, WaveNet)",
    objective="Say before each pixel how likely every level is, so that the real one surprises as little as possible.",
    diagram={
        "alt": "The rows above and the pixels to the left go into the network, which says how likely every level of the next "
        "pixel is; one is drawn, and joins the pixels that are known.",
        "boxes": [
            {"id": "known", "text": "pixels\nso far", "x": 0, "y": 0, "kind": "data"},
            {"id": "network", "text": "network", "x": 1, "y": 0},
            {"id": "p", "text": "odds of\n256 levels", "x": 2, "y": 0, "kind": "code"},
            {"id": "next", "text": "next pixel,\ndrawn", "x": 3, "y": 0, "kind": "data"},
            {"id": "again", "text": "joins them", "x": 1, "y": 1, "kind": "code"},
        ],
        "arrows": [
            ["known", "network"], ["network", "p"], ["p", "next"], ["next", "again"], ["again", "known"],
        ],
    },
    accent=Accent("#b45309", "#fbbf24"),
    glance=Glance(
        idea="A picture is written like a text, pixel after pixel. Before each, a network says how likely "
        "every level is, and one of them is drawn.",
        verb="finishes its lower half",
        architecture="Gated causal convolutions: the rows above, and the pixels to the left",
        training="Maximises the exact likelihood, all pixels in one pass",
        sampling="One pass of a column per pixel, row by row",
        strengths=("the exact likelihood", "finishes drawings", "steady training"),
        limits=("slow: pixel by pixel", "has no code", "sees only what is above"),
        picture="Twelve digits, written row by row",
    ),
    sections=[
        Section(
            "pixelcnn.write", "Watch it write",
            "An autoregressive model writes a picture like a text: pixel by pixel, row by row, each drawn from what it expects after all "
            "that stands there. Beside it is how unsure it was: most where a stroke can go either way.",
            models, autoregressive.WriteState, autoregressive.write,
            element="gm-writer", work=True, verb="Write",
            use=Use(
                "Large pictures are drawn in this way from a code that another network unfolds.",
                "Razavi et al. 2019", "arxiv.org/abs/1906.00446",
            ),
            task="Turn the guidance to 1, and count the pictures that stray to another class. At 3, what do all of a class share?",
        ),
        Section(
            "pixelcnn.finish", "Finish my drawing",
            "Draw the beginning of something, or hide the end of a picture, and the model writes the rest, every time "
            "another one. Only the rows above and the pixels to the left inform it: what stands further down stays, but "
            "tells it nothing.",
            models, autoregressive.FinishState, autoregressive.finish,
            element="gm-writer", work=True, verb="Finish it",
            use=Use(
                "Programs are finished like this, word by word, while somebody types.",
                "Chen et al. 2021", "arxiv.org/abs/2107.03374",
            ),
            task="Leave fewer and fewer rows: when do the endings begin to differ in kind?",
        ),
        Section(
            "pixelcnn.expect", "What it expects next",
            "Point at a pixel to see how likely the model takes every level there, with all greyed out that it has not seen "
            "yet. How much the real level surprises it, in bits, is what that pixel costs.",
            models, autoregressive.ExpectState, autoregressive.expect,
            element="gm-expect",
            use=Use(
                "The keyboard of a phone suggests the next word by such odds.",
                "Hard et al. 2018", "arxiv.org/abs/1811.03604",
            ),
            task="Find the pixel that surprises it most. Why just there?",
        ),
        Section(
            "pixelcnn.surprise", "How surprised it was", "",
            models, latents.PictureState, autoregressive.surprise, hidden=True,
        ),
        Section(
            "pixelcnn.likelihood", "How likely is it?",
            "All these surprises together, per pixel and colour, are the bits/dim of the picture: exactly, not as a bound. "
            "Look at pictures of other kinds, too: more likely does not mean more like a real one.",
            models, latents.PictureState, likelihoods.verdict,
            (View("histogram", "histogram", "Real test images, by bits/dim"), View("words", "words")),
            element="gm-likelihood",
            use=Use(
                "Good odds are short codes: language models pack even pictures and sound smaller than PNG and FLAC do.",
                "Delétang et al. 2024", "arxiv.org/abs/2309.10668",
            ),
            task="Draw something that is more likely than every test image.",
        ),
        Section(
            "pixelcnn.kinds", "Pictures of other kinds", "",
            models, likelihoods.KindsState, likelihoods.kinds, hidden=True,
        ),
        Section(
            "pixelcnn.three", "Three ways to look back",
            "The same seed and class. A PixelCNN looks through a window of convolutions, a PixelRNN remembers along diagonals, a "
            "WaveNet reads the rows as one ribbon, in leaps that double. Point at a pixel: "
            "what lights up bore on it, the brighter the more, by the gradient.",
            models, autoregressive.ThreeState, autoregressive.three,
            element="gm-three", work=True, verb="Write",
            use=Use(
                "WaveNet was made for sound, and spoke as the Google Assistant.",
                "van den Oord et al. 2017", "arxiv.org/abs/1711.10433",
            ),
            task="Point at the lower end of a stroke. Who still looks at its upper end?",
        ),
        Section(
            "pixelcnn.field", "What bore on a pixel", "",
            models, autoregressive.FieldState, autoregressive.field, hidden=True,
        ),
    ],
    kin={
        "pixelrnn": Kin(
            "PixelRNN",
            Glance(
                idea="Recurrent networks read the picture along its diagonals and remember: each pixel is expected from all pixels "
                "before it.",
                verb="finishes its lower half",
                architecture="Diagonal BiLSTMs: a state from the left and from above, and a mirrored one a row behind",
                training="Maximises the exact likelihood, a diagonal at a time",
                sampling="One step of the recurrence per pixel, row by row",
                strengths=("the exact likelihood", "a few weights see all that is before"),
                limits=("trains in sequence", "slow: pixel by pixel", "has no code"),
            ),
            Accent("#7c2d12", "#fdba74"),
        ),
        "wavenet": Kin(
            "WaveNet",
            Glance(
                idea="The rows are one long ribbon, read like a sound: causal convolutions whose leaps double look back over a "
                "thousand pixels.",
                verb="finishes its lower half",
                architecture="Dilated causal convolutions in one dimension, gated, with skip connections",
                training="Maximises the exact likelihood, all pixels in one pass",
                sampling="One place of each block per pixel",
                strengths=("the exact likelihood", "any sequence: sounds, texts, pictures"),
                limits=("knows nothing of rows and columns", "slow: pixel by pixel", "has no code"),
            ),
            Accent("#0e7490", "#22d3ee"),
        ),
    },
)  # fmt: skip
