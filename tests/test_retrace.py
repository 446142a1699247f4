"""The commands on a card train what the card is of."""

import dataclasses
import shlex

import pytest

from genmodels import __main__ as cli
from genmodels import checkpoint, retrace
from genmodels.registry import get_family

NAMES = [name for name in checkpoint.packaged() if (checkpoint.packaged()[name] / "training.json").is_file()]


@pytest.mark.parametrize("name", NAMES)
def test_the_command_makes_the_bundled_model_s_config_and_recipe(name):
    folder = checkpoint.packaged()[name]
    saved, training = checkpoint.read_config(folder), checkpoint.read_json(folder, "training.json")
    lines = retrace.commands(folder, name)
    known = retrace.stages(training)[-len(lines) :]
    config = saved["config"]
    for i, (line, stage) in enumerate(zip(lines, known, strict=True)):
        options = cli._parser().parse_args(shlex.split(line)[3:])
        family = get_family(options.family)
        recipe = dataclasses.replace(family.recipe, **_of_the_recipe(options, family))
        told = stage["recipe"] | ({"steps": recipe.steps} if options.minutes or options.cpu_minutes else {})
        assert recipe == type(recipe)(**_tuples(told)), line
        assert (options.minutes, options.cpu_minutes) == (stage["minutes"], stage.get("cpu_minutes")), line
        assert options.captions == bool(config.get("vocabulary"))
        if i:
            assert options.start == f"runs/{name}-{i}/checkpoint"
            continue
        found = {key: config[key] for key in retrace.FOUND if key in config}  # by what the pictures and captions are
        fields = {f.name for f in dataclasses.fields(family.Config)}
        changes = found | {key: value for key, value in cli._assignments(options.set).items() if key in fields}
        base = checkpoint.read_config(options.start)["config"] if options.start else found
        assert family.Config.from_json(base | changes) == family.Config.from_json(config), line


def _of_the_recipe(options, family):
    fields = {f.name for f in dataclasses.fields(family.recipe)}
    return {key: value for key, value in cli._assignments(options.set).items() if key in fields}


def _tuples(values):
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
