"""What travels between the wrappers and the browser, as JSON: the keys that the scripts in `web/` and the charts read."""

from typing import TypedDict


class Pad(TypedDict):
    """A picture. pixels: base64 of uint8 H*W*C. mask: base64 of uint8 H*W (1 = hidden), or "". shape: [C, H, W]."""

    pixels: str
    mask: str
    shape: list[int]


Labelled = tuple[str, Pad]  # what a picture shows, and the picture


class FilmFrame(Pad):
    caption: str


class Film(TypedDict):
    frames: list[FilmFrame]


# -- charts ------------------------------------------------------------------------------------------------------------


class Histogram(TypedDict):
    """Of figures of test images: a count per bin, and the edges of the bins, of which there is one more."""

    counts: list[int]
    edges: list[float]


class NoiseHistogram(TypedDict):
    """The density of numbers in bins between the edges, and that of N(0, 1) at equal distances."""

    density: list[float]
    edges: list[float]
    normal: list[float]


class ScoreHistograms(TypedDict):
    """Shares of test images and of samples in the bins between the edges."""

    test: list[float]
    samples: list[float]
    edges: list[float]


# -- the latent map ----------------------------------------------------------------------------------------------------


class LatentMap(TypedDict):
    """points: [x, y, class] of test images. extent: the map reaches from -extent to extent. shape: [C, H, W]."""

    points: list[list[float]]
    classes: list[str]
    extent: float
    shape: list[int]


# -- step by step ------------------------------------------------------------------------------------------------------


class PixelDistribution(TypedDict):
    """What is expected of a channel of a pixel. probabilities: of every level, from dark to bright. level: what it is.
    bits: its surprise. entropy: the surprise that was to be expected, in bits."""

    probabilities: list[float]
    level: int
    bits: float
    entropy: float


# -- tables, games, films ----------------------------------------------------------------------------------------------


class Round(TypedDict):
    """A round of "spot the fake". sought: for each picture, whether it is to be picked. critic: whether the critic picks it.
    group: among how many neighbours one is to be picked, or 1 if each picture counts for itself."""

    pictures: list[Pad]
    sought: list[bool]
    critic: list[bool]
    group: int


class Marks(TypedDict):
    """picked: for each picture, whether the visitor did. visitor and critic: how many groups each has right, "of" how many."""

    picked: list[bool]
    visitor: int
    critic: int
    of: int


class FilmedStep(TypedDict):
    step: int
    classes: int  # how many are covered


class TrainingFilm(TypedDict):
    """run: "healthy" or "collapsed". sheet: path of a WebP with all frames, row by row. columns: frames per row.
    frame_size: width and height in pixels."""

    run: str
    sheet: str
    columns: int
    frame_size: list[int]
    num_classes: int
    frames: list[FilmedStep]
