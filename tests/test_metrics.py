"""Metrics against values known in closed form, worked out by hand, or computed the slow way."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels import metrics
from genmodels.metrics import (
    accuracies,
    bits_per_dim,
    blur,
    class_histogram,
    class_histogram_entropy,
    density_coverage,
    fool_rate,
    frechet_distance,
    kernel_distance,
    mean_squared_error,
    memorisation,
    nearest_distances,
    pairwise_diversity,
    precision_recall,
    psnr,
    ssim,
)


def cloud(n: int, dim: int = 3, seed: int = 0) -> Tensor:
    """n draws `(n, dim)` of N(0, I)."""
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def white(n: int, dim: int) -> Tensor:
    """A cloud, float64, whose own mean is exactly 0 and whose own covariance is exactly I."""
    x = cloud(n, dim).double()
    return torch.linalg.qr(x - x.mean(0)).Q * math.sqrt(n - 1)


def line(*values: float) -> Tensor:
    """Features of one dimension."""
    return torch.tensor(values).unsqueeze(1)


# -- errors of images --------------------------------------------------------------------------------------------------


def test_mean_squared_error_is_per_image():
    x = torch.zeros(2, 3, 4, 4)
    y = torch.stack([torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), -1.0)])
    assert mean_squared_error(x, y).tolist() == [0.25, 1.0]


@pytest.mark.parametrize(("mse", "decibels"), [(4.0, 0.0), (0.25, 12.0412), (0.0, math.inf)])
def test_psnr_of_a_known_error(mse, decibels):
    """From -1 to 1 the peak is 2, so its square is 4."""
    assert psnr(mse) == pytest.approx(decibels, abs=1e-4)


def test_psnr_is_that_of_grey_levels():
    """One grey level of 255 everywhere: 20 log10(255) = 48.13 dB."""
    assert psnr((2 / 255) ** 2) == pytest.approx(20 * math.log10(255))


def images(n: int, shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    return 2 * torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed)) - 1


def slow_ssim(x: Tensor, y: Tensor) -> Tensor:
    """The formula of Wang et al. 2004 `(B,)`, every 11x11 window of images in [-1, 1] written out."""
    offsets = torch.arange(-5, 6, dtype=torch.float64)
    weights = torch.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()

    def mean(windows: Tensor) -> Tensor:
        return (weights * windows).sum((-2, -1), keepdim=True)

    padded = (F.pad((image.double() + 1) / 2, (5, 5, 5, 5), mode="reflect") for image in (x, y))
    a, b = (image.unfold(2, 11, 1).unfold(3, 11, 1) for image in padded)
    c1, c2, da, db = 0.01**2, 0.03**2, a - mean(a), b - mean(b)
    luminance = (2 * mean(a) * mean(b) + c1) / (mean(a) ** 2 + mean(b) ** 2 + c1)
    structure = (2 * mean(da * db) + c2) / (mean(da**2) + mean(db**2) + c2)
    return (luminance * structure).flatten(1).mean(1)


def test_ssim_is_that_of_the_paper():
    x = images(3, (2, 12, 9))
    y = (x + 0.5 * images(3, (2, 12, 9), seed=1)).clamp(-1, 1)
    assert ssim(x, y).tolist() == pytest.approx(slow_ssim(x, y).tolist(), abs=1e-5)


def test_ssim_of_constant_images():
    """Without structure the luminance term is left: (2ab + C1) / (a^2 + b^2 + C1) of the intensities in [0, 1]."""
    black, grey, white = (torch.full((1, 1, 28, 28), value) for value in (-1.0, 0.0, 1.0))
    assert float(ssim(grey, white)) == pytest.approx((2 * 0.5 + 1e-4) / (0.25 + 1 + 1e-4), abs=1e-4)
    assert float(ssim(black, white)) == pytest.approx(1e-4 / (1 + 1e-4), abs=1e-4)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8)])
def test_ssim_is_per_image(shape):
    x, y = images(60, shape), images(60, shape, seed=1)
    y[::2] = x[::2]
    found = ssim(x, y)
    assert found.shape == (60,)
    assert found[::2].tolist() == pytest.approx([1.0] * 30)
    assert (found[1::2] < 0.5).all()
    assert float(ssim(x[59:], y[59:])) == pytest.approx(float(found[59]), abs=1e-5)


@pytest.mark.parametrize("sigma", [0.5, 2.3])
def test_blur_spreads_a_point_by_sigma(sigma):
    """The blurred point is a distribution over the pixels: of mass 1, centred, of variance sigma^2 along both axes."""
    point = torch.zeros(1, 1, 61, 51, dtype=torch.float64)
    point[0, 0, 30, 25] = 1
    spread = blur(point, sigma)[0, 0]
    assert (spread > -1e-12).all()
    for mass, centre in ((spread.sum(1), 30), (spread.sum(0), 25)):
        distance = torch.arange(len(mass)) - centre
        assert float(mass.sum()) == pytest.approx(1)
        assert float((mass * distance).sum()) == pytest.approx(0, abs=1e-9)
        assert float((mass * distance**2).sum()) == pytest.approx(sigma**2, rel=1e-4)


def test_blur_keeps_what_is_flat():
    """Each channel by itself, up to the border, also where the kernel is larger than the image."""
    x = torch.tensor([-1.0, 0.2, 1.0]).view(1, 3, 1, 1).expand(2, 3, 6, 5)
    assert torch.allclose(blur(x, 2.0), x, atol=1e-6)


def test_no_blur():
    x = images(2, (3, 8, 9))
    assert torch.allclose(blur(x, 0), x, atol=1e-6)
    for sigma in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="sigma must be 0 or more"):
            blur(x, sigma)


# -- likelihood --------------------------------------------------------------------------------------------------------


def test_bits_per_dim():
    shape = (3, 4, 5)
    nats = torch.tensor([-60 * math.log(2), -60 * math.log(256), 0.0])
    assert bits_per_dim(nats, shape).tolist() == pytest.approx([1.0, 8.0, 0.0]), "uniform over 256 levels: 8 bits"


# -- classes and scores ------------------------------------------------------------------------------------------------


def test_accuracies_leave_out_what_is_unknown():
    """Three images, two attributes: of the first all labels are known, of the second only that of the last image."""
    first = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]).log()
    second = torch.tensor([[0.1, 0.1, 0.8], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).log()
    assert accuracies([first, second], torch.tensor([[0, -1], [1, -1], [0, 1]])) == pytest.approx([2 / 3, 1.0])
    assert math.isnan(accuracies([first], torch.full((3, 1), -1))[0])
    with pytest.raises(ValueError, match="argument 2"):
        accuracies([first], torch.zeros(3, 2))


def test_class_histogram():
    assert class_histogram(torch.tensor([2, 0, 2, 2]), 4).tolist() == [0.25, 0, 0.75, 0]
    for classes in ([], [-1, 0], [0, 4]):
        with pytest.raises(ValueError, match="classes from 0 to 3"):
            class_histogram(torch.tensor(classes, dtype=torch.long), 4)


@pytest.mark.parametrize(
    ("classes", "count", "entropy"),
    [
        ([0, 1, 2, 3], 4, 1.0),
        ([2, 2, 2], 4, 0.0),
        ([0, 0, 1, 1], 4, 0.5),
        ([0, 1, 1, 1], 2, 2 - 0.75 * math.log2(3)),
    ],
)
def test_class_histogram_entropy(classes, count, entropy):
    assert class_histogram_entropy(torch.tensor(classes), count) == pytest.approx(entropy)


def test_one_class_has_no_entropy():
    with pytest.raises(ValueError, match="at least 2 classes, not 1"):
        class_histogram_entropy(torch.zeros(3, dtype=torch.long), 1)


def test_fool_rate():
    real = torch.tensor([1.0, 3.0, 2.0, 4.0])  # the median lies between 2 and 3
    assert fool_rate(real, real) == 0.5
    assert fool_rate(real[:3], real[:3]) == 0.5, "the median itself counts half"
    assert fool_rate(real, torch.tensor([0.0, 2.4, 2.6, 9.0])) == 0.5
    assert fool_rate(real, torch.tensor([2.6, 5.0, 2.4, 7.0])) == 0.75
    assert fool_rate(real, torch.tensor([0.0, 2.0])) == 0.0
    for pair in ((real, real.log() * math.nan), (real[:0], real), (real, real[:0])):
        with pytest.raises(ValueError, match="scores of real and of fake"):
            fool_rate(*pair)


# -- distances of distributions ----------------------------------------------------------------------------------------


def test_frechet_distance_of_a_shift_is_its_square():
    real, shift = cloud(50, 5).double(), torch.tensor([3.0, 0, -4, 0, 0])
    assert frechet_distance(real, real + shift) == pytest.approx(25, abs=1e-9)
    assert frechet_distance(real + 1e8, real + 1e8 + shift) == pytest.approx(25, abs=1e-5), "however far from 0"
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_known_gaussians():
    """Covariances A'A and B'B, which do not commute: the trace of the root of their product is the nuclear norm of AB'."""
    x, a, b, shift = (
        white(60, 4),
        cloud(4, 4, seed=1).double(),
        cloud(4, 4, seed=2).double(),
        torch.arange(4.0).double(),
    )
    expected = a.square().sum() + b.square().sum() - 2 * torch.linalg.matrix_norm(a @ b.T, "nuc") + 14
    assert frechet_distance(x @ a, x @ b + shift) == pytest.approx(float(expected), rel=1e-9)
    assert frechet_distance(x @ b + shift, x @ a) == pytest.approx(float(expected), rel=1e-9), "symmetric"


