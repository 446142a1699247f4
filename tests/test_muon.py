"""Muon: what it moves, how far, and that a run goes on with it as if it had never stopped."""

from pathlib import Path

import pytest
import torch
from test_train import recipe, run
from torch import nn

from genmodels import checkpoint, get_family
from genmodels.models.base import TrainConfig
from genmodels.registry import FAMILIES
from genmodels.training.muon import Muon, hidden_weights, orthogonalized
from genmodels.training.optimization import optimizer_of


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (32, 32)])
def test_all_directions_become_about_equally_long(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    lengths = torch.logspace(0, -1.5, min(shape))
    moved = orthogonalized(u * lengths @ v)
    got = torch.linalg.svdvals(moved)
    assert got.min() > 0.5
    assert got.max() < 1.3
    torch.testing.assert_close(moved, u * (u.T @ moved @ v.T).diagonal() @ v, atol=1e-4, rtol=0)  # the same directions


def test_a_step_is_as_long_as_its_rate_says_whatever_the_gradient() -> None:
    for factor in (1e-3, 1.0, 1e3):
        layer = nn.Linear(32, 32, bias=False)
        before = layer.weight.detach().clone()
        optimizer = Muon([{"params": [layer.weight], "muon": 5.0}], lr=4e-3)
        torch.manual_seed(1)
        layer.weight.grad = factor * torch.randn(32, 32)
        optimizer.step()
        spread = (layer.weight.detach() - before).square().mean().sqrt()
        assert spread == pytest.approx(0.02 * 32**-0.5, rel=0.25)


def test_decay_takes_its_share_of_a_matrix_at_the_matrix_s_own_rate() -> None:
    moved = []
    for decay in (0.0, 0.1):
        torch.manual_seed(0)
        layer = nn.Linear(16, 16, bias=False)
        before = layer.weight.detach().clone()
        optimizer = Muon([{"params": [layer.weight], "muon": 5.0, "weight_decay": decay}], lr=4e-3)
        layer.weight.grad = torch.ones(16, 16)
        optimizer.step()
        moved.append(layer.weight.detach())
    torch.testing.assert_close(moved[1], moved[0] - 0.02 * 0.1 * before)


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_biases_and_output_layers_stay_with_adamw(family: str) -> None:
    model = get_family(family)(get_family(family).Config.tiny())
    hidden = {id(w) for w in hidden_weights(model)}
    assert hidden
    for name, module in model.named_modules():
        for weight in module.parameters(recurse=False):
            if isinstance(module, nn.Embedding) or weight.ndim < 2 or module in model.output_layers():
                assert id(weight) not in hidden, name
    parameters = [p for player in model.players().values() for p in player]
    groups = optimizer_of(model, parameters, TrainConfig(muon=0.02)).param_groups
    assert sorted(id(p) for group in groups for p in group["params"]) == sorted(map(id, parameters))
    assert {id(p) for group in groups if group.get("muon") for p in group["params"]} == hidden


def test_a_run_with_muon_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    options = {"recipe": recipe(muon=0.02)}
    run(tmp_path / "whole", **options)
    steps = iter(range(100))
    assert run(tmp_path / "parts", stop=lambda: next(steps) >= 17, **options)[-1]["step"] == 17
    run(tmp_path / "parts", resume=True, **options)
    whole, parts = (checkpoint.load(tmp_path / part / "checkpoint").state_dict() for part in ("whole", "parts"))
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=0, msg=name)


def test_a_refused_rate() -> None:
    with pytest.raises(ValueError, match="'muon' must be 0 or more"):
        TrainConfig(muon=-1)
