"""The autoencoder tab: a picture pushed through the bottleneck, and two pictures mixed there."""

from genmodels.tabs.base import Accent, Glance, Tab
from genmodels.wrappers import bottleneck, core, few_bytes
from genmodels.wrappers.section import Section, Use, View

FAMILY = "autoencoder"


def models() -> list[str]:
    return core.available(FAMILY)


ONE = {"count": 1, "stage": True}
NEXT = {"stage": True, "sign": "→"}

TAB = Tab(
    key=FAMILY,
    title="Autoencoder",
    heading="Autoencoder",
    objective="Push each picture through a few numbers, and lose as little of it as possible on the way.",
    diagram={
        "alt": "A picture passes the encoder, which gives a short code; the decoder rebuilds the picture from the code alone.",
        "boxes": [
            {"id": "x", "text": "picture x", "x": 0, "y": 0, "kind": "data"},
            {"id": "encoder", "text": "encoder", "x": 1, "y": 0},
            {"id": "z", "text": "code z\na few numbers", "x": 2, "y": 0, "kind": "code"},
            {"id": "decoder", "text": "decoder", "x": 3, "y": 0},
            {"id": "y", "text": "picture", "x": 4, "y": 0, "kind": "data"},
        ],
        "arrows": [["x", "encoder"], ["encoder", "z"], ["z", "decoder"], ["decoder", "y"]],
    },
    accent=Accent("#0f766e", "#2dd4bf"),
    glance=Glance(
        idea="An encoder squeezes a picture into a short code, a decoder unfolds it again. What fits "
        "through is what pictures have in common; what does not is left behind.",
        verb="rebuilds it and says how unusual it is",
        architecture="Convolutional encoder and decoder, a code of a few dozen numbers between them",
        training="Puts damaged pictures back: the squared error of each pixel",
        sampling="Cannot: nothing says which codes are likely",
        strengths=("cleans and repairs", "notices what is unusual", "trains in minutes"),
        limits=("invents nothing", "blurs what it cannot code"),
        picture="Digits under more and more noise, and below them what the autoencoder rebuilds",
    ),
    sections=[
        Section(
            "autoencoder.bottleneck", "Through the bottleneck",
            "The network must push a picture through a few numbers and rebuild it from them. It learns what its training "
            "pictures have in common: what it cannot rebuild, it has never seen.",
            models, bottleneck.ThroughState, bottleneck.through,
            (
                View("grid", "seen", "What it sees", ONE),
                View("bars", "code", "Code", NEXT),
                View("grid", "reconstruction", "Reconstruction", ONE | NEXT | {"take": True}),
                View("grid", "difference", "Difference", ONE | NEXT),
                View("words", "quality"),
                View("histogram", "unusual", "How hard is the picture to rebuild?"),
                View("words", "words"),
            ),
            element="gm-pipeline",
            use=Use(
                "Cameras in factories find a fault by what a network of faultless parts cannot rebuild.",
                "Bergmann et al. 2019", "arxiv.org/abs/1807.02011",
            ),
            task="Cover half of the picture with the Hide brush, then draw something that is no digit at all.",
        ),
        Section(
            "autoencoder.blend", "Between two pictures",
            "Mixing two pictures pixel by pixel gives a double exposure. Mixing their codes and decoding the mixture gives "
            "pictures that turn one into the other.",
            models, bottleneck.BlendState, bottleneck.blend,
            (
                View("second", "other", "The other picture", {"place": "side", "preview": False}),
                View("grid", "picture", "Your picture", ONE),
                View("grid", "codes", "Codes mixed", ONE | {"take": True}),
                View("grid", "pixels", "Pixels mixed", ONE),
                View("grid", "other", "The other", ONE),
            ),
            element="gm-pipeline",
            use=Use(
                "Musicians mix the codes of two instruments into one that nobody has built.",
                "Engel et al. 2017", "arxiv.org/abs/1704.01279",
            ),
            task="Find two pictures whose mixture is a third one that makes sense.",
        ),
        Section(
            "autoencoder.bytes", "In few bytes",
            "A code of a few rounded numbers is a picture in a few bytes, where the head of a JPEG file alone takes hundreds. A model that says how likely every "
            "pixel is, keeps all of them, in as few bits as it was surprised.",
            few_bytes.coded, few_bytes.BytesState, few_bytes.fit,
            (
                View("gallery", "gallery", "", {"columns": 4, "count": 8, "lines": 3}),
                View("words", "words"),
            ),
            use=Use(
                "Learned codecs save pictures in fewer bytes than JPEG needs for the same quality.",
                "Ballé et al. 2017", "arxiv.org/abs/1611.01704",
            ),
            task="Where does the first lossless one fit in? Then try a picture that is no digit.",
        ),
    ],
)  # fmt: skip
