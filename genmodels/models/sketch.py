"""From a picture to a drawing of it, as a person might draw it: what a diffusion model with `sketch` learns to follow.

A sketch is `(B, 1, H, W)`, float32: 0 is paper, 1 is ink, whatever the colours of the picture. Lines are where a picture
changes most (Canny 1986: the gradient, thinned to its ridge). People draw with thicker and thinner pens, leave gaps,
leave inner lines out, and never hit the place: in training every sketch is another such drawing of its picture.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 3  # pixels from a line beyond which it is of no interest
FAINTEST = 0.05  # of a line, as a share of the step from black to white
PLAIN_SHARE, PLAIN_WIDTH = 0.5, 1.7  # of a sketch without variation: half of the inner lines, with the app's thin pen
WIDTHS = (1.0, 3.6)  # from which variation draws; the app's pens are 1.7 to 3.6 pixels wide
JITTER = 0.8  # pixels: how far lines are off their places, as a standard deviation, in the least careful sketches
GAPS = 0.25  # the share of a drawing that is left out in the sketches with most gaps


def sketch_of(x: Tensor, *, vary: bool = False) -> Tensor:
    """Pictures `(B, C, H, W)` in [-1, 1] as sketches `(B, 1, H, W)`; a picture of one colour has an empty one.

    vary: as people draw, each another way, by torch's global random numbers.

    >>> x = torch.full((1, 3, 8, 8), -1.0); x[:, 0, :, 4:] = 1
    >>> (sketch_of(x)[0, 0, 4] > 0.5).tolist()
    [False, False, False, True, False, False, False, False]
    """
    if not vary:
        return ink(distance_to(lines(edges(x), PLAIN_SHARE)), PLAIN_WIDTH)
    width, care, share, gaps = torch.rand((4, len(x), 1, 1, 1), device=x.device)
    pen = WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * width
    distance = distance_to(lines(edges(x), share * (1 - 0.7 * width)))  # with a thick pen one draws fewer lines
    distance = moved(distance, JITTER * care)
    left_out = _cloud(x, 6) < torch.special.ndtri(GAPS * gaps.square())
    return ink(distance + REACH * left_out, pen * (1 + 0.1 * _cloud(x, 4)))


def lines(ridge: Tensor, share: Tensor | float) -> Tensor:
    """What is drawn of `edges`, bool: the outline, which is what is met first from any side, and this share of the rest."""
    found = ridge > FAINTEST
    outline = torch.zeros_like(found)
    for along in (2, 3):
        outline |= found & (found.cumsum(along) == 1)
        outline |= found & (found.flip(along).cumsum(along).flip(along) == 1)
    inner = found & ~outline
    order = torch.where(inner, ridge, 0.0).flatten(1).argsort(1, descending=True).argsort(1).view_as(ridge)
    inner = inner & (order < share * inner.sum((1, 2, 3), keepdim=True))
    drawn = outline | inner
    return outline | (inner & (9 * F.avg_pool2d(drawn.float(), 3, stride=1, padding=1) > 2.5))  # nobody draws lone dots


def is_drawing(ink: Tensor) -> bool:
    """Whether a sheet `(1, H, W)` of grey levels, 0 = paper, 1 = ink, holds thin lines on much paper: a drawing, and no photo."""
    solid = -F.max_pool2d(-(ink > 0.35).float()[None], 5, stride=1)  # what a brush of five pixels fits into
    return bool((ink < 0.15).float().mean() > 0.4) and bool(solid.mean() < 0.045)


def followed(sketch: Tensor, x: Tensor, tolerance: int = 1) -> tuple[Tensor, Tensor]:
    """How well pictures `(B, C, H, W)` follow sketches `(B, 1, H, W)`: the share of the sketch's lines that lie on an edge of
    the picture, and the share of the edges that `sketch_of` draws which lie on a line, `(B,)` each; to so many pixels.

    NaN where there are no lines, or no edges.
    """
    drawn, found = (ink_lines > 0.5 for ink_lines in (sketch, sketch_of(x)))
    drawn_wide, found_wide = (
        F.max_pool2d(each.float(), 2 * tolerance + 1, stride=1, padding=tolerance) > 0 for each in (drawn, found)
    )
    recall = (drawn & found_wide).sum((1, 2, 3)) / drawn.sum((1, 2, 3))
    precision = (found & drawn_wide).sum((1, 2, 3)) / found.sum((1, 2, 3))
    return recall, precision


def edges(x: Tensor) -> Tensor:
    """How strongly pictures `(B, C, H, W)` in [-1, 1] change, `(B, 1, H, W)` in [0, 1], where that is a ridge; else 0."""
    channels = x.shape[1]
    kernel = x.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    kernels = torch.stack([kernel, kernel.T])[:, None].repeat(channels, 1, 1, 1)
    gradient = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernels, groups=channels)
    gradient = gradient.unflatten(1, (channels, 2))
    strength = gradient.square().sum(2).sqrt()  # of each colour; the one that changes most counts
    strength, most = strength.max(1, keepdim=True)
    dx, dy = (gradient[:, :, k].gather(1, most) for k in (0, 1))
    # of four directions the one across the edge: on its both sides the change must be less
    octant = (torch.atan2(dy, dx) / (torch.pi / 4)).round().long() % 4
    around = F.pad(strength, (1, 1, 1, 1))
    height, width = x.shape[2:]
    ridge = torch.zeros_like(strength, dtype=torch.bool)
    for k, (right, down) in enumerate(((1, 0), (1, 1), (0, 1), (-1, 1))):
        ahead = around[:, :, 1 + down : 1 + down + height, 1 + right : 1 + right + width]
        behind = around[:, :, 1 - down : 1 - down + height, 1 - right : 1 - right + width]
        ridge |= (octant == k) & (strength >= ahead) & (strength > behind)
    return (strength * ridge).clamp(max=1)


def distance_to(lines: Tensor) -> Tensor:
    """How many pixels each place is from the nearest line `(B, 1, H, W)`, bool; at most REACH + 1."""
    n, _, height, width = lines.shape
    window = 2 * REACH + 1
    offsets = torch.arange(-REACH, REACH + 1, device=lines.device).float()
    lengths = torch.hypot(offsets[:, None], offsets[None]).view(1, -1, 1)
    near = F.unfold(lines.float(), window, padding=REACH) > 0
    return torch.where(near, lengths, REACH + 1.0).amin(1).clamp(max=REACH + 1).view(n, 1, height, width)


def ink(distance: Tensor, width: Tensor | float) -> Tensor:
    """Lines so many pixels wide, with soft borders, where the distance from a line is known."""
    return (width / 2 + 0.5 - distance).clamp(0, 1)


def moved(x: Tensor, pixels: Tensor) -> Tensor:
    """Every place of x `(B, 1, H, W)` moved a little, neighbours alike: by about so many pixels `(B, 1, 1, 1)`."""
    n, _, height, width = x.shape
    size = x.new_tensor([width, height])
    grid = F.affine_grid(torch.eye(2, 3, device=x.device).expand(n, 2, 3), [n, 1, height, width], align_corners=False)
    shift = torch.cat([_cloud(x, 4), _cloud(x, 4)], 1) * pixels + 0.7 * pixels * torch.randn(
        (n, 2, 1, 1), device=x.device
    )
    return F.grid_sample(x, grid + shift.movedim(1, 3) * 2 / size, padding_mode="border", align_corners=False)


def _cloud(x: Tensor, cells: int) -> Tensor:
    """Smooth noise of the size of x `(B, 1, H, W)`, about standard normal, with so many bumps to a side."""
    noise = torch.randn((len(x), 1, cells, cells), device=x.device)
    return F.interpolate(noise, x.shape[2:], mode="bicubic", align_corners=True)
