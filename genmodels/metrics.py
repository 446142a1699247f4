"""Metrics: pure functions from tensors to numbers, the same every time for the same seed.

Images are `(B, C, H, W)` in [-1, 1]. Features are `(N, D)`: what a referee makes of N images, compared by Euclidean
distance. A distance in features has the unit of that referee's features, so it compares models only under one referee.
`real` are images of the data set, `fake` those of a model; ValueError tells what is wrong with them in one sentence.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Entries of a matrix of distances that are held in memory at once: 64 MB of float32.
BLOCK = 2**24


# -- errors of images --------------------------------------------------------------------------------------------------


def mean_squared_error(x: Tensor, y: Tensor) -> Tensor:
    """Per image `(B,)`, of images in [-1, 1].

    >>> mean_squared_error(torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.5)).tolist()
    [0.25, 0.25]
    """
    return (x - y).square().flatten(1).mean(1)


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error between images in [-1, 1] (peak to peak 2).

    >>> psnr(0.04)
    20.0
    """
    return math.inf if mse == 0 else 10 * math.log10(4 / mse)


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity `(B,)` in [-1, 1], 1 = equal, of images in [-1, 1] of at least 6x6 pixels.

    Wang et al. 2004 (doi 10.1109/TIP.2003.819861): Gaussian window of 11x11 pixels, sigma = 1.5, K1 = 0.01, K2 = 0.03,
    the image mirrored at its border; mean over pixels and channels. Its luminance term is made for intensities that
    start at black = 0, so the images are brought to [0, 1] first.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    pairs = zip(((x + 1) / 2).split(50), ((y + 1) / 2).split(50), strict=True)  # small batches stay in the CPU's cache
    measured = [structural_similarity_index_measure(a, b, data_range=1.0, reduction="none") for a, b in pairs]
    return torch.cat([torch.as_tensor(each) for each in measured])


def blur(x: Tensor, sigma: float) -> Tensor:
    """Images `(B, C, H, W)` blurred by a Gaussian of standard deviation `sigma` in pixels, 0 = as they are.

    Outside, the pixels of the border go on. The kernel is the discrete Gaussian of Lindeberg 1990 (doi
    10.1109/34.49051), whose variance is sigma^2 on the pixel grid: a bell curve sampled at whole pixels for sigma = 0.5
    has a standard deviation of 0.46 only. Raises ValueError for a negative or infinite sigma.
    """
    if not 0 <= sigma < math.inf:
        raise ValueError(f"sigma must be 0 or more pixels, not {sigma}.")
    channels, radius = x.shape[1], math.ceil(6 * sigma) + 1
    # Its Fourier transform is exp(sigma^2 (cos w - 1)), w in radians per pixel.
    frequencies = torch.arange(radius + 1, dtype=torch.float64) * (2 * math.pi / (2 * radius + 1))
    kernel = torch.fft.irfft(torch.exp(sigma**2 * (frequencies.cos() - 1)), n=2 * radius + 1).roll(radius)
    kernel = kernel.to(x).expand(channels, 1, 1, -1)
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), kernel, groups=channels)
    return F.conv2d(F.pad(x, (0, 0, radius, radius), mode="replicate"), kernel.transpose(2, 3), groups=channels)


# -- likelihood --------------------------------------------------------------------------------------------------------


