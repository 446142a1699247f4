"""What holds for every family, every instrument and every ability, run over the registry: new ones need no line here."""

import dataclasses
import json

import pytest
import torch
from helpers import batch, build, having, tiny_images

from genmodels import card, checkpoint, operations
from genmodels.models.base import ModelConfig, TrainConfig, seeded
from genmodels.protocols import (
    Classifies,
    Completes,
    Decodes,
    Encodes,
    HasLikelihood,
    Judges,
    Samples,
    SamplesStepwise,
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