def test_frechet_distance_of_samples_of_known_gaussians():
    """N(0, I) and N(1, diag(4, 4, 9)): 3 + 1 + 1 + 4."""
    fake = 1 + cloud(50_000, seed=1) * torch.tensor([2.0, 2.0, 3.0])
    assert frechet_distance(cloud(50_000), fake) == pytest.approx(9, rel=0.02)


def test_frechet_distance_needs_a_full_rank():
    assert math.isfinite(frechet_distance(cloud(9, 8), cloud(9, 8, seed=1)))
    with pytest.raises(ValueError, match="full rank in 8 dimensions needs at least 9 fake images, not 8"):
        frechet_distance(cloud(9, 8), cloud(8, 8))
    with pytest.raises(ValueError, match="needs at least 9 real images, not 8"):
        frechet_distance(cloud(8, 8), cloud(9, 8))


def slow_kernel_distance(x: Tensor, y: Tensor) -> float:
    def k(a: Tensor, b: Tensor) -> float:
        return (float(a @ b) / len(a) + 1) ** 3

    pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if i != j]
    return sum(k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i]) for i, j in pairs) / len(pairs)


def test_kernel_distance_is_that_of_the_paper():
    x, y = cloud(12, 4), cloud(12, 4, seed=1) + 0.5
    mean, std = kernel_distance(x, y, subsets=3, subset_size=12)
    assert mean == pytest.approx(slow_kernel_distance(x.double(), y.double()), rel=1e-5)
    assert std == pytest.approx(0, abs=1e-6), "every subset is the whole set"