def bits_per_dim(nats: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Log-likelihoods in nats per image -> bits per dimension (sub-pixel) of an image of `shape` (C, H, W).

    >>> round(float(bits_per_dim(torch.tensor(-784 * math.log(256)), (1, 28, 28))), 3)  # 256 grey levels, all alike
    8.0
    """
    return -nats / (math.log(2) * math.prod(shape))


# -- classes and scores ------------------------------------------------------------------------------------------------


def accuracies(log_probabilities: Sequence[Tensor], labels: Tensor) -> list[float]:
    """Share of right answers for each attribute; of one without any known label, NaN.

    log_probabilities: one tensor `(N, K)` per attribute, of its K values; labels `(N, A)`, -1 = unknown, left out.

    >>> accuracies([torch.tensor([[0.9, 0.1], [0.6, 0.4]]).log()], labels=torch.tensor([[0], [1]]))
    [0.5]
    """
    shares = []
    for answers, label in zip(log_probabilities, labels.T, strict=True):
        known = label >= 0
        shares.append(float((answers.argmax(1) == label)[known].float().mean()))
    return shares


def class_histogram(classes: Tensor, num_classes: int) -> Tensor:
    """Share of the images `(num_classes,)`, float64, in each class; classes `(N,)` in [0, num_classes).

    Raises ValueError for a class outside that range, or for no images.
    """
    if not len(classes) or classes.min() < 0 or classes.max() >= num_classes:
        raise ValueError(f"A histogram needs one or more classes from 0 to {num_classes - 1}.")
    return torch.bincount(classes, minlength=num_classes).double() / len(classes)


def class_histogram_entropy(classes: Tensor, num_classes: int) -> float:
    """Entropy of the class histogram over its maximum log(num_classes): 1 = all equally often, 0 = one class only.

    Where the data set's own classes are not equally frequent, compare with the value of its images.
    Raises ValueError as `class_histogram` does, and for fewer than two classes.

    >>> class_histogram_entropy(torch.tensor([0, 0, 1, 1]), num_classes=4)
    0.5
    """
    if num_classes < 2:
        raise ValueError(f"The entropy of a histogram needs at least 2 classes, not {num_classes}.")
    shares = class_histogram(classes, num_classes)
    return float(torch.special.entr(shares).sum() / math.log(num_classes))


def fool_rate(real_scores: Tensor, fake_scores: Tensor) -> float:
    """Share of the fakes that a critic takes for real: that it scores above the median of real images.

    Scores `(N,)` and `(M,)`, higher = more real, of real images that the critic has not been trained on. 0.5 = it can't
    tell them apart, as half of the real images score above their median; 0 = every fake is caught; above 0.5 = it finds
    the fakes more real than real images. A score equal to the median counts half.
    Raises ValueError if there are no scores, or if some are NaN.

    >>> fool_rate(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 2.5]))
    0.5
    """
    if not len(real_scores) or not len(fake_scores) or real_scores.isnan().any() or fake_scores.isnan().any():
        raise ValueError("The fool rate needs scores of real and of fake images, none of them NaN.")
    median = real_scores.quantile(0.5)
    return float(((fake_scores > median).double() + 0.5 * (fake_scores == median).double()).mean())


def best_threshold(real_scores: Tensor, fake_scores: Tensor) -> float:
    """The score above which to call an image real, so that most of these are called rightly; higher = more real.

    Both kinds count the same, however many there are of each. Half-way between two scores, so never one of them; of
    several best ones the lowest. Raises ValueError if there are no scores, or if some are NaN.

    >>> best_threshold(torch.tensor([2.0, 4.0]), torch.tensor([0.0, 1.0]))
    1.5
    """
    if not len(real_scores) or not len(fake_scores) or real_scores.isnan().any() or fake_scores.isnan().any():
        raise ValueError("A threshold needs scores of real and of fake images, none of them NaN.")
    scores = torch.cat([real_scores, fake_scores]).double().unique()
    between = torch.cat([scores[:1] - 1, (scores[1:] + scores[:-1]) / 2, scores[-1:] + 1])
    missed = torch.searchsorted(real_scores.double().sort().values, between) / len(real_scores)
    caught = torch.searchsorted(fake_scores.double().sort().values, between) / len(fake_scores)
    return float(between[(caught - missed).argmax()])


def roc_auc(usual: Tensor, strange: Tensor) -> float:
    """How often a strange image scores above a usual one, of all pairs; equal scores count half: the area under the ROC curve.

    Scores `(N,)` and `(M,)`, higher = stranger. 1 = told apart without a mistake, 0.5 = guessing, 0 = always the wrong
    way round. Hanley & McNeil 1982 (doi 10.1148/radiology.143.1.7063747). Raises ValueError if there are no scores, or if some are NaN.

    >>> roc_auc(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
    0.875
    """
    if not len(usual) or not len(strange) or usual.isnan().any() or strange.isnan().any():
        raise ValueError("A ROC curve needs scores of usual and of strange images, none of them NaN.")
    order, scores = usual.double().sort().values, strange.double()
    below = torch.searchsorted(order, scores) + torch.searchsorted(order, scores, right=True)
    return float(below.double().mean() / (2 * len(order)))


def roc_auc_interval(area: float, usual: int, strange: int) -> tuple[float, float]:
    """The 95 % interval of a ROC AUC of so many usual and strange images, by the standard error of Hanley & McNeil 1982.

    >>> [round(end, 3) for end in roc_auc_interval(0.8, 100, 100)]
    [0.739, 0.861]
    """
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (strange - 1) * (first - area**2) + (usual - 1) * (second - area**2)
    reach = statistics.NormalDist().inv_cdf(0.975) * math.sqrt(max(0.0, variance) / (usual * strange))
    return max(0.0, area - reach), min(1.0, area + reach)


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `successes` of n were seen: that of Wilson 1927 (doi 10.2307/2276774).

    Other than the share ± 1.96 standard errors it never leaves [0, 1], and is right near both ends.
    Raises ValueError unless 0 <= successes <= n and n >= 1.

    >>> [round(end, 3) for end in wilson_interval(8, 10)]
    [0.49, 0.943]
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"An interval needs from 0 to n successes of n, 1 or more, not {successes} of {n}.")
    z = statistics.NormalDist().inv_cdf(0.975)
    share, weight = successes / n, z * z / n
    centre = share + weight / 2
    reach = z * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    # of all and of none rounding could leave the share itself outside
    return min(share, (centre - reach) / (1 + weight)), max(share, (centre + reach) / (1 + weight))


# -- distances of distributions ----------------------------------------------------------------------------------------


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of features, in squared feature units; 0 = the same.

    |m_real - m_fake|^2 + tr(S_real + S_fake - 2 (S_real S_fake)^(1/2)) with means m and covariances S: the FID of Heusel
    et al. 2017 (arXiv 1706.08500), with a referee in the place of Inception. Features `(N, D)` and `(M, D)`. It is biased
    upwards, the more the fewer images: compare at equal N and M only.
    Raises ValueError for D images or fewer (their covariance has no full rank), and for features that are not finite.

    >>> real = torch.randn(100, 2, dtype=torch.float64)
    >>> round(frechet_distance(real, real + torch.tensor([3, 4])), 6)  # a shift by 5
    25.0
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    dim = real.shape[-1]
    _check_features(f"A covariance of full rank in {dim} dimensions", dim + 1, real=real, fake=fake)
    # Only one process computes it: torchmetrics would wait for the others.
    metric = FrechetInceptionDistance(GivenFeatures(dim), sync_on_compute=False).to(real.device)
    centre = real.double().mean(0)  # the distance stays the same, its sums of squares lose fewer digits
    metric.update(real.double() - centre, real=True)
    metric.update(fake.double() - centre, real=False)
    return max(0.0, float(metric.compute()))


class GivenFeatures(nn.Identity):
    """Features `(N, num_features)`, where torchmetrics asks for the network that makes them."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def kernel_distance(
    real: Tensor, fake: Tensor, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Squared maximum mean discrepancy of two sets of features: mean and standard deviation over random subsets.

    The KID of Bińkowski et al. 2018 (arXiv 1801.01401), kernel k(x, y) = (x.y / D + 1)^3, on features `(N, D)` and
    `(M, D)`; each of the `subsets` pairs `subset_size` real images with as many fake ones, drawn without replacement.

    The estimator is unbiased: two samples of one distribution give 0 on average, whatever their size, and so a value can
    be negative; read it as 0 +- spread. (The spread says nothing where a subset is most of its set.) Of the two unbiased
    estimators of Gretton et al. 2012 (JMLR 13) it is the paired one of their Lemma 6, which is exactly 0 for a set and
    itself, and unbiased also if row i shows the same class in both; the other, which torchmetrics computes, is neither.
    Raises ValueError for fewer images than `subset_size`, and for features that are not finite.

    >>> real = torch.randn(200, 8)
    >>> kernel_distance(real, real, subset_size=50)
    (0.0, 0.0)
    """
    if subsets < 1 or subset_size < 2:
        raise ValueError(f"There must be 1 or more subsets of 2 or more images, not {subsets} of {subset_size}.")
    _check_features(f"The kernel distance of subsets of {subset_size}", subset_size, real=real, fake=fake)
    # Generators in step draw the same rows from sets of the same length.
    generators = [torch.Generator().manual_seed(seed) for _ in range(2)]
    values = []
    for _ in range(subsets):
        rows = [torch.randperm(len(x), generator=g) for x, g in zip((real, fake), generators, strict=True)]
        values.append(_squared_discrepancy(real[rows[0][:subset_size]], fake[rows[1][:subset_size]]))
    return statistics.fmean(values), statistics.pstdev(values)


def _squared_discrepancy(x: Tensor, y: Tensor) -> float:
    """Mean over i != j of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)."""
    x, y = x.float(), y.float()
    terms = _cubic_kernel(x, x) + _cubic_kernel(y, y) - 2 * _cubic_kernel(x, y)
    total = terms.sum(dtype=torch.float64) - terms.diagonal().sum(dtype=torch.float64)
    return float(total) / (len(x) * (len(x) - 1))


def _cubic_kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def inception_distance(real: Tensor, fake: Tensor, device: torch.device, report: Callable[[float], None]) -> float:
    """The usual FID: Frechet distance of uint8 images `(N, C, H, W)` in the features of an ImageNet Inception network.

    By torchmetrics, with torch-fidelity's weights, which it downloads at first use; grey images get three channels.
    Raises ValueError if torch-fidelity is not installed or its weights can't be had.
    """
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance

        metric = FrechetInceptionDistance(feature=2048, sync_on_compute=False).to(device)
    except ImportError as error:
        raise ValueError("The Inception FID needs torch-fidelity: pip install torch-fidelity torchvision.") from error
    except OSError as error:
        raise ValueError(f"The weights of the Inception network could not be downloaded: {error}") from error
    batches = [(x, is_real) for images, is_real in ((real, True), (fake, False)) for x in images.split(100)]
    for i, (x, is_real) in enumerate(batches):
        report(i / len(batches))
        metric.update(x.expand(-1, 3, -1, -1).to(device), real=is_real)
    return float(metric.compute())


# -- realism and variety, told apart -----------------------------------------------------------------------------------


def precision_recall(real: Tensor, fake: Tensor, k: int = 5) -> tuple[float, float]:
    """(precision, recall), each in [0, 1], of features `(N, D)` and `(M, D)`.

    Kynkäänniemi et al. 2019 (arXiv 1904.06991). A set covers the balls around its members that reach to their k-th
    nearest neighbours in the set. Precision: share of the fakes that the real set covers. Recall: share of the real
    images that the fake set covers. Both rise with k and depend on N and M: compare at the same three numbers only.
    Raises ValueError for k images or fewer, and for features that are not finite.

    >>> one = torch.randn(200, 3)
    >>> precision_recall(real=torch.cat([one, one + 100]), fake=one)  # of two modes it has learnt one, and that well
    (1.0, 0.5)
    """
    _check_neighbours(k, real, fake)
    precision = _covered(fake, real, _neighbour_radii(real, k))
    recall = _covered(real, fake, _neighbour_radii(fake, k))
    return float(precision.double().mean()), float(recall.double().mean())


def density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> tuple[float, float]:
    """(density, coverage) of features `(N, D)` and `(M, D)`: precision and recall that a few outliers can't move.

    Naeem et al. 2020 (arXiv 2002.09797), from the real images' balls alone (see `precision_recall`). Density, 0 or more:
    the balls a fake lies in, on average, over k. Coverage, in [0, 1]: share of the balls that hold a fake. For a perfect
    model density has the expectation 1, and coverage, with N = M large, 1 - 2^-k.
    Raises ValueError for k images or fewer, and for features that are not finite.

    >>> one = torch.randn(200, 3)
    >>> density, coverage = density_coverage(real=torch.cat([one, one + 100]), fake=one)
    >>> coverage
    0.5
    """
    _check_neighbours(k, real, fake)
    radii = _neighbour_radii(real, k)
    rows = max(1, BLOCK // len(fake))
    held = torch.cat(
        [
            (torch.cdist(centres, fake.float()) <= reach[:, None]).sum(1)
            for centres, reach in zip(real.float().split(rows), radii.split(rows), strict=True)
        ]
    )
    return float(held.sum()) / (k * len(fake)), float((held > 0).double().mean())


def pairwise_diversity(real: Tensor, fake: Tensor, *, pairs: int = 100_000, seed: int = 0) -> float:
    """Mean distance of two fakes over the mean distance of two real images: 1 = as varied, 0 = all fakes are the same.

    Features `(N, D)` and `(M, D)`; the means are over random `pairs` of different images.
    Raises ValueError for fewer than two images, real images that are all the same, and features that are not finite.

    >>> real = torch.randn(200, 3)
    >>> round(pairwise_diversity(real, real / 4 + 7), 3)
    0.25
    """
    _check_features("A pair", 2, real=real, fake=fake)
    real_distance, fake_distance = (_mean_pair_distance(x.float(), pairs, seed) for x in (real, fake))
    if real_distance == 0:
        raise ValueError("The real images are all the same: diversity has no unit.")
    return fake_distance / real_distance


def _mean_pair_distance(x: Tensor, pairs: int, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(len(x), (pairs,), generator=generator)
    second = (first + torch.randint(1, len(x), (pairs,), generator=generator)) % len(x)
    rows = max(1, BLOCK // x.shape[1])
    distances = [(x[i] - x[j]).norm(dim=1) for i, j in zip(first.split(rows), second.split(rows), strict=True)]
    return float(torch.cat(distances).double().mean())


def _neighbour_radii(x: Tensor, k: int) -> Tensor:
    """Distance `(N,)` from each of x `(N, D)` to its k-th nearest neighbour, itself not counted."""
    x = x.float()
    radii = []
    for rows in torch.arange(len(x), device=x.device).split(max(1, BLOCK // len(x))):
        distances = torch.cdist(x[rows], x)
        distances[rows - rows[0], rows] = math.inf
        radii.append(distances.topk(k, largest=False).values[:, -1])
    return torch.cat(radii)


def _covered(points: Tensor, centres: Tensor, radii: Tensor) -> Tensor:
    """Whether each of the points `(M, D)` lies in one of the balls: `(M,)`."""
    blocks = points.float().split(max(1, BLOCK // len(centres)))
    return torch.cat([(torch.cdist(block, centres.float()) <= radii).any(1) for block in blocks])


# -- memorisation ------------------------------------------------------------------------------------------------------


class Memorisation(NamedTuple):
    """How near a model's images come to its training images, by the measure of images that it has never seen."""

    share: float  # of the fakes nearer to a training image than all but 1 % of the test images; honest: test_share
    test_share: float  # the same of the test images: 0.01, or more where more of them stand in the training set too
    median_ratio: float  # median distance of fakes over that of test images; honest: about 1
    smallest: float  # the smallest distance of a fake, in units of the test images' median
    copies: Tensor  # (number of copies, 2) int64: index of the fake, index of the training image that it equals


