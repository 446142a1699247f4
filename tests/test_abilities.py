"""What an ability promises, run over all families and instruments that have it: new ones need no line here."""

import inspect
import re

import pytest
import torch
from helpers import batch, build, having

from genmodels import operations
from genmodels.models.base import seeded
from genmodels.protocols import (
    ABILITIES,
    BlendsClasses,
    Classifies,
    Completes,
    Decodes,
    Denoises,
    Encodes,
    HasLikelihood,
    HasPosterior,
    HasStyles,
    Judges,
    ReadsCaptions,
    Samples,
    SamplesCodes,
    SamplesStepwise,
    ShowsLayers,
    WritesRows,
    abilities,
    abilities_of,
)
from genmodels.registry import FAMILIES, INSTRUMENTS, get_family

every_model = pytest.mark.parametrize("family", FAMILIES | INSTRUMENTS)


@every_model
def test_methods_take_what_their_abilities_say(family):
    model = build(family)
    for ability in (ABILITIES[name] for name in abilities(model)):
        for name, declared in inspect.getmembers(ability, inspect.isfunction):
            if name.startswith("_"):
                continue
            given = inspect.signature(getattr(model, name))
            expected = list(inspect.signature(declared).parameters.values())[1:]  # without self
            given.bind(**{parameter.name: None for parameter in expected})
            given.bind(**{parameter.name: None for parameter in expected if parameter.default is parameter.empty})
            positional = [p.name for p in expected if p.kind is not p.KEYWORD_ONLY]
            assert list(given.parameters)[: len(positional)] == positional, f"{ability.__name__}.{name}"


@every_model
def test_a_class_tells_what_its_models_can_do(family):
    assert [ability.__name__ for ability in abilities_of(get_family(family))] == abilities(build(family))


@every_model
def test_lacking_an_ability_is_said_in_one_sentence(family):
    model = build(family)
    if not isinstance(model, Samples):
        with pytest.raises(ValueError, match="lacks the ability Samples"):
            operations.sample(model, 1)
    if not isinstance(model, Encodes):
        with pytest.raises(ValueError, match="lacks the ability Encodes"):
            operations.reconstruct(model, batch(model)[0])
    for name, ability in ABILITIES.items():
        if name in abilities(model):
            assert operations.require(model, ability) is model
            continue
        with pytest.raises(ValueError, match=r"lacks the ability \w+ \(it has") as refusal:
            operations.require(model, ability)
        named = re.search(r"lacks the ability (\w+)", str(refusal.value))[1]
        assert not isinstance(model, ABILITIES[named])
        assert ABILITIES[named] in ability.__mro__, "the ability, or one that it builds on"


@having(Denoises)
def test_a_trajectory_ends_at_the_sample(family):
    model = build(family)
    x, labels = batch(model, 2)
    steps = list(model.trajectory(labels, generators=seeded([4, 5]), num_inference_steps=3))
    assert torch.equal(steps[-1].clean, model.sample(labels, generators=seeded([4, 5]), num_inference_steps=3))
    for step in steps:
        assert step.noisy.shape == step.clean.shape == x.shape
        assert step.clean.abs().max() <= 1
    sigmas = [step.sigma for step in steps]
    assert 1 >= sigmas[0] > sigmas[-1] == 0
    assert sigmas == sorted(sigmas, reverse=True)
    halfway = next(model.trajectory(labels, generators=seeded([4, 5]), start=x, strength=0.5))
    sigma = torch.tensor(halfway.sigma)
    begun = (1 - sigma**2).sqrt() * x + sigma * steps[0].noisy
    assert 0 < sigma < sigmas[0]
    assert torch.allclose(halfway.noisy, begun, atol=1e-5), (
        "the noise that the seeds stand for, and as much as sigma says"
    )


# -- sampling ----------------------------------------------------------------------------------------------------------


@having(Samples)
def test_samples_are_images(family):
    model = build(family)
    images = operations.sample(model, 5, seed=3)
    assert images.shape == (5, *model.image_shape)
    assert images.dtype == torch.float32
    assert images.isfinite().all()
    assert images.abs().max() <= 1
    for labels in (torch.tensor([0, -1]), torch.tensor([-1, -1])):
        assert model.sample(labels, generators=seeded([0, 1])).isfinite().all()


