"""Drawings of pictures, and a diffusion model that follows them."""

import torch

from genmodels.models.base import seeded
from genmodels.models.diffusion import Diffusion, DiffusionConfig
from genmodels.models.sketch import edges, sketch_of
from genmodels.real_images import real_images


def pictures(name):
    return real_images(name)[:24][0]


def test_a_picture_of_one_colour_has_no_lines():
    for grey in (-1.0, 0.3, 1.0):
        for channels in (1, 3):
            x = torch.full((2, channels, 28, 28), grey)
            assert not sketch_of(x).any()
            assert not sketch_of(x, vary=True).any()


def test_a_square_has_an_outline_and_nothing_else():
    x = torch.full((1, 3, 32, 32), 1.0)
    x[:, 2, 8:24, 8:24] = -1  # yellow on white: only one channel tells
    sketch = sketch_of(x)[0, 0]
    border = torch.zeros(32, 32, dtype=torch.bool)
    border[6:26, 6:26] = True
    border[10:22, 10:22] = False
    assert not sketch[~border].any(), "near its border alone"
    assert (sketch[6:10].amax(0)[8:24] > 0.5).all()
    assert (sketch[:, 22:26].amax(1)[8:24] > 0.5).all()


def test_sketches_of_both_data_sets_are_lines():
    for name, share in (("fashion-mnist", 0.35), ("heroes", 0.5)):
        x = pictures(name)
        sketch = sketch_of(x)
        assert sketch.shape == (len(x), 1, *x.shape[2:])
        assert torch.equal(sketch, sketch.clamp(0, 1))
        ink = sketch.mean((1, 2, 3))
        assert ((ink > 0.03) & (ink < share)).all(), ink


def test_people_draw_differently_and_the_seed_decides_how():
    x = pictures("fashion-mnist")
    torch.manual_seed(0)
    first, second = (sketch_of(x, vary=True) for _ in range(2))
    torch.manual_seed(0)
    again = sketch_of(x, vary=True)
    assert torch.equal(first, again)
    assert ((first - second).abs().mean((1, 2, 3)) > 0.01).all(), "each picture, each time"
    ink = torch.cat([first, second]).mean((1, 2, 3))
    assert ink.max() > 2.5 * ink.min(), "thick and thin pens"


def test_edges_are_ridges():
    x = torch.full((1, 1, 16, 16), -1.0)
    x[..., 8:] = 1
    found = edges(x)[0, 0]
    assert (found[2:-2].gt(0).sum(1) == 1).all(), "one pixel wide"
    assert torch.allclose(found[2:-2].amax(1), torch.ones(12)), "1 is from black to white"


# -- a model that follows them ----------------------------------------------------------------------------------------


def tiny(**changes):
    torch.manual_seed(0)
    config = DiffusionConfig.from_json(DiffusionConfig.tiny().to_json() | {"sketch": True} | changes)
    model = Diffusion(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def test_without_ink_the_class_alone_decides():
    model, labels = tiny(), torch.tensor([0, 2])
    told = {"generators": seeded([3, 4]), "num_inference_steps": 3}
    alone = model.sample(labels, **told)
    told["generators"] = seeded([3, 4])
    empty = model.draw(torch.zeros(2, 1, 8, 8), labels, **told)
    assert torch.allclose(alone, empty, atol=1e-5)
    told["generators"] = seeded([3, 4])
    square = torch.zeros(2, 1, 8, 8)
    square[:, :, 2:6, 2:6] = 1
    assert not torch.allclose(alone, model.draw(square, labels, **told), atol=1e-3)
    told["generators"] = seeded([3, 4])
    assert torch.allclose(alone, model.draw(square, labels, sketch_scale=0.0, **told), atol=1e-5)
