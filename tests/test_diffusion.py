"""Diffusion: the noise schedule, the solvers against a case that has an exact solution, captions, and stock diffusers."""

import dataclasses
import itertools
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import diffusers
import pytest
import torch
from helpers import batch, build, one_of_a_kind, others_slow, python, tiny_images
from torch import Tensor

from genmodels import checkpoint, operations
from genmodels.card import model_card
from genmodels.data import Images, load_dataset
from genmodels.evaluation.measurement import Evaluation
from genmodels.evaluation.parts import PARTS
from genmodels.models import pipeline
from genmodels.models.base import TrainConfig, seeded
from genmodels.models.diffusion import Diffusion, DiffusionConfig
from genmodels.training.completion import finish, preview
from genmodels.training.loop import train

CAPTIONS = ("an elf in a red robe", "an orc, holding an axe", "a dwarf")
DETERMINISTIC = [name for name in pipeline.SCHEDULERS if name != "ddpm"]  # which draws fresh noise at every step


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


def tiny(**changes: object) -> Diffusion:
    return build("diffusion", **changes).requires_grad_(False)


def reader(**changes: object) -> Diffusion:
    """A model of captions."""
    return tiny(num_classes=0, vocabulary=Diffusion.vocabulary_of(CAPTIONS), **changes)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def nobody(n: int) -> Tensor:
    return torch.full((n,), -1)


# -- the noise schedule ------------------------------------------------------------------------------------------------


def test_the_noise_schedule_is_diffusers_own():
    alpha_bar = diffusers.DDPMScheduler(**pipeline.SCHEDULE).alphas_cumprod.double()
    angles = pipeline.angles()
    assert torch.allclose(angles.cos().square(), alpha_bar, atol=1e-6)
    assert (angles.diff() > 0).all()
    assert angles[0] < 0.01
    assert angles[-1] > math.pi / 2 - 1e-3, "at the end nothing is left of the picture"


def test_noise_and_velocity_in_closed_form():
    model, scheduler = tiny(), diffusers.DDPMScheduler(**pipeline.SCHEDULE)
    x, eps, t = noise(50, 1, 8, 8), noise(50, 1, 8, 8, seed=1), torch.arange(0, 1000, 20)
    alpha, sigma = model.level(t)
    noisy, v = alpha * x + sigma * eps, alpha * eps - sigma * x
    assert torch.allclose(scheduler.add_noise(x, eps, t), noisy, atol=1e-4)
    assert torch.allclose(scheduler.get_velocity(x, eps, t), v, atol=1e-4)
    assert torch.allclose(alpha.square() + sigma.square(), torch.ones(()), atol=1e-6)
    assert torch.allclose(alpha * noisy - sigma * v, x, atol=1e-5), "the clean picture"
    assert torch.allclose(sigma * noisy + alpha * v, eps, atol=1e-5), "the noise"


def test_the_objective_is_the_error_of_the_velocity():
    """Whatever the network says, the loss is its squared distance from the velocity of the noise that was drawn."""
    model = tiny()
    x, labels = batch(model, 6)
    torch.manual_seed(3)
    loss = model(x, labels)["loss"]
    torch.manual_seed(3)
    eps, share = torch.randn_like(x), (torch.arange(6) + torch.rand(6)) / 6
    t = (1000 * share).long()
    angle = pipeline.angles()[t].float().view(-1, 1, 1, 1)
    wanted = angle.cos() * eps - angle.sin() * x
    given = model.velocity(angle.cos() * x + angle.sin() * eps, t, model.condition(labels, 6, x.device))
    assert torch.allclose(loss, (given - wanted).square().mean(), rtol=1e-4)


def test_steps_between_two_training_steps():
    angles = pipeline.angles()
    for k in (0, 1, 400, 998, 999):
        assert pipeline.step_of(float(angles[k])) == pytest.approx(k, abs=1e-6)
    assert pipeline.step_of(float(angles[[400, 401]].mean())) == pytest.approx(400.5, abs=1e-6)
    assert (pipeline.step_of(0.0), pipeline.step_of(math.pi / 2)) == (0, 999)


# -- the solvers: where all pictures are Gaussian, the exact solution is known --------------------------------------------

MEAN, DEVIATION = 0.2, 0.15


def gaussian(noisy: Tensor, t: float) -> Tensor:
    """The perfect network for pictures whose pixels are independent, N(MEAN, DEVIATION^2)."""
    table, left = pipeline.angles(), min(int(t), 998)
    angle = float(table[left] + (t - left) * (table[left + 1] - table[left]))
    alpha, sigma = math.cos(angle), math.sin(angle)
    variance = (alpha * DEVIATION) ** 2 + sigma**2
    clean = MEAN + alpha * DEVIATION**2 / variance * (noisy - alpha * MEAN)
    return (alpha * noisy - clean) / sigma


def solved(name: str, steps: int, n: int = 4, **options: object) -> tuple[Tensor, Tensor]:
    """(noise to begin with, pictures that a scheduler makes of it for Gaussian pictures)"""
    z = noise(n, 1, 8, 8)
    *_, last = pipeline.denoise(
        gaussian, pipeline.make_scheduler(name), lambda alpha, sigma: z, steps, generator=seeded(range(n)), **options
    )
    return z, last.clean


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_all_solvers_agree_in_the_limit(name):
    """The curve from noise z ends at MEAN + DEVIATION z: with many steps every deterministic solver gets there."""
    errors = []
    for steps in (10, 50, 250):
        z, pictures = solved(name, steps)
        errors.append(float((pictures - (MEAN + DEVIATION * z)).square().mean().sqrt()) / DEVIATION)
    assert errors[2] < 0.03, errors
    assert errors[0] > 2 * errors[1], errors


@pytest.mark.parametrize("name", ["dpm++2m", "dpm++3m", "unipc", "deis", "ipndm", "heun"])
def test_higher_order_solvers_need_fewer_steps(name):
    errors = {}
    for method in ("euler", name):
        z, pictures = solved(method, 50)
        errors[method] = float((pictures - (MEAN + DEVIATION * z)).square().mean().sqrt())
    assert errors[name] < 0.5 * errors["euler"], errors