@having(Samples)
def test_a_seed_is_a_picture_whatever_the_batch(family):
    model = build(family)
    together = operations.sample(model, 5, seed=10, label=1)
    assert torch.allclose(operations.sample(model, 5, seed=10, label=1, batch_size=2), together, atol=1e-5)
    assert torch.allclose(operations.sample(model, 1, seed=13, label=1)[0], together[3], atol=1e-5)
    torch.manual_seed(99)
    assert torch.equal(operations.sample(model, 5, seed=10, label=1), together), "global random state must not matter"
    assert not torch.allclose(together[0], together[1], atol=1e-3), "two seeds, one picture"


@having(Samples)
def test_classes_matter_and_are_checked(family):
    model = build(family)
    first, second, none = (operations.sample(model, 1, seed=0, label=label) for label in (0, 1, None))
    assert not torch.allclose(first, second, atol=1e-4)
    assert not torch.allclose(first, none, atol=1e-4)
    assert torch.equal(operations.sample(model, 1, seed=0, label=-1), none)
    for wrong in (model.num_classes, -2, [0, 99]):
        with pytest.raises(ValueError, match=f"the classes are 0 to {model.num_classes - 1}"):
            operations.sample(model, 2, label=wrong)
    with pytest.raises(ValueError, match="3 labels for 2 images"):
        operations.sample(model, 2, label=[0, 1, 2])


@having(SamplesStepwise)
def test_steps_end_at_the_sample(family):
    model = build(family)
    labels = torch.tensor([0, 1])
    steps = list(model.sample_steps(labels, generators=seeded([4, 5])))
    assert len(steps) > 1
    assert all(step.shape == (2, *model.image_shape) for step in steps)
    assert torch.allclose(steps[-1], model.sample(labels, generators=seeded([4, 5])), atol=1e-5)


# -- codes, likelihood, completion, judgement --------------------------------------------------------------------------


@having(Encodes)
def test_codes_are_one_per_image(family):
    model = build(family)
    x, labels = batch(model)
    for given in (labels, None):
        z = model.encode(x, given)
        assert len(z) == len(x)
        assert z.isfinite().all()
        assert torch.equal(model.encode(x, given), z), "encoding must not draw random numbers"
        assert torch.allclose(model.encode(x[1:2], None if given is None else given[1:2]), z[1:2], atol=1e-5)


@having(Encodes, Decodes)
def test_decoding_gives_images(family):
    model = build(family)
    x, labels = batch(model)
    for given in (labels, None):
        images = model.decode(model.encode(x, given), given)
        assert images.shape == x.shape
        assert images.isfinite().all()
    between = operations.interpolate(model, x[0], x[1], torch.linspace(0, 1, 5))
    ends = operations.reconstruct(model, x[:2])
    assert torch.allclose(between[[0, -1]], ends, atol=1e-5)


@having(HasPosterior)
def test_a_code_is_the_mean_of_its_posterior(family):
    model = build(family)
    x, labels = batch(model)
    for given in (labels, None):
        mean, log_std = model.posterior(x, given)
        assert torch.equal(mean, model.encode(x, given))
        assert log_std.shape == mean.shape
        assert log_std.isfinite().all()
        alone = model.posterior(x[1:2], None if given is None else given[1:2])[1]
        assert torch.allclose(alone, log_std[1:2], atol=1e-5), "the others in the batch must not matter"


@having(SamplesCodes)
def test_drawn_codes_decode_to_the_samples(family):
    model = build(family)
    labels = torch.arange(model.num_classes)
    z = model.sample_codes(labels, generators=seeded(labels.tolist()))
    assert z.ndim == 2
    assert torch.equal(model.decode(z, labels), model.sample(labels, generators=seeded(labels.tolist())))
    assert torch.allclose(model.sample_codes(labels[1:2], generators=seeded([1])), z[1:2], atol=1e-5)