def test_kernel_distance_of_two_points():
    """All real features 0, all fake ones c: 1 + (|c|^2 / D + 1)^3 - 2."""
    c = torch.tensor([2.0, 1.0, 1.0])
    assert kernel_distance(torch.zeros(30, 3), c.expand(20, 3), subsets=2, subset_size=10) == pytest.approx((26, 0))


def test_kernel_distance_of_a_set_and_itself_is_0():
    x = cloud(500, 16)
    assert kernel_distance(x, x.clone(), subsets=5, subset_size=100) == (0, 0)


def test_kernel_distance_is_unbiased():
    """0 on average over pairs of samples, some of them negative; also if row i shows the same class in both sets."""
    centres = 3 * cloud(3, 4, seed=99)[torch.arange(30) % 3]
    found = [
        kernel_distance(
            centres + cloud(30, 4, seed=2 * i), centres + cloud(30, 4, seed=2 * i + 1), subsets=1, subset_size=30
        )[0]
        for i in range(200)
    ]
    found = torch.tensor(found)
    assert abs(found.mean()) < 3 * found.std() / math.sqrt(200)
    assert found.min() < 0 < found.max()


def test_kernel_distance_agrees_with_torchmetrics():
    """Which computes the unpaired one of the two unbiased estimators: the same but for the noise."""
    from torchmetrics.image.kid import KernelInceptionDistance

    real, fake = cloud(4000, 8), 1.2 * cloud(4000, 8, seed=1) + 0.2
    with pytest.warns(UserWarning, match="save all extracted features"):
        reference = KernelInceptionDistance(torch.nn.Identity(), subsets=100, subset_size=500)
    torch.manual_seed(0)
    reference.update(real, real=True)
    reference.update(fake, real=False)
    mean, spread = (float(value) for value in reference.compute())
    assert kernel_distance(real, fake, subset_size=500) == (
        pytest.approx(mean, abs=4 * spread / math.sqrt(100)),
        pytest.approx(spread, rel=0.5),
    )


