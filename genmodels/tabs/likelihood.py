"""What the tabs of families with a likelihood share: the bits/dim of a picture among test images, and of other kinds."""

from genmodels import web
from genmodels.tabs import common
from genmodels.wrappers import examples, likelihoods, pictures
from genmodels.wrappers.types import Labelled, Pad

WHY = "Why? A likelihood adds up how well each pixel can be told from the others, and in a simple picture every pixel can."


def verdict(name: str, picture: Pad) -> str:
    """The bits/dim of a picture among those of real test images."""
    seen = likelihoods.likelihood(name, picture)
    marks = seen["histogram"]
    title = "Real test images, by bits/dim"
    chart = web.histogram(marks["counts"], marks["edges"], seen["bits"], "more likely", "less likely", title)
    cost = f"{'≤ ' if seen['is_bound'] else ''}{seen['bits']:.2f}"
    words = f"<b>{cost} bits/dim</b>: more likely than <b>{common.share(seen['likelier_than'])}</b> of test images."
    return f'{chart}<p class="gm-verdict">{words}</p>'


def compare(name: str, known: list[Labelled]) -> str:
    """Pictures of other kinds and the `known` ones, the most likely first, and which of the others the model prefers to
    real test images."""
    rows = likelihoods.compared(name, known)
    tiles = [(pictures.thumbnail(row["pad"]), (row["label"], f"{row['bits']:.2f}"), row["known"]) for row in rows]
    fooled = [row["label"] for row in rows if row["likelier_than"] > 50 and not row["known"]]
    words = "None of these is more likely than the median test image."
    if fooled:
        words = f"More likely than the median test image, though of another kind: <b>{', '.join(fooled)}</b>. {WHY}"
    title = '<p class="gm-gallery-title">Pictures of other kinds, the most likely first, in bits/dim</p>'
    return f'{title}{web.gallery(tiles, 6)}<p class="gm-verdict">{words}</p>'


def strips(name: str, known: list[Labelled]) -> list[tuple[str, list[Labelled]]]:
    """Pictures to try, for the strips of a pad: the `known` ones of the model's kind, plain ones, and of other kinds."""
    return [
        ("Pictures of the kind it knows", known),
        ("Something it has never seen", [*examples.plain_pictures(name), *examples.outliers(name)]),
    ]
