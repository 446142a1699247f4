"""What holds for every family, every instrument and every ability, run over the registry: new ones need no line here."""

import dataclasses
import inspect
import json
import re

import pytest
import torch
from helpers import batch, build, having, tiny_images

from genmodels import card, checkpoint, operations
from genmodels.models.base import ModelConfig, TrainConfig, seeded
from genmodels.protocols import (
    ABILITIES,
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
)
from genmodels.registry import FAMILIES, INSTRUMENTS, family_of, get_family
from genmodels.train import train

every_model = pytest.mark.parametrize("family", FAMILIES | INSTRUMENTS)


# -- config and registry -----------------------------------------------------------------------------------------------


@every_model
def test_registry_knows_the_model(family):
    model = build(family)
    assert family_of(model) == family
    assert model.image_shape == model.config.image_shape
    assert model.num_classes == model.config.num_classes
    assert abilities(model), "a family that can do nothing"
    assert isinstance(get_family(family).recipe, TrainConfig)


@every_model
def test_config_survives_json(family):
    cls = get_family(family).Config
    assert issubclass(cls, ModelConfig)
    for config in (cls(), cls.tiny()):
        assert cls.from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        cls().image_shape = (3, 8, 8)


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
def test_file_opens_with_its_idea(family):
    text = card.about(family)
    assert len(text.splitlines()) >= 8
    assert text.startswith("**"), "the tab shows this text: it opens with the family's name in bold"


# -- the training objective --------------------------------------------------------------------------------------------


@every_model
def test_objective_is_finite_scalars(family):
    model = build(family).train()
    x, labels = batch(model)
    for player in model.players():
        for given in (labels, torch.full_like(labels, -1), None):
            terms = model(x, given, player=player)
            assert "loss" in terms
            for name, value in terms.items():
                assert value.shape == (), name
                assert value.isfinite(), name


@every_model
def test_no_label_and_minus_one_are_the_same(family):
    model = build(family)
    x, labels = batch(model)
    for player in model.players():
        losses = []
        for given in (None, torch.full_like(labels, -1)):
            torch.manual_seed(0)
            losses.append(model(x, given, player=player)["loss"])
        assert torch.equal(*losses)


@every_model
def test_every_players_parameters_get_gradients(family):
    model = build(family).train()
    players = model.players()
    owned = [id(parameter) for parameters in players.values() for parameter in parameters]
    assert sorted(owned) == sorted(id(p) for p in model.parameters()), "each parameter belongs to exactly one player"
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    x, labels = batch(model, 12)
    for player, parameters in players.items():
        model.zero_grad()
        model(x, labels, player=player)["loss"].backward()
        for parameter in parameters:
            name = names[id(parameter)]
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), f"{name} does nothing"


@every_model
def test_training_learns_eight_images(family):
    data = tiny_images(8)
    torch.manual_seed(0)
    model = get_family(family)(get_family(family).Config.tiny())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    recipe = dataclasses.replace(model.recipe, steps=60, batch_size=8, ema_decay=0.9)
    rows = list(train(model, data, recipe, precision="no", log_every=10))
    assert [row["step"] for row in rows] == [10, 20, 30, 40, 50, 60]
    assert rows[-1]["progress"] == 1.0
    if len(model.players()) == 1:  # players who work against each other have no loss that must fall
        assert rows[-1]["loss"] < rows[0]["loss"]
    assert not model.training
    assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())


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


# -- checkpoints -------------------------------------------------------------------------------------------------------


@every_model
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_a_saved_model_comes_back(family, half, tmp_path):
    model = build(family)
    again = checkpoint.load(checkpoint.save(model, tmp_path / "model", half=half))
    assert type(again) is type(model)
    assert again.config == model.config
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    saved, loaded = model.state_dict(), again.state_dict()
    assert saved.keys() == loaded.keys()
    for key, value in saved.items():
        assert loaded[key].dtype == value.dtype
        assert torch.equal(loaded[key], value.half().float() if half and value.is_floating_point() else value), key
    if half:
        return
    x, labels = batch(model.requires_grad_(False))  # like the loaded one: torch adds up in another order for gradients
    if isinstance(model, Samples):
        assert torch.equal(operations.sample(again, 3, 1), operations.sample(model, 3, 1))
    if isinstance(model, Encodes):
        assert torch.equal(again.encode(x, labels), model.encode(x, labels))
    if isinstance(model, Judges):
        assert torch.equal(again.realism(x, labels), model.realism(x, labels))
    if isinstance(model, Classifies):
        assert torch.equal(again.features(x), model.features(x))