def test_kernel_distance_grows_with_a_shift():
    real, fake = cloud(1000, 8), cloud(1000, 8, seed=1)
    found = [kernel_distance(real, fake + shift, subsets=10, subset_size=200)[0] for shift in (0, 0.3, 0.6, 1.2)]
    assert abs(found[0]) < 0.05
    assert found == sorted(found)
    assert found[1] > found[0] + 0.05


def test_kernel_distance_depends_on_its_seed_alone():
    real, fake = cloud(300, 8), cloud(250, 8, seed=1)
    first, state = kernel_distance(real, fake, subsets=5, subset_size=50), torch.random.get_rng_state()
    torch.rand(3)
    assert kernel_distance(real, fake, subsets=5, subset_size=50) == first
    assert kernel_distance(real, fake, subsets=5, subset_size=50, seed=1) != first
    torch.random.set_rng_state(state)
    kernel_distance(real, fake, subsets=5, subset_size=50)
    assert torch.equal(torch.random.get_rng_state(), state), "and leaves the process's own numbers alone"


def test_kernel_distance_refuses():
    with pytest.raises(ValueError, match="subsets of 1000 needs at least 1000 fake images, not 999"):
        kernel_distance(cloud(1000), cloud(999))
    for subsets, size in ((0, 10), (10, 1)):
        with pytest.raises(ValueError, match=f"not {subsets} of {size}"):
            kernel_distance(cloud(20), cloud(20), subsets=subsets, subset_size=size)


# -- realism and variety -----------------------------------------------------------------------------------------------


def test_balls_worked_out_by_hand():
    """With k = 1 the radii of 0, 1, 3, 9 are 1, 1, 2, 6; those of 0.5, 4.5, 20 are 4, 4, 15.5.

    0.5 lies in the balls of 0 and 1, 4.5 in those of 3 and 9, 20 in none; every ball holds one. The fakes' balls reach
    from -3.5 to 4.5, from 0.5 to 8.5 and from 4.5 on, so they hold all real images.
    """
    real, fake = line(0, 1, 3, 9), line(0.5, 4.5, 20)
    assert precision_recall(real, fake, k=1) == pytest.approx((2 / 3, 1))
    assert density_coverage(real, fake, k=1) == pytest.approx((4 / 3, 1))
    # Without 20 in between, 9 is in no ball: the radii of 0.5, 4.5, 40, 41 are 4, 4, 1, 1.
    assert precision_recall(real, line(0.5, 4.5, 40, 41), k=1) == (0.5, 0.75)
    # With k = 2 the radii of 0, 1, 3, 9 are 3, 2, 3, 8: 0.5 is in the balls of 0, 1, 3; 4.5 of 3, 9; 20 of none.
    assert density_coverage(real, fake, k=2) == pytest.approx((5 / 6, 1))
    assert density_coverage(real, line(19, 20, 21), k=2) == (0, 0)
    assert density_coverage(real, line(-1, 20, 21), k=2) == pytest.approx((2 / 6, 0.5))


