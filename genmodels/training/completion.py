"""What a finished run's checkpoint still needs: calibration, samples, the card, half precision where that changes nothing."""

import copy
import os
from pathlib import Path

import torch
from torch import Tensor

from genmodels import checkpoint
from genmodels.data import Images, tile, to_uint8
from genmodels.files import write_files
from genmodels.models.base import Model, seeded
from genmodels.models.sketch import sketch_of
from genmodels.operations import as_tokens, device_of, follows_sketches, reconstruct, require, sample
from genmodels.protocols import Classifies, FollowsSketches, Reconstructs, Samples


def preview(model: Model, data: Images, n: int = 64) -> Tensor | None:
    """A picture of what the model has learnt `(n, C, H, W)`: samples, each after its sketch if the model follows these, else
    reconstructions; None if it makes no pictures."""
    if follows_sketches(model):
        return _from_sketches(model, data, n // 2)
    if isinstance(model, Samples) and data.captions:
        captions = data.captions[:n]
        return sample(model, len(captions), captions=captions)
    if isinstance(model, Samples):
        return sample(model, n)
    if isinstance(model, Reconstructs):
        x, labels = (part.to(device_of(model)) for part in data[:n])
        return reconstruct(model, x, labels)
    return None


@torch.no_grad()
def _from_sketches(model: FollowsSketches, data: Images, n: int) -> Tensor:
    """Sketches of pictures, dark lines on white, and after each what the model draws of it, told the class or the caption."""
    x, labels = data[:n]
    sketch = sketch_of(x).to(device_of(model))
    told = as_tokens(model, len(x), data.captions[:n]) if data.captions else labels.to(sketch.device)
    drawn = model.draw(sketch, told, generators=seeded(range(len(x))))
    return torch.stack([(1 - 2 * sketch).expand_as(drawn), drawn], 1).flatten(0, 1)


def finish(model: Model, folder: str | os.PathLike[str], test: Images) -> None:
    """Complete a finished run's checkpoint: calibration on the test split, samples, card; float16 weights if no picture changes, or
    if the family keeps such in any case.

    >>> from genmodels.models.base import TrainConfig
    >>> from genmodels.models.autoencoder import Autoencoder, AutoencoderConfig
    >>> from genmodels.real_images import real_images
    >>> from genmodels.training import train
    >>> images, model = real_images("mnist", (1, 8, 8)), Autoencoder(AutoencoderConfig(image_shape=(1, 8, 8)))
    >>> rows = list(train(model, images, TrainConfig(steps=1, batch_size=4), folder="run", precision="no"))
    >>> finish(model, "run", images)
    >>> sorted(os.listdir("run/checkpoint"))[:4]
    ['README.md', 'calibration.safetensors', 'config.json', 'model.safetensors']
    """
    from genmodels.card import write_card
    from genmodels.evaluation.calibration import calibrate

    target = Path(folder) / "checkpoint"
    values, training = checkpoint.read_config(target), checkpoint.read_json(target, "training.json")
    half = model.stored_in_half or _half_is_enough(model, test)
    checkpoint.save(
        model, target, data=values["data"], training=training, calibration=calibrate(model, test) or None, half=half
    )
    picture = preview(model, test)
    if picture is not None:
        write_files(target, {"samples.png": tile(to_uint8(picture)).save})
    write_card(target)


def _half_is_enough(model: Model, test: Images) -> bool:
    """Whether weights rounded to float16 draw the same pictures, to one grey level (or see the same in 64 pictures)."""
    rounded = copy.deepcopy(model)
    rounded.load_state_dict(
        {k: v.half().float() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    )
    before, after = preview(model, test), preview(rounded, test)
    if before is None or after is None:
        x = test[:64][0].to(device_of(model))
        seen, seen_rounded = (require(each, Classifies).features(x) for each in (model, rounded))
        return torch.allclose(seen, seen_rounded, rtol=0.02, atol=0.02)
    return bool((to_uint8(before).int() - to_uint8(after).int()).abs().max() <= 1)
