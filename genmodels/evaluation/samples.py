"""Parts that measure samples: their distance from real images, how varied and how obedient they are, copies, critics."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from genmodels import metrics
from genmodels.data import Images, load_dataset, to_float, to_uint8
from genmodels.evaluation import shards
from genmodels.evaluation.measurement import BATCH, DEFAULT_N, Evaluation, evenly
from genmodels.evaluation.report import Figures, named
from genmodels.evaluation.student import classes_known
from genmodels.operations import device_of

#: Samples whose nearest training image is looked for, and that a critic sees: a new critic has all models of its data drawn again.
FIRST = 2000
UNLABELLED = 5000  # samples without a class, for the histogram of the classes that the referee sees in them
BLURS = {"blur_0.5px": 0.5, "blur_1px": 1.0}


def compute_real(e: Evaluation) -> None:
    """Features of test images, and of the sets of real images whose distances tell a reader what a distance means."""

    sets = {"test": lambda i: e.test.pixels[i.start : i.stop]} | reference_sets(e)
    for step, (name, pixels) in enumerate(sets.items()):

        def look(indices: range, pixels: Callable[[range], Tensor] = pixels) -> shards.Rows:
            return {"features": e.seen(pixels(indices))["features"]}

        e.begin_step(step, len(sets))
        e.shard(name, len(e.test) if name == "test" else e.n, look, real=True)


def reference_sets(e: Evaluation) -> dict[str, Callable[[range], Tensor]]:
    """Sets of n real training images: as they are, blurred, and with the first class missing; slug -> uint8 of indices."""
    chosen = evenly(e.n, len(e.train))

    def training(i: range) -> Tensor:
        return e.train.pixels[chosen[i.start : i.stop]]

    def blurred(i: range, sigma: float) -> Tensor:
        return to_uint8(metrics.blur(to_float(training(i)), sigma))

    sets: dict[str, Callable[[range], Tensor]] = {"train": training}
    sets |= {slug: functools.partial(blurred, sigma=sigma) for slug, sigma in BLURS.items()}
    others = (e.train.labels > 0).nonzero().flatten()
    if not 0 < len(others) < len(e.train):
        return sets
    kept = others[evenly(e.n, len(others))]
    return sets | {"without_first_class": lambda i: e.train.pixels[kept[i.start : i.stop]]}


def measure_reference_frechet(e: Evaluation) -> dict[str, Figures]:
    """The Fréchet distance of real training images: as they are (the floor), blurred, with the first class missing."""
    return _of_references(e, _frechet)


def measure_reference_kernel(e: Evaluation) -> dict[str, Figures]:
    """The kernel distance of the same sets."""
    return _of_references(e, _kernel)


def _of_references(e: Evaluation, distance: Callable[[Evaluation, Tensor, Tensor], Figures]) -> dict[str, Figures]:
    test = e.features("test", len(e.test), real=True)
    return {name: distance(e, test, e.features(name, e.n, real=True)) for name in reference_sets(e)}


def _frechet(e: Evaluation, real: Tensor, fake: Tensor) -> Figures:
    return e.figures({"frechet_distance": metrics.frechet_distance(real, fake)}, _against(e, real, fake))


def _kernel(e: Evaluation, real: Tensor, fake: Tensor) -> Figures:
    size = min(1000, len(real) // 2, len(fake) // 2)  # a subset that is nearly the whole set would hide the spread
    mean, spread = metrics.kernel_distance(real, fake, subset_size=size, seed=e.seed)
    protocol = f"mean over 100 random subsets of {size}, their spread beside it; {_against(e, real, fake)}"
    found = e.figures({"kernel_distance": mean}, protocol)
    found["kernel_distance"]["spread"] = float(f"{spread:.3g}")
    return found


def _against(e: Evaluation, real: Tensor, fake: Tensor) -> str:
    return f"{len(fake)} images against {len(real)} real test images, features of {e.referee_folder.name}"


def draw_samples(e: Evaluation) -> None:
    """Pictures with the classes or captions of the test images."""
    _draw(e, e.n)


def draw_first(e: Evaluation) -> None:
    """The first of these."""
    _draw(e, first(e))


def _draw(e: Evaluation, n: int) -> None:
    e.shard("samples", n, lambda indices: {"pixels": e.draw_as_told(indices)})


def first(e: Evaluation) -> int:
    return min(e.n, FIRST)


def compute_samples(e: Evaluation) -> None:
    """Pictures, with the classes or captions of the test images and without; then what the referee makes of them."""
    e.begin_step(0, 4)
    draw_samples(e)
    sets = {"samples": e.n}
    if e.told:
        sets["unlabelled"] = unlabelled(e)
        e.begin_step(1, 4)
        e.shard("unlabelled", sets["unlabelled"], lambda i: {"pixels": e.draw(i, torch.full((len(i),), -1))})
    for step, (name, n) in enumerate(sets.items()):
        e.begin_step(2 + step, 4)
        _look(e, name, n)


def _look(e: Evaluation, name: str, n: int) -> None:
    """What the referee makes of the samples of that name."""
    pixels = e.rows(name, n)["pixels"]
    e.shard(f"seen {name}", n, lambda i: e.seen(pixels[i.start : i.stop]))


def compute_compared(e: Evaluation) -> None:
    """What the comparisons of samples with real images need."""
    compute_real(e)
    compute_samples(e)


def unlabelled(e: Evaluation) -> int:
    return min(e.n, UNLABELLED)


def _compared(e: Evaluation) -> tuple[Tensor, Tensor]:
    """Features of the real test images and of the samples."""
    return e.features("test", len(e.test), real=True), e.features("seen samples", e.n)


def measure_frechet(e: Evaluation) -> Figures:
    return _frechet(e, *_compared(e))


def measure_kernel(e: Evaluation) -> Figures:
    return _kernel(e, *_compared(e))


def measure_coverage(e: Evaluation) -> Figures:
    """Precision and recall, density and coverage."""
    real, fake = _compared(e)
    size = min(len(real), len(fake), DEFAULT_N)
    real, fake = real[:size], fake[:size]
    k = 5
    around = f"k-nearest-neighbour balls, k = {k}, {size} real and {size} generated images"
    precision, recall = metrics.precision_recall(real, fake, k)
    density, coverage = metrics.density_coverage(real, fake, k)
    shares = {"precision": precision, "recall": recall, "density": density, "coverage": coverage}
    return e.figures(shares, around, size)


def measure_variety(e: Evaluation) -> Figures:
    """Whether all classes occur when none is asked for, and how far samples lie apart."""
    name, n = ("unlabelled", unlabelled(e)) if e.told else ("samples", e.n)
    answers = e.rows(f"seen {name}", n)["answers 0"]
    seen, classes = answers.argmax(1), answers.shape[1]
    share = metrics.class_histogram(seen, classes) * classes
    what = f"classes that the referee sees in {n} samples without a class"
    apart = metrics.pairwise_diversity(*_compared(e), seed=e.seed)
    entropy, usual = metrics.class_histogram_entropy(seen, classes), "1 = as often as all others"
    return {
        **e.figures({"class_entropy": entropy}, f"{what}: entropy / its maximum", n),
        **e.figures({"rarest_class": float(share.min())}, f"{what}: share of the rarest, {usual}", n),
        **e.figures({"commonest_class": float(share.max())}, f"{what}: share of the commonest, {usual}", n),
        **e.figures({"feature_spread": apart}, "mean distance between two samples / the same of real test images"),
    }


def measure_class_accuracy(e: Evaluation) -> Figures:
    """Whether a sample shows the class that was asked for."""
    if not (e.model.num_classes and classes_known(e)):
        return {}
    answers, labels = e.rows("seen samples", e.n)["answers 0"], e.labels(range(e.n))
    share = metrics.accuracies([answers], labels.unsqueeze(1))[0]
    return e.figures({"class_accuracy": 100 * share}, "share of samples in which the referee sees the class asked for")


def measure_caption_accuracy(e: Evaluation) -> Figures:
    """Whether a sample shows what its caption says: the attributes of the test image whose caption it is."""
    if not e.captions:
        return {}
    truth = load_dataset(e.place, "test", e.model.image_shape, attributes=True)
    share, protocol = _caption_accuracy(e, "seen samples", e.n, truth, "the caption says")
    return e.figures({"caption_accuracy": share}, protocol)


def compute_novel(e: Evaluation) -> None:
    """Pictures of captions whose combinations training had never seen, and what the referee makes of them."""
    if not e.novel:
        return
    e.begin_step(0, 2)
    e.shard("novel", len(e.novel), lambda i: {"pixels": e.drawn(i, captions=e.novel[i.start : i.stop])})
    e.begin_step(1, 2)
    _look(e, "novel", len(e.novel))


def measure_novel(e: Evaluation) -> Figures:
    """The accuracy of captions where no training image had their combination of attributes: does the model compose?"""
    if not (e.novel_split and e.novel):
        return {}
    truth = load_dataset(e.place, e.novel_split, e.model.image_shape, attributes=True)
    what = f"a caption of the split {e.novel_split!r} says, whose combinations no training image has"
    share, protocol = _caption_accuracy(e, "seen novel", len(e.novel), truth, what)
    return e.figures({"novel_caption_accuracy": share}, protocol, len(e.novel))


def _caption_accuracy(e: Evaluation, name: str, n: int, truth: Images, what: str) -> tuple[float, str]:
    """The mean over the attributes in %, and its protocol; truth: the images whose captions the n samples were told,
    going round."""
    seen, labels = e.rows(name, n), truth.labels[torch.arange(n) % len(truth)]
    shares = metrics.accuracies([seen[f"answers {i}"] for i in range(len(truth.attributes))], labels)
    each = ", ".join(f"{key} {100 * share:.1f}" for key, share in zip(truth.attributes, shares, strict=True))
    protocol = f"share of attributes in which the referee sees what {what}; in detail: {each}"
    return 100 * sum(shares) / len(shares), protocol


def measure_copies(e: Evaluation) -> Figures:
    """Whether samples are copies of training images: distances to the nearest one, in pixels."""
    n = first(e)
    made = e.rows("samples", n)["pixels"]
    train, test, made = (to_float(pixels).flatten(1) for pixels in (e.train.pixels, e.test.pixels[:n], made))
    found = metrics.memorisation(train, test, made)
    protocol = f"nearest of {len(train)} training images in pixels, {n} samples and {len(test)} test images"
    near = f"nearer to a training image than 99 % of the test images are ({100 * found.test_share:.2g} % of these are)"
    ratio = f"median distance of samples / the same of test images: {protocol}"
    return {
        **e.figures({"copies": 100 * found.share}, f"samples {near}: {protocol}", n),
        **e.figures({"exact_copies": len(found.copies)}, f"samples that equal a training image: {protocol}", n),
        **e.figures({"nearest_training_ratio": found.median_ratio}, ratio, n),
    }


def compute_judgements(e: Evaluation) -> None:
    """A critic's scores of the samples and of real test images, if a model of this data has a critic."""
    if not e.critics:
        return
    draw_first(e)
    n, device = first(e), device_of(e.critic)

    def judged(pixels: Tensor, labels: Tensor) -> shards.Rows:
        parts = zip(pixels.split(BATCH), labels.split(BATCH), strict=True)
        return {"scores": torch.cat([e.critic.realism(to_float(x).to(device), y.to(device)) for x, y in parts])}

    made = e.rows("samples", n)["pixels"]
    e.begin_step(0, 2)
    e.shard("judged samples", n, lambda i: judged(made[i.start : i.stop], e.labels(i)))
    e.begin_step(1, 2)
    e.shard("judged test", e.tests, lambda i: judged(e.test.pixels[i.start : i.stop], e.labels(i)))


def measure_judgements(e: Evaluation) -> Figures:
    """How often that critic takes a sample for real."""
    if not e.critics:
        return {}
    n, critic = first(e), named(e.critics[0])
    share = metrics.fool_rate(e.rows("judged test", e.tests)["scores"], e.rows("judged samples", n)["scores"])
    protocol = (
        f"share of samples that the critic of {critic['name']} ({critic['hash']}) finds more real "
        "than the median test image; 50 % cannot be told from real ones"
    )
    found = e.figures({"critic_share": 100 * share}, protocol, n)
    found["critic_share"]["critic"] = critic
    return found


def measure_inception(e: Evaluation) -> Figures:
    """FID in the features of the ImageNet Inception network, against the real test images."""
    real, made = e.test.pixels, e.rows("samples", e.n)["pixels"]
    value = metrics.inception_distance(real, made, device_of(e.model), e.report)
    protocol = f"{e.n} samples against {len(real)} real test images, upscaled to 299x299"
    return e.figures({"inception_fid": value}, protocol)