def test_random_solvers_have_the_right_distribution():
    for name, options in (("ddpm", {}), ("ddim", {"eta": 1.0})):
        z, pictures = solved(name, 300, n=100, **options)
        assert pictures.mean() == pytest.approx(MEAN, abs=0.01)
        assert pictures.std() == pytest.approx(DEVIATION, rel=0.05)
        correlation = float(torch.corrcoef(torch.stack([z.flatten(), pictures.flatten()]))[0, 1])
        assert abs(correlation) < 0.5, "fresh noise makes the picture forget where it began"


def test_guidance_costs_nothing_where_nothing_is_asked_for():
    model, passes = tiny(), []
    model.unet.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
    guided = {"guidance_scale": 3.0, "num_inference_steps": 2, "scheduler": "ddim"}
    drawn = model.sample(nobody(2), generators=seeded([0, 1]), **guided)
    assert passes == [2, 2]
    model.sample(torch.tensor([0, -1]), generators=seeded([0, 1]), **guided)
    assert passes[2:] == [4, 4]
    assert torch.allclose(drawn, model.sample(nobody(2), generators=seeded([0, 1]), **guided | {"guidance_scale": 1.0}))


def test_steps_are_shorter_at_the_ends():
    """By as much as is asked for; none is lost, and even ones stay where they are."""
    assert torch.allclose(pipeline.levels(pipeline.EVEN), pipeline.angles(), atol=1e-12)
    steps = torch.tensor([pipeline.step_of(float(angle)) for angle in pipeline.levels((0.5, 0.3))])
    sizes = steps.diff()
    assert (steps[0], steps[-1]) == (0, 999)
    assert (sizes >= 0).all()
    assert float(sizes[10:20].mean()) == pytest.approx(0.5, abs=0.06)
    assert float(sizes[-20:-10].mean()) == pytest.approx(0.3, abs=0.06)
    assert 1.2 < float(sizes[400:600].mean()) < 1.4


@pytest.mark.parametrize("name", pipeline.SCHEDULERS)
def test_uneven_steps_lead_to_the_same_pictures(name):
    """Where the network is exact, whatever the steps' sizes; the schedulers that begin a little below take even ones."""
    z, made = noise(50, 1, 8, 8), {}
    for ends, count in ((pipeline.EVEN, 60), ((0.5, 0.3), 60), ((0.5, 0.3), 12)):
        solver = pipeline.make_scheduler(name)
        *moments, last = pipeline.denoise(
            gaussian, solver, lambda alpha, sigma: z, count, generator=seeded(range(50)), step_ends=ends
        )
        sigmas = [step.sigma for step in moments]
        assert sigmas == sorted(sigmas, reverse=True)
        made[ends, count] = last.clean, sigmas
    pictures = made[(0.5, 0.3), 60][0]
    assert pictures.mean() == pytest.approx(MEAN, abs=0.03)
    assert pictures.std() == pytest.approx(DEVIATION, rel=0.25)
    if name != "ddpm":
        assert (pictures - made[pipeline.EVEN, 60][0]).abs().mean() < 0.02
    takes_them = name not in ("ipndm", "heun")
    second = made[(0.5, 0.3), 12][1][1]
    assert (second > 0.995) == takes_them, "its second step is nearer to pure noise than 1 in 12"


@pytest.mark.parametrize("ends", [(0.05, 1.0), (1.0, 4.0), (math.nan, 1.0)])
def test_step_ends_have_bounds(ends):
    with pytest.raises(ValueError, match=r"step_ends must be two numbers from 0.1 to 3, not"):
        tiny(step_ends=ends)


def test_distillation_learns_even_steps():
    with pytest.raises(ValueError, match=r"step_ends must be \[1, 1\] for distillation"):
        tiny(step_ends=(0.5, 0.3), objective="distillation")


@pytest.mark.parametrize("name", pipeline.SCHEDULERS)
def test_every_scheduler_makes_finite_pictures_in_one_step(name):
    model = tiny()
    pictures = model.sample(
        torch.tensor([0, -1]), generators=seeded([0, 1]), scheduler=name, num_inference_steps=1, guidance_scale=2.0
    )
    assert pictures.shape == (2, 1, 8, 8)
    assert pictures.isfinite().all()
    assert pictures.abs().max() <= 1


@pytest.mark.parametrize(
    ("name", "strength"),
    [*((name, 0.613) for name in pipeline.SCHEDULERS), *itertools.product(["dpm++2m", "heun"], [0.05, 1.0])],
)
def test_starting_in_the_middle(name, strength):
    """Gaussian pictures to which noise is added, and removed again by the exact network: they stay Gaussian."""
    generators, x = seeded(range(50)), MEAN + DEVIATION * noise(50, 1, 8, 8, seed=5)
    eps = noise(50, 1, 8, 8)
    steps = list(
        pipeline.denoise(
            gaussian, pipeline.make_scheduler(name), lambda alpha, sigma: alpha * x + sigma * eps, 40,
            generator=generators, strength=strength,
        )
    )  # fmt: skip
    first = pipeline.step_of(math.asin(steps[0].sigma)) + 1
    assert first == pytest.approx(1000 * strength, abs=15 if name == "heun" else 1)
    assert len(steps) == 1 + (2 * 40 - 1 if name == "heun" else 40)
    pictures = steps[-1].clean
    assert pictures.mean() == pytest.approx(MEAN, abs=0.02)
    assert pictures.std() == pytest.approx(DEVIATION, rel=0.2 if name == "ddpm" else 0.15)
    if strength == 0.05:
        assert (pictures - x).abs().mean() < 0.1