def test_equal_and_disjoint_clouds():
    x = cloud(300)
    assert precision_recall(x, x) == (1, 1)
    assert density_coverage(x, x)[1] == 1
    assert precision_recall(x, x + 100) == (0, 0)
    assert density_coverage(x, x + 100) == (0, 0)


def test_missing_and_invented_modes():
    """Realism is whole and variety half where the model has learned one of two modes; and the other way round."""
    one, two = cloud(200), torch.cat([cloud(200), cloud(200, seed=1) + 100])
    assert precision_recall(two, one) == (1, 0.5)
    assert density_coverage(two, one)[1] == 0.5
    assert precision_recall(one, two) == (0.5, 1)
    density, coverage = density_coverage(one, two)
    assert density == pytest.approx(density_coverage(one, one)[0] / 2)
    assert coverage == 1


@pytest.mark.parametrize("k", [1, 5])
def test_density_and_coverage_of_the_real_distribution(k):
    """Their expectations (Naeem et al. 2020): 1, and 1 - (N-1)...(N-k) / ((2N-1)...(2N-k))."""
    n = 500
    found = torch.tensor([density_coverage(cloud(n, seed=2 * i), cloud(n, seed=2 * i + 1), k) for i in range(40)])
    missed = math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    assert found.mean(0).tolist() == pytest.approx([1, 1 - missed], abs=0.025)


def test_neighbours_need_images():
    for measure in (precision_recall, density_coverage):
        with pytest.raises(ValueError, match="5-nearest-neighbour ball needs at least 6 fake images, not 5"):
            measure(cloud(6), cloud(5))
        with pytest.raises(ValueError, match="k must be at least 1, not 0"):
            measure(cloud(6), cloud(6), k=0)


def test_pairwise_diversity():
    real = cloud(2000)
    assert pairwise_diversity(real, real) == 1
    assert pairwise_diversity(real, 0.25 * real + 7) == pytest.approx(0.25, rel=1e-5)
    assert pairwise_diversity(real, cloud(3000, seed=1)) == pytest.approx(1, abs=0.03)
    assert pairwise_diversity(real, real[:1].expand(50, 3)) == 0
    assert pairwise_diversity(line(0, 1), line(2, 5)) == 3


def test_pairwise_diversity_is_that_of_all_pairs():
    """Of different images: in the smaller set an image would more often be paired with itself."""
    real, fake = cloud(5), cloud(150, seed=1).square()
    expected = torch.pdist(fake).mean() / torch.pdist(real).mean()
    assert pairwise_diversity(real, fake) == pytest.approx(float(expected), rel=0.01)
    assert pairwise_diversity(real, fake) == pairwise_diversity(real, fake)
    assert pairwise_diversity(real, fake, seed=1) != pairwise_diversity(real, fake)


def test_pairwise_diversity_refuses():
    with pytest.raises(ValueError, match="all the same"):
        pairwise_diversity(torch.ones(5, 3), cloud(5))
    with pytest.raises(ValueError, match="A pair needs at least 2 fake images, not 1"):
        pairwise_diversity(cloud(5), cloud(1))


# -- memorisation ------------------------------------------------------------------------------------------------------


def test_nearest_distances():
    queries, references = cloud(50, 6), cloud(70, 6, seed=1)
    distances, indices = nearest_distances(queries, references)
    expected = (queries[:, None].double() - references).norm(dim=2).min(1)
    assert indices.tolist() == expected.indices.tolist()
    assert distances.tolist() == pytest.approx(expected.values.tolist(), rel=1e-5)


