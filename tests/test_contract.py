"""What holds for every family and every instrument, run over the registry: new ones need no line here."""

import dataclasses
import json
from typing import get_args, get_type_hints

import pytest
import torch
from helpers import batch, build, tiny_images

from genmodels import checkpoint, operations
from genmodels.models.base import ModelConfig, TrainConfig
from genmodels.protocols import Classifies, Encodes, Judges, Samples, abilities
from genmodels.registry import FAMILIES, INSTRUMENTS, about, family_of, get_family
from genmodels.training.loop import train

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
    text = about(family)
    assert len(text.splitlines()) >= 8
    assert "Objective" in text
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
    assert [row["step"] for row in rows] == [1, 2, 5, 10, 20, 30, 40, 50, 60]
    assert rows[-1]["progress"] == 1.0
    if len(model.players()) == 1:  # players who work against each other have no loss that must fall
        assert rows[-1]["loss"] < rows[0]["loss"]
    assert not model.training
    assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())


@every_model
def test_labels_matter_where_the_family_says_so(family):
    model = build(family)
    x, labels = batch(model)
    told = []
    for given in (labels, (labels + 1) % model.num_classes):
        torch.manual_seed(0)
        told.append(torch.stack([model(x, given, player=player)["loss"] for player in model.players()]))
    assert torch.equal(*told) == (not model.reads_labels)


# -- what is declared --------------------------------------------------------------------------------------------------


@every_model
def test_knobs_are_keywords_of_sample(family):
    cls = get_family(family)
    hints = get_type_hints(cls.sample) if hasattr(cls, "sample") else {}
    for key, knob in cls.knobs.items():
        assert knob.kind in {hints[key], *get_args(hints[key])}, f"{key} is of another type there"
        assert knob.low < knob.high


@every_model
def test_files_are_safetensors_and_declared_texts(family):
    model = build(family)
    assert set(model.side_texts()) <= set(model.component_texts)
    assert all(file.endswith(".safetensors") for file in model.components.values())
    assert all(file.endswith((".json", ".py")) for file in model.component_texts), "nothing that could hold a pickle"
    assert set(model.side_modules) <= {name for name, _ in model.named_children()}


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