# -- sampling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("knobs", [{"scheduler": n} for n in pipeline.SCHEDULERS] + [{"scheduler": "ddim", "eta": 1.0}])
def test_a_seed_is_a_picture_with_every_scheduler(knobs):
    model = tiny()
    together = operations.sample(model, 5, seed=10, label=1, num_inference_steps=6, **knobs)
    alone = operations.sample(model, 1, seed=13, label=1, num_inference_steps=6, **knobs)
    assert torch.allclose(alone[0], together[3], atol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_ddim_follows_eta():
    model = tiny()
    plain, again, fresh = (operations.sample(model, 2, scheduler="ddim", eta=eta) for eta in (0.0, 0.0, 1.0))
    assert torch.equal(plain, again)
    assert not torch.allclose(plain, fresh, atol=1e-3)


def test_guidance_goes_on_where_the_class_points():
    model = tiny()
    x, t = noise(3, 1, 8, 8), 400.0
    given, none = (model.condition(labels, 3, x.device) for labels in (torch.tensor([0, 1, 2]), None))
    steps = torch.full((3,), t)
    with_class, without = (model.velocity(x, steps, condition) for condition in (given, none))
    for scale in (0.0, 1.0, 2.5):
        v = pipeline.guided(model.unet, 2, [none, given], [scale])(x, t)
        assert torch.allclose(v, without + scale * (with_class - without), atol=1e-5)
    assert not torch.allclose(with_class, without, atol=1e-3)


def test_guidance_is_above_one_only_within_its_interval():
    model = tiny()
    x, given, none = (
        noise(3, 1, 8, 8),
        *(model.condition(k, 3, torch.device("cpu")) for k in (torch.tensor([0, 1, 2]), None)),
    )

    def v(t, scale, interval=(0.0, 1.0)):
        return pipeline.guided(model.unet, 2, [none, given], [scale], interval)(x, t)

    for t, scale, as_if in (
        (399.0, 2.5, 1.0),
        (400.0, 2.5, 2.5),
        (699.0, 2.5, 2.5),
        (700.0, 2.5, 1.0),
        (900.0, 0.5, 0.5),
    ):
        assert torch.allclose(v(t, scale, (0.4, 0.7)), v(t, as_if), atol=1e-5), (t, scale)
    mixed = v(torch.tensor([100.0, 500.0, 900.0]), 2.5, (0.4, 0.7))
    assert torch.allclose(mixed[0], v(100.0, 1.0)[0], atol=1e-5)
    assert torch.allclose(mixed[1], v(500.0, 2.5)[1], atol=1e-5)
    assert torch.allclose(mixed[2], v(900.0, 1.0)[2], atol=1e-5)


@pytest.mark.parametrize("interval", [(0.5, 0.2), (-0.1, 0.5), (0.0, 1.1)])
def test_an_interval_rises_from_0_to_1(interval):
    with pytest.raises(ValueError, match="guidance_interval must be two shares that rise from 0 to 1"):
        tiny(guidance_interval=interval)


def test_a_models_interval_decides_how_often_the_network_is_asked():
    seen, pictures = [], []
    for interval in ((0.0, 1.0), (0.0, 0.7), (0.0, 0.0)):
        model = tiny(guidance_interval=interval)
        model.unet.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
        pictures.append(operations.sample(model, 2, seed=3, label=1, num_inference_steps=4, guidance_scale=2.0))
    assert seen == [4] * 4 + [2, 2, 4, 4] + [2] * 4
    assert torch.equal(
        pictures[2], operations.sample(tiny(), 2, seed=3, label=1, num_inference_steps=4, guidance_scale=1.0)
    )
    assert not torch.allclose(pictures[0], pictures[1], atol=1e-3)


def test_the_steps_show_noise_and_clean_pictures():
    model, labels = tiny(), torch.tensor([0, 1])
    steps = list(model.trajectory(labels, generators=seeded([4, 5]), num_inference_steps=7, scheduler="euler"))
    assert len(steps) == 8
    first = torch.stack([torch.randn(1, 8, 8, generator=g) for g in seeded([4, 5])])
    assert torch.allclose(steps[0].noisy, first, atol=1e-5), "it begins with pure noise, in every scheduler's own scale"
    sigmas = [step.sigma for step in steps]
    assert sigmas == sorted(sigmas, reverse=True)
    assert (round(sigmas[0], 3), sigmas[-1]) == (1.0, 0.0)
    assert all(step.clean.abs().max() <= 1 for step in steps)
    assert torch.equal(steps[-1].clean, steps[-1].noisy)


def test_stopping_takes_effect_within_one_step():
    """The network runs only when the next step is asked for."""
    model, calls = tiny(), []
    handle = model.unet.register_forward_hook(lambda *_: calls.append(1))
    steps = model.sample_steps(torch.tensor([0]), generators=seeded([0]), num_inference_steps=100)
    for _ in range(3):
        next(steps)
    steps.close()
    handle.remove()
    assert len(calls) == 3


@pytest.mark.parametrize("name", pipeline.SCHEDULERS)
def test_completion_leaves_given_pixels_untouched(name):
    model = tiny(image_shape=(3, 8, 8))
    x, labels = batch(model)
    mask = noise(4, 1, 8, 8) > 0
    done = model.complete(x, mask, labels, generators=seeded(range(4)), scheduler=name, num_inference_steps=5)
    assert torch.equal(done[mask.expand_as(x)], x[mask.expand_as(x)])
    other = model.complete(-x, mask, labels, generators=seeded(range(4)), scheduler=name, num_inference_steps=5)
    hidden = ~mask.expand_as(x)
    assert not torch.equal(done[hidden], other[hidden]), "what is given reaches what is filled in"
    alone = model.complete(
        x[2:3], mask[2:3], labels[2:3], generators=seeded([2]), scheduler=name, num_inference_steps=5
    )
    assert torch.allclose(alone[0], done[2], atol=1e-4), "a seed is a picture"


def test_rounds_of_completion():
    model = tiny(num_inference_steps=10)
    x, labels = batch(model)
    mask = torch.zeros(4, 1, 8, 8, dtype=torch.bool)
    mask[:, :, :4] = True

    def steps(**knobs: object) -> list[pipeline.Step]:
        return list(model.complete_steps(x, mask, labels, generators=seeded(range(4)), **knobs))

    assert len(steps(rounds=0)) == 11
    assert len(steps()) == 11 + 4 * (3 + 1)
    assert len(steps(num_inference_steps=1, rounds=2)) == 2 + 2 * 2
    assert max(step.sigma for step in steps()[11:]) == pytest.approx(math.sin(0.7 * math.pi / 2), abs=0.002)
    for wrong in (-1, 51):
        with pytest.raises(ValueError, match=f"rounds must be from 0 to 50, not {wrong}"):
            steps(rounds=wrong)


def test_redrawing_keeps_as_much_as_it_is_told():
    model = tiny()
    x, labels = batch(model)
    x = x * 0.9
    distances = [
        float((model.redraw(x, labels, generators=seeded(range(4)), strength=strength) - x).abs().mean())
        for strength in (0.005, 0.2, 0.6)
    ]
    assert distances == sorted(distances)
    assert distances[0] < 0.05
    for name in pipeline.SCHEDULERS:
        knobs = {"scheduler": name, "generators": seeded(range(4))}
        hardly = model.redraw(x, labels, strength=0.0001, num_inference_steps=20, **knobs)
        assert torch.allclose(hardly, x, atol=0.05), name
        assert model.redraw(x, labels, strength=0.01, num_inference_steps=1, **knobs).isfinite().all(), name
    anew = model.redraw(x, labels, generators=seeded(range(4)), strength=1.0)
    assert torch.allclose(anew, model.sample(labels, generators=seeded(range(4))), atol=0.02), "nothing is left of x"


@torch.enable_grad()
def test_what_training_teaches():
    """A tiny model of three pictures, one per class: it draws the right one, restores it, and completes it."""
    torch.manual_seed(0)
    images = tiny_images(3)
    images = Images("bars", images.pixels.repeat(8, 1, 1, 1), images.labels.repeat(8), images.classes)
    model = Diffusion(dataclasses.replace(DiffusionConfig.tiny(), widths=(16, 16), label_dropout=0.2))
    recipe = TrainConfig(steps=250, batch_size=24, learning_rate=5e-3, ema_decay=0.97)
    rows = list(train(model, images, recipe, precision="no"))
    assert rows[-1]["loss"] < 0.3 * rows[0]["loss"]
    x, labels = images[:3]
    generators = seeded(range(3))
    drawn = model.sample(labels, generators=generators).detach()
    nearest = torch.cdist(drawn.flatten(1), x.flatten(1)).argmin(1)
    assert nearest.tolist() == [0, 1, 2]
    mask = torch.zeros(3, 1, 8, 8, dtype=torch.bool)
    mask[:, :, :, :4] = True
    whole = model.complete(x, mask, generators=seeded(range(3))).detach()
    assert (whole - x).square().mean() < 0.25 * (drawn[[1, 2, 0]] - x).square().mean(), "the other half tells the class"
    noisy = x + 0.8 * noise(3, 1, 8, 8)
    assert (model.denoise(noisy, 0.8, labels).detach() - x).square().mean() < 0.2 * (noisy - x).square().mean()


# -- few steps ---------------------------------------------------------------------------------------------------------


def test_the_teacher_follows_the_exact_curve(monkeypatch):
    """In four steps of three looks it gets from noise to where the curve ends, nearer than any solver in twelve steps."""

    def perfect(*_: object) -> pipeline.Predict:
        return lambda noisy, t: torch.stack([gaussian(x, float(step)) for x, step in zip(noisy, t, strict=True)])

    monkeypatch.setattr(pipeline, "guided", perfect)
    model, z = tiny(), noise(4, 1, 8, 8)
    ends = [0.0, *(float(model.angles[250 * k - 1]) for k in (1, 2, 3, 4))]
    x = z
    for k in (4, 3, 2, 1):
        start, end = (torch.full((4, 1, 1, 1), angle) for angle in (ends[k], ends[k - 1]))
        x = model.travel(x, start, end, nobody(4))
    error = float((x - (MEAN + DEVIATION * z)).square().mean().sqrt())
    for name in DETERMINISTIC:
        start, pictures = solved(name, 12)
        assert error < float((pictures - (MEAN + DEVIATION * start)).square().mean().sqrt()), name


@torch.enable_grad()
def test_distillation_learns_to_do_many_guided_steps_in_two(tmp_path):
    """Two steps without guidance come much nearer to what the teacher does in many with guidance than before."""
    torch.manual_seed(0)
    images = tiny_images(3)
    images = Images("bars", images.pixels.repeat(8, 1, 1, 1), images.labels.repeat(8), images.classes)
    teacher = Diffusion(dataclasses.replace(DiffusionConfig.tiny(), widths=(16, 16)))
    list(train(teacher, images, TrainConfig(steps=60, batch_size=24, learning_rate=5e-3), precision="no"))
    folder = checkpoint.save(teacher, tmp_path / "teacher")
    few = {"scheduler": "ddim", "num_inference_steps": 2, "guidance_scale": 1.0}
    student = checkpoint.started(folder, "diffusion", few | {"objective": "distillation", "teacher_guidance": 3.0})
    assert student.state_dict().keys() == teacher.state_dict().keys(), "the teacher is not saved"
    labels, seeds = torch.arange(30) % 3, range(30)
    many = {"scheduler": "ddim", "num_inference_steps": 100, "guidance_scale": 3.0}

    def distance() -> float:
        with torch.no_grad():
            made = student.sample(labels, generators=seeded(seeds))
            return float((made - teacher.sample(labels, generators=seeded(seeds), **many)).square().mean())

    before = distance()
    list(train(student, images, TrainConfig(steps=150, batch_size=24, learning_rate=2e-3), precision="no"))
    assert distance() < 0.5 * before


def test_the_teacher_takes_several_steps():
    model, labels, x = tiny(teacher_steps=2), torch.tensor([0, 1]), noise(2, 1, 8, 8)
    start, between, end = (torch.full((2, 1, 1, 1), at) for at in (1.2, 0.9, 0.6))
    together = model.travel(x, start, end, labels)
    model.config = dataclasses.replace(model.config, teacher_steps=1)
    one_by_one = model.travel(model.travel(x, start, between, labels), between, end, labels)
    assert torch.allclose(together, one_by_one, atol=1e-5)
    assert not torch.allclose(together, model.travel(x, start, end, labels), atol=1e-5)
    with pytest.raises(ValueError, match="teacher_steps must be at least 1"):
        tiny(teacher_steps=0)


def test_the_teacher_guides_in_its_interval_alone():
    def arc(start: float, **config: object) -> Tensor:
        torch.manual_seed(0)
        model = tiny(**config)
        ends = (torch.full((2, 1, 1, 1), at) for at in (start, start - 0.3))
        return model.travel(noise(2, 1, 8, 8), *ends, torch.tensor([0, 1]))

    halves = {"teacher_guidance": 4.0, "guidance_interval": (0.0, 0.5)}
    assert torch.equal(arc(0.7, **halves), arc(0.7, teacher_guidance=4.0))
    assert torch.equal(arc(1.5, **halves), arc(1.5, teacher_guidance=1.0))
    assert not torch.allclose(arc(0.7, **halves), arc(0.7, teacher_guidance=1.0), atol=1e-3)


def test_distillation_needs_a_teacher():
    model = tiny(objective="distillation", num_inference_steps=2)
    with pytest.raises(ValueError, match="name it with --start"):
        model(*batch(model))


def test_a_checkpoint_is_trained_further(tmp_path):
    folder = checkpoint.save(tiny(), tmp_path / "model")
    changes = {"objective": "distillation", "scheduler": "ddim", "num_inference_steps": 2}
    model = checkpoint.started(folder, "diffusion", changes)
    assert model.config.scheduler == "ddim"
    calls = []
    model.unet.register_forward_hook(lambda *_: calls.append(1))
    model.sample(torch.tensor([0]), generators=seeded([0]))
    assert len(calls) == 2
    with pytest.raises(ValueError, match="is a diffusion, not a vae"):
        checkpoint.started(folder, "vae", {})
    with pytest.raises(ValueError, match="don't fit after the changes widths"):
        checkpoint.started(folder, "diffusion", {"widths": [8, 16]})
    with pytest.raises(ValueError, match="objective must be one of velocity, distillation"):
        checkpoint.started(folder, "diffusion", {"objective": "speed"})


# -- captions ----------------------------------------------------------------------------------------------------------


def test_the_vocabulary_is_all_words_and_signs():
    words = Diffusion.vocabulary_of(CAPTIONS)
    assert words == tuple(sorted({*" ".join(CAPTIONS).replace(",", " ,").split()}))
    model = reader()
    assert DiffusionConfig.from_json(json.loads(json.dumps(model.config.to_json()))) == model.config
    tokens = model.tokenize(["An ELF, red", "", "a dragon " * 20])
    assert tokens.shape == (3, 8)
    assert tokens[0].tolist() == [1, *(3 + words.index(w) for w in ("an", "elf", ",", "red")), 0, 0, 0]
    assert tokens[1].tolist() == [1] + [0] * 7
    assert tokens[2].tolist() == [1, *[3 + words.index("a"), 2] * 3, 3 + words.index("a")]


def test_unknown_words_are_found():
    model = reader()
    assert model.unknown_words("A blue elf, holding a BLUE lamp!") == ["blue", "lamp"]
    assert model.unknown_words("an elf") == []
    assert model.unknown_words("") == []


def test_prompts_matter_and_padding_does_not():
    model = reader()

    def drawn(prompt: str | None) -> Tensor:
        return operations.sample(model, 2, seed=0, label=None, prompt=prompt)

    assert not torch.allclose(drawn("an elf"), drawn("an orc"), atol=1e-4)
    assert not torch.allclose(drawn("an elf in a red robe"), drawn("a elf robe in an red"), atol=1e-5), "order matters"
    assert torch.equal(drawn("An Elf"), drawn("an elf"))
    tokens = model.tokenize(["an elf", "a dwarf"])
    both = operations.sample(model, 2, captions=["an elf", "a dwarf"])
    assert torch.allclose(both[0], drawn("an elf")[0], atol=1e-5)
    assert torch.allclose(model.sample(nobody(2), generators=seeded([0, 1])), drawn(None))
    condition = model.condition(tokens, 2, tokens.device)
    changed = dict(condition) | {"encoder_hidden_states": condition["encoder_hidden_states"].clone()}
    changed["encoder_hidden_states"][:, 3:] = 100.0  # behind the words
    x, t = noise(2, 1, 8, 8), torch.full((2,), 300.0)
    assert torch.allclose(model.velocity(x, t, condition), model.velocity(x, t, changed), atol=1e-5)


def test_a_model_of_classes_can_go_on_to_read(tmp_path):
    """What does not depend on what the model is told is taken over; what reads captions starts anew."""
    classes = tiny()
    folder = checkpoint.save(classes, tmp_path / "classes")
    words = Diffusion.vocabulary_of(CAPTIONS)
    model = checkpoint.started(folder, "diffusion", {"num_classes": 0, "vocabulary": words})
    assert model.config.vocabulary == words
    old, new = classes.unet.state_dict(), model.unet.state_dict()
    kernels = [key for key in old if key in new and old[key].ndim == 4]
    assert len(kernels) > 10
    for key in kernels:
        torch.testing.assert_close(new[key], old[key], rtol=1e-3, atol=1e-3)
    assert not torch.equal(new["class_embedding.weight"], torch.zeros_like(new["class_embedding.weight"]))
    folder = checkpoint.save(model, tmp_path / "reader")
    again = checkpoint.started(folder, "diffusion", {"objective": "distillation"})
    assert again.config.vocabulary == words
    assert operations.sample(again, 1, captions=["an elf"]).isfinite().all()


def test_captions_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="There are 1 captions for 2 images"):
        operations.sample(reader(), 2, captions=["an elf"])
    with pytest.raises(ValueError, match="This Diffusion was not trained on captions"):
        operations.sample(tiny(), 1, captions=["an elf"])