@having(BlendsClasses)
def test_a_blend_lies_between_classes(family):
    model = build(family)
    labels = torch.tensor([0, 1, -1])
    z = model.sample_codes(labels, generators=seeded([4, 5, 6]), temperature=0.5)
    assert not torch.allclose(z, model.sample_codes(labels, generators=seeded([4, 5, 6])), atol=1e-4)
    settled = model.sample_codes(torch.zeros_like(labels), generators=seeded([4, 5, 6]), temperature=0.0)
    assert torch.equal(settled, settled[:1].expand_as(settled)), "without noise there is one code per class"
    weights = torch.eye(model.num_classes + 1)[labels]
    assert torch.allclose(model.decode_blend(z, weights), model.decode(z, labels), atol=1e-6)
    first, second = (model.decode(z, torch.full_like(labels, label)) for label in (0, 1))
    between = model.decode_blend(z, torch.full((3, 2), 0.5) @ torch.eye(model.num_classes + 1)[:2])
    assert not torch.allclose(between, first, atol=1e-4)
    assert not torch.allclose(between, second, atol=1e-4)


@having(HasStyles)
def test_styles_make_the_samples(family):
    model = build(family)
    labels = torch.arange(model.num_classes)
    z = model.sample_codes(labels, generators=seeded(labels.tolist()))
    w = model.styles(z, labels)
    assert w.shape == (len(z), model.num_layers, w.shape[-1])
    assert torch.equal(w, w[:, :1].expand_as(w)), "a code gives all layers one style"
    images = model.synthesize(w)
    assert torch.equal(images, model.sample(labels, generators=seeded(labels.tolist())))
    for layer in range(model.num_layers):
        changed = w.clone()
        changed[:, layer] += 1
        assert not torch.allclose(model.synthesize(changed), images, atol=1e-5), f"layer {layer} does nothing"
    mean = model.styles(z, torch.zeros_like(labels), 0.0)
    assert torch.equal(mean, mean[:1].expand_as(mean)), "without variety there is one style per class"


@having(ShowsLayers)
@pytest.mark.parametrize("drawn", [False, True], ids=["middle", "drawn"])
def test_layers_lead_to_the_code_and_back(family, drawn):
    model = build(family)
    x, labels = batch(model)
    seeds = seeded(range(len(x))) if drawn else None
    z = model.encode(x, labels, generators=seeds)
    there = list(model.encode_steps(x, labels, generators=seeded(range(len(x))) if drawn else None))
    back = list(model.decode_steps(z, labels))
    assert len(there) == len(back) == len(model.layer_names) + 1
    assert (there[0] - x).abs().max() < 1 / 255, "the pictures, but for the place within a grey level's bin"
    assert torch.allclose(there[-1], (z / 3).clamp(-1, 1).float(), atol=1e-5)
    assert torch.equal(back[-1], model.decode(z, labels))
    for i, (leaving, returning) in enumerate(zip(there, reversed(back), strict=True)):
        assert leaving.abs().max() <= 1
        assert torch.allclose(leaving, returning, atol=1e-4), f"frame {i} differs on the way back"


@having(HasLikelihood)
def test_likelihood_is_nats_per_image(family):
    model = build(family)
    assert isinstance(model.likelihood_is_bound, bool)
    x, labels = batch(model)
    for given in (labels, None):
        nats = model.log_likelihood(x, given)
        assert nats.shape == (len(x),)
        assert nats.isfinite().all()
        assert (nats < 0).all(), "the 8-bit image has a probability, and it is below 1"


