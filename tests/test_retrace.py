"""The commands on a card train what the card is of."""

import dataclasses
import json
import shlex
import shutil

import pytest

from genmodels import __main__ as cli
from genmodels import card, checkpoint, retrace
from genmodels.registry import get_family

ONCE = "vae2d-fashion-mnist"  # trained once, and not with the settings of its family
ITS_SETTINGS = "--minutes 12 --set latent_dim=2 dense_layers=2 prior_layers=0"
NAMES = [name for name in checkpoint.packaged() if (checkpoint.packaged()[name] / "training.json").is_file()]


@pytest.mark.parametrize("name", NAMES)
def test_the_command_makes_the_bundled_model_s_config_and_recipe(name):
    folder = checkpoint.packaged()[name]
    saved, training = checkpoint.read_config(folder), checkpoint.read_json(folder, "training.json")
    lines = retrace.commands(folder)
    known = retrace.stages(training)[-len(lines) :]
    base = {}
    for i, (line, stage, config) in enumerate(zip(lines, known, retrace.configs(known, saved["config"]), strict=True)):
        options = cli._parser().parse_args(shlex.split(line)[3:])
        family = get_family(options.family)
        recipe = dataclasses.replace(family.recipe, **_of_the_recipe(options, family))
        told = stage["recipe"] | ({"steps": recipe.steps} if options.minutes or options.cpu_minutes else {})
        assert recipe == type(recipe)(**_tuples(told)), line
        assert (options.minutes, options.cpu_minutes) == (stage["minutes"], stage.get("cpu_minutes")), line
        assert options.captions == bool(config.get("vocabulary"))
        found = {key: config[key] for key in retrace.FOUND if key in config}  # by what the pictures and captions are
        fields = {f.name for f in dataclasses.fields(family.Config)}
        changes = found | {key: value for key, value in cli.assignments(options.set).items() if key in fields}
        if i:
            assert options.start == f"runs/{name}-{i}/checkpoint"
        elif options.start:
            base = checkpoint.read_config(options.start)["config"]
        assert family.Config.from_json(family.Config.inherited(base) | changes) == family.Config.from_json(config), line
        base = config


@pytest.mark.parametrize("start", ["gone", "somebody/gone", "/home/somebody/gone"])
def test_what_began_with_a_model_that_not_everybody_has_has_no_commands(start, tmp_path):
    folder = tmp_path / "vae"
    shutil.copytree(checkpoint.packaged()[ONCE], folder)
    assert retrace.commands(folder) == [
        f"python -m genmodels train vae --data fashion-mnist --out runs/vae {ITS_SETTINGS}"
    ]
    kept = json.loads((folder / "training.json").read_text())
    (folder / "training.json").write_text(json.dumps(kept | {"start": start, "before": kept}))
    assert retrace.commands(folder) == []
    assert "train vae" not in card.model_card(folder)


def test_each_training_has_the_config_that_it_had(tmp_path):
    """A later one may have changed it: the first command says nothing of that, the second nothing else."""
    folder = tmp_path / "vae"
    shutil.copytree(checkpoint.packaged()[ONCE], folder)
    saved, kept = (json.loads((folder / f"{name}.json").read_text()) for name in ("config", "training"))
    later = kept | {"start": "vae", "before": kept | {"config": saved["config"]}, "minutes": 5.0}
    (folder / "training.json").write_text(json.dumps(later))
    tuned = saved["config"] | {"objective": "prior", "prior_layers": 8}
    (folder / "config.json").write_text(json.dumps(saved | {"config": tuned}))
    assert retrace.commands(folder) == [
        f"python -m genmodels train vae --data fashion-mnist --out runs/vae-1 {ITS_SETTINGS}",
        "python -m genmodels train vae --data fashion-mnist --out runs/vae-2 --start runs/vae-1/checkpoint --minutes 5 "
        "--set prior_layers=8 objective=prior",
    ]


def _of_the_recipe(options, family):
    fields = {f.name for f in dataclasses.fields(family.recipe)}
    return {key: value for key, value in cli.assignments(options.set).items() if key in fields}


def _tuples(values):
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