def test_samples_of_captions_are_measured(data_root, tmp_path, monkeypatch):
    """evaluate draws what the test captions say, and asks the referee whether it is there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = reader(image_shape=(3, 32, 32), num_inference_steps=1)
    data = {"name": "heroes", "shape": [3, 32, 32], "classes": []}
    folder = checkpoint.save(model, tmp_path / "model", data=data)
    evaluation = Evaluation(folder, 200, 0, None, None)
    wanted = ("caption_accuracy", "novel_captions", "class_accuracy")
    result = evaluation.run([p for p in PARTS if p.slug in wanted], {}, print)
    assert result["failed"] == {}
    found = result["metrics"]
    for key in ("caption_accuracy", "novel_caption_accuracy"):
        assert 0 <= found[key]["value"] <= 100
        assert found[key]["n"] == 200
        assert "weapon" in found[key]["protocol"]
    assert "split 'compositional'" in found["novel_caption_accuracy"]["protocol"]
    assert found.keys() == {"caption_accuracy", "novel_caption_accuracy"}
    assert 'pipe(prompt="…")' in model_card(folder)


def test_pictures_that_show_their_captions_score_full_marks(data_root, tmp_path, monkeypatch):
    """Real images in the place of samples: what the referee sees in them is what their captions say, new or not."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = checkpoint.save(
        reader(image_shape=(3, 32, 32)),
        tmp_path / "model",
        data={"name": "heroes", "shape": [3, 32, 32], "classes": []},
    )
    evaluation = Evaluation(folder, 300, 0, None, None)
    shown = {
        caption: image
        for split in ("test", "compositional")
        for images in [load_dataset("heroes", split, captions=True)]
        for caption, image in zip(images.captions[:300], images.pixels[:300], strict=True)
    }
    monkeypatch.setattr(
        evaluation, "drawn", lambda indices, captions=(), label=None: torch.stack([
            shown[caption] for caption in (captions or evaluation.captions[indices.start : indices.stop])
        ])
    )  # fmt: skip
    found = evaluation.run([p for p in PARTS if p.slug in ("caption_accuracy", "novel_captions")], {}, print)
    assert found["failed"] == {}
    assert found["metrics"]["caption_accuracy"]["value"] > 95
    assert found["metrics"]["novel_caption_accuracy"]["value"] > 95
    shown = dict(zip(shown, reversed(shown.values()), strict=True))
    shutil.rmtree(evaluation.work)
    evaluation.outcomes.clear()
    wrong = evaluation.run([p for p in PARTS if p.slug == "novel_captions"], {}, print)
    assert wrong["metrics"]["novel_caption_accuracy"]["value"] < 70