def test_a_copy_is_at_distance_0():
    """Exactly, however far from the origin, where a distance from squares and products would round."""
    references = 1000 + cloud(500, 64)
    distances, indices = nearest_distances(references[[3, 400]], references)
    assert distances.tolist() == [0, 0]
    assert indices.tolist() == [3, 400]


def test_honest_draws_are_no_copies():
    """Test images and fakes of one distribution, 20 times; no draw of one of them is repeated."""
    found = [memorisation(*(cloud(2000, seed=3 * i + j) for j in range(3))) for i in range(20)]
    share, test_share, ratio = (torch.tensor(values).mean() for values in list(zip(*found, strict=True))[:3])
    assert float(test_share) == pytest.approx(0.01, abs=1e-6)
    assert float(share) == pytest.approx(0.01, abs=0.002)
    assert float(ratio) == pytest.approx(1, abs=0.02)
    assert all(one.smallest > 0 for one in found)
    assert sum(len(one.copies) for one in found) == 0


def test_a_planted_copy_is_found():
    train, fake = cloud(5000, 8), cloud(100, 8, seed=2)
    fake[[7, 60]] = train[[123, 4999]]
    found = memorisation(train, cloud(1000, 8, seed=1), fake)
    assert found.copies.tolist() == [[7, 123], [60, 4999]]
    assert found.smallest == 0
    assert 0.02 <= found.share < 0.1


def test_a_model_that_only_copies_is_found():
    """With a little noise, so that no fake equals a training image."""
    train = cloud(2000, 8)
    found = memorisation(train, cloud(1000, 8, seed=1), train[:500] + 0.01 * cloud(500, 8, seed=2))
    assert found.share == 1
    assert found.median_ratio < 0.05
    assert found.copies.shape == (0, 2)


def test_data_that_holds_copies_sets_the_measure():
    """5 % of the test images stand in the training set too, but for rounding: the fakes' half of copies is no honest 1 %."""
    train, test, fake = cloud(2000, 8), cloud(1000, 8, seed=1), cloud(1000, 8, seed=2)
    test[:50] = train[:50] + 1e-6
    fake[:500] = train[100:600] + 1e-5
    found = memorisation(train, test, fake)
    assert (found.share, found.test_share) == (0.5, 0.05)
    with pytest.raises(ValueError, match="Most of the test images stand in the training set"):
        memorisation(train, train[:100], fake)


# -- all of them -------------------------------------------------------------------------------------------------------

ON_FEATURES = [
    frechet_distance,
    lambda real, fake: kernel_distance(real, fake, subsets=3, subset_size=50),
    precision_recall,
    density_coverage,
    pairwise_diversity,
    lambda real, fake: memorisation(real, cloud(90, 4, seed=3), fake)[:4],
]
NAMES = ["frechet_distance", "kernel_distance", "precision_recall", "density_coverage", "diversity", "memorisation"]
each = pytest.mark.parametrize("measure", ON_FEATURES, ids=NAMES)


@each
def test_broken_samples_are_named(measure):
    broken = cloud(60, 4)
    broken[[3, 5], 1] = torch.tensor([math.nan, math.inf])
    with pytest.raises(ValueError, match="NaN or infinity is in the features of 2 of the 60 fake images"):
        measure(cloud(70, 4), broken)


@each
def test_features_of_two_referees_do_not_mix(measure):
    for other in (cloud(60, 5), cloud(60, 4)[:, 0]):
        with pytest.raises(ValueError, match=r"must be \(N, D\) with the same D"):
            measure(cloud(70, 4), other)


@each
def test_blocks_change_nothing(measure, monkeypatch):
    """What does not fit in memory at once is computed in blocks, the last of them smaller."""
    real, fake = cloud(70, 4), cloud(64, 4, seed=1)
    whole = measure(real, fake)
    monkeypatch.setattr(metrics, "BLOCK", 900)
    assert measure(real, fake) == pytest.approx(whole, rel=1e-6)