def memorisation(
    train: Tensor, test: Tensor, fake: Tensor, *, quantile: float = 0.01, tolerance: float = 1e-3
) -> Memorisation:
    """Whether fakes `(M, D)` are nearer to their nearest training image than test images are; features or pixels.

    After the data-copying test of Meehan et al. 2020 (arXiv 2004.05675). `quantile` of the test images' distances sets
    the limit; distances below `tolerance` times their median are copies and count as 0. The test images must come from
    the distribution of the training images, and are no part of them. Pixels tell a copy from a similar picture better
    than features, which forget what their referee has no use for.
    Raises ValueError for empty sets, features that are not finite, and if most test images are copies themselves.

    >>> train, test, fake = torch.randn(3, 500, 8)
    >>> fake[7] = train[123]
    >>> memorisation(train, test, fake).copies.tolist()
    [[7, 123]]
    """
    _check_features("A nearest neighbour", 1, train=train, test=test, fake=fake)
    (held_out, _), (distances, nearest) = nearest_distances(test, train), nearest_distances(fake, train)
    unit = held_out.quantile(0.5)
    if unit == 0:
        raise ValueError("Most of the test images stand in the training set too: nothing can be told from them.")
    held_out, distances = held_out / unit, distances / unit
    limit = held_out.quantile(quantile).clamp(min=tolerance)
    copies = (distances < tolerance).nonzero().squeeze(1)
    return Memorisation(
        share=float((distances <= limit).double().mean()),
        test_share=float((held_out <= limit).double().mean()),
        median_ratio=float(distances.quantile(0.5)),
        smallest=float(distances.min()),
        copies=torch.stack([copies, nearest[copies]], 1),
    )