@torch.enable_grad()
def test_captions_are_learnt_from_a_data_set(tmp_path):
    """train, preview and finish with captions; every parameter of both networks gets gradients."""
    images = tiny_images(8)
    images = Images("bars", images.pixels, nobody(8), (), captions=(CAPTIONS * 3)[:8])
    model = reader(label_dropout=0.3).requires_grad_(True)
    with pytest.raises(ValueError, match="Turn the captions into labels first"):
        train(model, images)
    images.labels = model.tokenize(images.captions)
    model.train()(*images[:8])["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
    earlier = {"steps": 7, "epochs": 3.5, "seconds": 120.0}
    first = str(checkpoint.save(model, tmp_path / "first", training=earlier))
    list(train(model, images, TrainConfig(steps=3, batch_size=4), folder=tmp_path, precision="no", start=first))
    account = checkpoint.read_json(tmp_path / "checkpoint", "training.json")
    begun = earlier | {"config": model.config.to_json()}
    assert (account["start"], account["before"], account["steps"]) == ("first", begun, 3)
    assert "went on from `first`, after 7 steps (3.5 epochs) in 2 minutes. 3 steps" in model_card(
        tmp_path / "checkpoint"
    )
    second, third = str(tmp_path / "checkpoint"), tmp_path / "third"
    list(train(model, images, TrainConfig(steps=1, batch_size=4), folder=third, precision="no", start=second))
    told = "after 7 steps (3.5 epochs) in 2 minutes, then 3 steps (1.5 epochs) in 0 minutes. 1 steps"
    assert f"went on from `{tmp_path.name}`, {told}" in model_card(third / "checkpoint")
    finish(model, tmp_path, images)
    again = checkpoint.load(tmp_path / "checkpoint")
    assert preview(again, images, 3).shape == (3, 1, 8, 8)
    assert again.tokenize(["an orc"]).equal(model.tokenize(["an orc"]))
    assert checkpoint.read_config(tmp_path / "checkpoint")["data"]["classes"] == []


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"num_inference_steps": 0}, "num_inference_steps must be from 1 to 1000, not 0"),
        ({"num_inference_steps": 10**6}, "num_inference_steps must be from 1 to 1000, not 1000000"),
        ({"num_inference_steps": 2.5}, "'num_inference_steps' must be int"),
        ({"guidance_scale": math.nan}, "'guidance_scale' must be a finite number"),
        ({"guidance_scale": -1.0}, "guidance_scale must be from 0 to 20, not -1"),
        ({"guidance_scale": 21.0}, "guidance_scale must be from 0 to 20, not 21"),
        ({"eta": 1.5}, "eta must be from 0 to 1, not 1.5"),
        ({"scheduler": "magic"}, "no scheduler 'magic'; the schedulers are ddpm, ddim, euler"),
        ({"scheduler": 3}, "'scheduler' must be str"),
        ({"prompt": "an elf"}, "knows classes and no captions"),
        ({"beta": 1}, "no knob 'beta'"),
    ],
)
def test_knobs_out_of_range_are_named(knobs, message):
    with pytest.raises(ValueError, match=message) as caught:
        operations.sample(tiny(), 1, **knobs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_none_are_refused_by_the_model_itself(value):
    model, labels = tiny(), torch.tensor([0])
    for knobs in ({"guidance_scale": value}, {"eta": value}):
        with pytest.raises(ValueError, match="must be from 0"):
            model.sample(labels, generators=seeded([0]), **knobs)
    x = torch.zeros(1, 1, 8, 8)
    with pytest.raises(ValueError, match="strength must be above 0 and at most 1"):
        model.redraw(x, generators=seeded([0]), strength=value)
    with pytest.raises(ValueError, match=r"sigma must be from 0\.01 to 100"):
        model.denoise(x, value)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "The prompt is empty"),
        ("   \n", "The prompt is empty"),
        ("x" * 10_000, "The prompt has 10000 characters; at most 140 are allowed"),
        ("an elf " * 10, "The prompt has 20 words and signs; at most 7 are allowed"),
        ("blue dragon", "This model knows none of the words of the prompt; it knows"),
    ],
)
def test_prompts_that_say_nothing_are_refused(prompt, message):
    with pytest.raises(ValueError, match=message) as caught:
        operations.sample(reader(), 1, label=None, prompt=prompt)
    assert "\n" not in str(caught.value)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="height and width must be multiples of 4, not 10 and 8"):
        tiny(image_shape=(1, 10, 8))
    with pytest.raises(ValueError, match="num_inference_steps must be from 1"):
        tiny(num_inference_steps=0)
    with pytest.raises(ValueError, match="no scheduler 'magic'"):
        tiny(scheduler="magic")