@having(Completes)
def test_completion_leaves_what_is_given(family):
    model = build(family)
    x, labels = batch(model)
    mask = torch.ones(len(x), 1, *x.shape[2:], dtype=torch.bool)
    mask[:, :, x.shape[2] // 2 :] = False
    completed = model.complete(x, mask, labels, generators=seeded(range(len(x))))
    assert completed.shape == x.shape
    assert completed.isfinite().all()
    assert torch.equal(completed[mask.expand_as(x)], x[mask.expand_as(x)])


@having(Denoises)
def test_completion_is_the_end_of_its_steps(family):
    model = build(family)
    x, labels = batch(model, 2)
    mask = torch.ones(2, 1, *x.shape[2:], dtype=torch.bool)
    mask[..., x.shape[3] // 2 :] = False
    knobs = {"num_inference_steps": 3}
    steps = list(model.complete_steps(x, mask, labels, generators=seeded([4, 5]), **knobs))
    assert torch.equal(steps[-1].clean, model.complete(x, mask, labels, generators=seeded([4, 5]), **knobs))
    assert steps[-1].sigma == 0
    for step in steps:
        assert torch.equal(step.clean[mask.expand_as(x)], x[mask.expand_as(x)]), "what is given is known from the start"


@having(WritesRows)
def test_rows_are_written_from_the_top(family):
    model = build(family)
    x, labels = batch(model)
    nothing = torch.zeros(len(x), 1, *x.shape[2:], dtype=torch.bool)
    rows = list(model.write(x, nothing, labels, generators=seeded(range(4))))
    assert len(rows) == x.shape[2]
    images, entropies = rows[-1]
    assert torch.equal(images, model.sample(labels, generators=seeded(range(4))))
    *_, naive = model.sample_naively(labels, generators=seeded(range(4)))
    assert torch.equal(naive, images)
    assert entropies.shape == (len(x), *x.shape[2:])
    for i, (so_far, bits) in enumerate(rows, 1):
        assert torch.equal(so_far[:, :, :i], images[:, :, :i])
        assert not so_far[:, :, i:].any(), "what is not written yet is grey"
        assert (bits[:, :i] > 0).all()
        assert not bits[:, i:].any()


@having(WritesRows)
def test_the_last_row_completes_what_is_given(family):
    model = build(family)
    x, labels = batch(model)
    given = torch.zeros(len(x), 1, *x.shape[2:], dtype=torch.bool)
    given[:, :, : x.shape[2] // 2] = True
    *_, (images, _) = model.write(x, given, labels, generators=seeded(range(4)))
    assert torch.equal(images, model.complete(x, given, labels, generators=seeded(range(4))))


@having(WritesRows)
def test_the_likelihood_is_the_product_of_all_levels(family):
    model = build(family)
    x, labels = batch(model)
    log_p = model.log_probabilities(x, labels)
    assert log_p.shape[:-1] == x.shape
    assert torch.allclose(log_p.exp().sum(-1), torch.ones_like(x), atol=1e-5)
    levels = ((x + 1) / 2 * (log_p.shape[-1] - 1)).round().long()
    total = log_p.gather(-1, levels.unsqueeze(-1)).flatten(1).sum(1)
    assert torch.allclose(total, model.log_likelihood(x, labels), rtol=1e-5)


@having(Judges)
def test_a_judgement_is_one_number_per_image(family):
    model = build(family)
    x, labels = batch(model)
    scores = model.realism(x, labels)
    assert scores.shape == (len(x),)
    assert scores.isfinite().all()


@having(Classifies)
def test_features_and_answers(family):
    model = build(family)
    x, _ = batch(model)
    features = model.features(x)
    assert features.ndim == 2
    assert len(features) == len(x)
    assert features.isfinite().all()
    assert torch.equal(model.features(x), features), "an instrument draws no random numbers"
    assert torch.allclose(model.features(x[1:2])[0], features[1], atol=1e-5), "the others in the batch must not matter"
    answers = model.classify(features)
    assert answers[0].shape == (len(x), model.num_classes), "the first attribute is the class"
    for answer in answers:
        assert len(answer) == len(x)
        assert torch.allclose(answer.exp().sum(1), torch.ones(len(x)), atol=1e-5)


@having(ReadsCaptions)
def test_captions_are_labels_of_a_model_with_a_vocabulary(family):
    with pytest.raises(ValueError, match="not trained on captions"):
        operations.as_tokens(build(family), 1, ["an elf"])
    model = build(family, vocabulary=("an", "elf", "orc"))
    elf, orc, again = operations.as_tokens(model, 3, ["an elf", "an orc", "an elf"])
    assert torch.equal(elf, again)
    assert not torch.equal(elf, orc)
    assert model.unknown_words("an old elf") == ["old"]
    first, second = operations.sample(model, 2, captions=["an elf", "an orc"])
    assert not torch.allclose(first, second, atol=1e-4)