def nearest_distances(queries: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """Distance `(N,)` from each query `(N, D)` to the nearest of the references `(M, D)`, and the index `(N,)` of that.

    Raises ValueError for empty sets, and for features that are not finite.

    >>> distances, indices = nearest_distances(torch.tensor([[3.0, 4.0]]), torch.tensor([[9.0, 9.0], [0.0, 0.0]]))
    >>> distances.tolist(), indices.tolist()
    ([5.0], [1])
    """
    _check_features("A nearest neighbour", 1, queries=queries, references=references)
    queries, references = queries.float(), references.float()
    half_squares = references.square().sum(1) / 2
    # The nearest r minimises |r|^2 / 2 - q.r: one matrix product, which however rounds ...
    blocks = queries.split(max(1, BLOCK // len(references)))
    nearest = torch.cat([torch.addmm(half_squares, q, references.T, alpha=-1).argmin(1) for q in blocks])
    # ... so the distance itself is computed from the difference: that of a copy is exactly 0.
    return (queries - references[nearest]).norm(dim=1), nearest


# -- what goes in ------------------------------------------------------------------------------------------------------


def _check_neighbours(k: int, real: Tensor, fake: Tensor) -> None:
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")
    _check_features(f"A {k}-nearest-neighbour ball", k + 1, real=real, fake=fake)


def _check_features(purpose: str, least: int, **sets: Tensor) -> None:
    """Raises ValueError unless all are features `(N, D)` of one D, finite, with N >= least, which `purpose` needs."""
    shapes = [list(x.shape) for x in sets.values()]
    if any(len(shape) != 2 or shape[1] != shapes[0][1] for shape in shapes):
        raise ValueError(f"Features must be (N, D) with the same D for {' and '.join(sets)}, not {shapes}.")
    for name, features in sets.items():
        if broken := int((~features.isfinite()).any(1).sum()):
            raise ValueError(f"NaN or infinity is in the features of {broken} of the {len(features)} {name} images.")
        if len(features) < least:
            raise ValueError(f"{purpose} needs at least {least} {name} images, not {len(features)}.")