def test_only_families_that_read_are_trained_on_captions(tmp_path):
    result = python("-m", "genmodels", "train", "vae", "--data", "heroes", "--captions", "--out", tmp_path / "run")
    assert result.returncode == 2
    assert "learns from classes, not from captions" in result.stderr
    assert not (tmp_path / "run").exists()


# -- stock diffusers ---------------------------------------------------------------------------------------------------


def opened(model: Diffusion, folder: Path) -> diffusers.DiffusionPipeline:
    pipe = diffusers.DiffusionPipeline.from_pretrained(checkpoint.save(model, folder), trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    pipe.unet.requires_grad_(False)
    return pipe


def classes(pipe: diffusers.DiffusionPipeline, labels: Sequence[int], **knobs: object) -> Tensor:
    return pipe(labels, generator=seeded(range(len(labels))), output_type="pt", **knobs).images


def test_stock_diffusers_opens_a_checkpoint(tmp_path):
    model = tiny(scheduler="unipc", num_inference_steps=6, guidance_scale=1.5)
    pipe = opened(model, tmp_path)
    assert isinstance(pipe.scheduler, diffusers.UniPCMultistepScheduler)
    x, t, labels = noise(3, 4, 4, 4), torch.tensor([5.0, 500.5, 999.0]), torch.tensor([0, 1, 3])
    assert torch.equal(pipe.unet(x, t, labels).sample, model.unet(x, t, labels).sample)
    mine = model.sample(torch.tensor([0, 1, 2]), generators=seeded(range(3)))
    assert torch.allclose(classes(pipe, [0, 1, 2]), mine, atol=1e-5)
    assert [picture.size for picture in pipe([0, 1]).images] == [(8, 8), (8, 8)]
    assert pipe(num_images=3, output_type="np").images.shape == (3, 8, 8, 1)


def reads(name: str) -> bool:
    """Whether a bundled model was trained on captions."""
    return bool(checkpoint.read_config(name)["config"].get("vocabulary"))


BUNDLED = [name for name in checkpoint.bundled() if checkpoint.read_config(name)["family"] == "diffusion"]


@pytest.mark.parametrize("name", others_slow(BUNDLED, reads))
def test_stock_diffusers_opens_what_is_bundled(name):
    """The same output of the network to the bit, and the same pictures with the same defaults."""
    model, folder = checkpoint.load(name, device="cpu"), checkpoint.find(name)
    assert all(file.stat().st_size < 10e6 for file in folder.rglob("*.safetensors"))
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    asked = ["an elf in a blue robe", "an orc"] if model.config.vocabulary else [0, 1]
    labels = model.tokenize(asked) if model.config.vocabulary else torch.tensor(asked)
    p, t = model.config.patch_size, torch.tensor([400.0, 999.0])
    x = noise(2, *model.image_shape)
    condition = pipe._condition(asked) | (pipeline.sketched(None, x) if model.follows_sketches else {})
    theirs = pipeline.velocity(pipe.unet, p, x, t, condition)
    assert torch.equal(theirs, model.velocity(x, t, model.condition(labels, 2, x.device)))
    mine = model.sample(labels, generators=seeded([0, 1]))
    again = {"generator": seeded([0, 1]), "output_type": "pt"}
    images = pipe(**({"prompt": asked} if model.config.vocabulary else {"class_labels": asked}), **again).images
    assert torch.allclose(images, mine, atol=1e-4)
    assert mine.std(0).mean() > 0.05, "two pictures, and not the same"


@pytest.mark.parametrize("ends", [pipeline.EVEN, (0.5, 0.3)], ids=["even", "uneven"])
@pytest.mark.parametrize("name", pipeline.SCHEDULERS)
def test_any_scheduler_can_be_swapped_in(name, ends, tmp_path):
    model, pipe = tiny(step_ends=ends), opened(tiny(step_ends=ends), tmp_path)
    kind, options = pipeline.SCHEDULERS[name]
    if name == "ipndm":  # it has no settings of the noise schedule
        pipe.scheduler = diffusers.IPNDMScheduler()
    else:
        pipe.scheduler = getattr(diffusers, kind).from_config(pipe.scheduler.config, **options)
    mine = model.sample(torch.tensor([0, 1]), generators=seeded(range(2)), scheduler=name, num_inference_steps=8)
    assert torch.allclose(classes(pipe, [0, 1], num_inference_steps=8), mine, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "spacing"),
    [
        ("DPMSolverMultistepScheduler", "karras"),
        ("DPMSolverMultistepScheduler", "exponential"),
        ("EulerDiscreteScheduler", "karras"),
        ("UniPCMultistepScheduler", "karras"),
    ],
)
def test_schedulers_of_another_spacing_are_finite(kind, spacing):
    """Their first steps lie so close that two of them round to the same training step."""
    scheduler = getattr(diffusers, kind)(**pipeline.SCHEDULE, **{f"use_{spacing}_sigmas": True})
    z = noise(2, 1, 8, 8)
    for steps in (5, 30):
        *_, last = pipeline.denoise(gaussian, scheduler, lambda alpha, sigma: z, steps, generator=None)
        assert last.clean.isfinite().all()


def test_stock_diffusers_refuses_in_one_sentence(tmp_path):
    pipe = opened(tiny(), tmp_path)
    for wrong in ({"class_labels": 3}, {"class_labels": [0, -2]}, {"class_labels": ["elf"]}):
        with pytest.raises(ValueError, match="the classes are 0 to 2"):
            pipe(**wrong)
    with pytest.raises(ValueError, match="num_inference_steps must be from 1 to 1000"):
        pipe(0, num_inference_steps=0)
    with pytest.raises(ValueError, match="guidance_scale must be from 0 to 20"):
        pipe(0, guidance_scale=math.nan)


def test_stock_diffusers_opens_a_model_of_captions(tmp_path):
    model = reader()
    pipe = opened(model, tmp_path)
    prompts = ["An elf", "an ORC, holding an axe", "nobody knows this"]
    tokens = pipe.tokenizer(prompts, padding="max_length", truncation=True, max_length=8, return_tensors="pt").input_ids
    assert torch.equal(tokens, model.tokenize(prompts))
    mine = model.sample(model.tokenize(prompts), generators=seeded(range(3)), guidance_scale=2.0)
    theirs = pipe(prompt=prompts, generator=seeded(range(3)), guidance_scale=2.0, output_type="pt").images
    assert torch.allclose(theirs, mine, atol=1e-5)


def test_half_precision_files_are_computed_in_single(tmp_path):
    for model in (tiny(), reader()):
        folder = tmp_path / type(model.unet).__name__
        checkpoint.save(model, folder, half=True)
        pipe = diffusers.DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
        pipe.set_progress_bar_config(disable=True)
        again = checkpoint.load(folder)
        theirs = pipe(num_images=2, generator=seeded(range(2)), output_type="pt").images
        assert torch.allclose(theirs, again.sample(nobody(2), generators=seeded(range(2))), atol=1e-5)


@pytest.mark.parametrize(
    ("read", "dtype", "scheduler"),
    [
        (False, torch.bfloat16, "dpm++2m"),
        (False, torch.float16, "ddpm"),
        (True, torch.float16, "dpm++2m"),
        (True, torch.bfloat16, "ipndm"),
    ],
    ids=str,
)
def test_half_precision_draws_the_same_pictures(tmp_path, dtype, scheduler, read):
    """A seed's picture up to rounding, as a tensor and as a file; also where the network alone is in half precision."""
    model = reader(scheduler=scheduler) if read else tiny(scheduler=scheduler)
    pipe = opened(model, tmp_path)
    asked = {"prompt": ["an elf", "an orc"]} if read else {"class_labels": [0, 2]}

    def drawn() -> Tensor:
        return pipe(**asked, generator=seeded(range(2)), output_type="pt").images

    single = drawn()
    pipe.unet.to(dtype)
    mixed = drawn()
    pipe.to(dtype)
    for half in (mixed, drawn()):
        assert half.dtype == torch.float32
        assert not torch.equal(half, single)
        assert (half - single).abs().mean() < 0.01
        assert (half - single).abs().max() < 0.15
    assert [picture.size for picture in pipe(**asked).images] == [(8, 8), (8, 8)]


@pytest.mark.parametrize("name", one_of_a_kind(BUNDLED, reads))
def test_what_is_bundled_opens_in_half_precision(name):
    pipes = [
        diffusers.DiffusionPipeline.from_pretrained(checkpoint.find(name), trust_remote_code=True, dtype=dtype)
        for dtype in (torch.float32, torch.bfloat16)
    ]
    asked = {"prompt": "an elf in a blue robe"} if pipes[0].text_encoder else {"class_labels": 0}
    for pipe in pipes:
        pipe.set_progress_bar_config(disable=True)
    single, half = (pipe(**asked, generator=seeded([0]), output_type="pt").images for pipe in pipes)
    assert (half - single).abs().mean() < 0.02


def test_the_pipelines_code_stands_alone(tmp_path):
    """The copy in a checkpoint is this library's own file, and runs where only torch and diffusers are."""
    checkpoint.save(tiny(), tmp_path)
    copy = (tmp_path / "pipeline.py").read_text()
    assert copy == Path(pipeline.__file__).read_text()
    assert "genmodels" not in [
        line.split()[1].split(".")[0] for line in copy.splitlines() if line.startswith(("import", "from"))
    ]


def test_weights_lie_where_diffusers_looks_for_them(tmp_path):
    folder = checkpoint.save(reader(), tmp_path / "model")
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert files == {"config.json", *Diffusion.components.values(), *Diffusion.component_texts}
    assert files <= set(checkpoint.files_of(Diffusion))
    before = checkpoint.weights_hash(folder)
    other = checkpoint.save(
        build("diffusion", seed=1, num_classes=0, vocabulary=reader().config.vocabulary), tmp_path / "2"
    )
    shutil.copy(other / "text_encoder/model.safetensors", folder / "text_encoder/model.safetensors")
    assert checkpoint.weights_hash(folder) != before
    assert checkpoint.size(folder) == sum((folder / name).stat().st_size for name in Diffusion.components.values())
    (folder / "unet/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"unet/diffusion_pytorch_model\.safetensors can't be read as safetensors"):
        checkpoint.load(folder)
