"""**Diffusion.** A picture is drowned in noise, a little more at every step t; a network learns to see the picture
through it. To make a new one, start with pure noise and remove, step by step, what the network takes for noise.

Objective, to be minimised, for a noise level drawn at random and noise eps from N(0, I):

    E | v(x_t, t) - (alpha eps - sigma x) |^2,    x_t = alpha x + sigma eps,    alpha^2 + sigma^2 = 1

The network v predicts the velocity, a mixture of noise and picture: where x_t is nearly noise it has to guess the
picture, where x_t is nearly clean the noise. So at every noise level its task is about equally hard, and the predicted
clean picture is alpha x_t - sigma v. alpha falls as a cosine, from 1 to 0.

In training, one class (or caption) in ten is hidden. So the network can predict with and without it, and sampling may go
further than it asks for: v = v_none + guidance_scale (v_class - v_none), at all noise levels or only between two, its
"guidance_interval". The solver that takes the steps ("scheduler") can be chosen freely: all of them follow the same
curves, some with fewer steps than others, and with still fewer if these are shorter at both ends, where it is decided what is
shown and how sharp it is ("step_ends"). A few steps can also be learnt: a copy of the network is taught to do in one what
the guided network does in several (distillation).

In the real world: illustrations are drawn from a sentence (Rombach et al. 2022, Stable Diffusion, arXiv 2112.10752), proteins are
designed (Watson et al. 2023, Nature 620), the weather is forecast (Price et al. 2025, GenCast, arXiv 2312.15796).

Papers: Ho et al. 2020 (DDPM, arXiv 2006.11239); velocity: Salimans & Ho 2022 (arXiv 2202.00512); cosine schedule: Nichol
& Dhariwal 2021 (arXiv 2102.09672); guidance: Ho & Salimans 2022 (arXiv 2207.12598), in an interval: Kynkäänniemi
et al. 2024 (arXiv 2404.07724); DDIM: Song et al. 2021 (arXiv 2010.02502); UniPC: Zhao et al. 2023 (arXiv 2302.04867);
the steps' sizes: Lee et al. 2024 (arXiv 2407.12173); distillation: Meng et al. 2023 (arXiv 2210.03142).
"""

# A long file: beside the network and its objective it has four ways to walk through the same noise, and the captions.

import copy
import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from typing_extensions import Self, Unpack

from genmodels.models.base import GUIDANCE, Knob, Model, ModelConfig, TrainConfig, draw_normal
from genmodels.models.sketch import sketch_of

if TYPE_CHECKING:
    from diffusers import ModelMixin
    from transformers import PreTrainedModel

    from genmodels.models.pipeline import Condition, Predict, Step

# pipeline.py imports diffusers, which takes seconds: so it is imported where a model is built or used, and not above.

PAD, BEGIN, UNKNOWN = "[PAD]", "[BEGIN]", "[UNKNOWN]"  # the tokens 0, 1 and 2; the vocabulary follows

OBJECTIVES = ("velocity", "distillation")

ROUND_STRENGTH = 0.7  # share of all noise to which a completion is taken back, to be made again


@dataclass(frozen=True)
class DiffusionConfig(ModelConfig):
    patch_size: int = 2  # the network sees squares of patch_size x patch_size pixels as one, with more channels
    widths: tuple[int, ...] = (64, 128)  # channels of the U-Net, from the finest scale on
    layers: int = 1  # residual blocks per scale
    groups: int = 8  # of the group normalisations
    head_dim: int = 64  # of the attention at the coarsest scale
    label_dropout: float = 0.1  # how often training hides the class or caption, so that sampling without it works too
    sketch: bool = (
        False  # whether it follows sketches: two more channels of what the network sees, see models/sketch.py
    )
    sketch_dropout: float = 0.2  # how often training hides the sketch
    sketch_scale: float = 1.5  # how closely `draw` follows the sketch where it isn't told otherwise
    vocabulary: tuple[str, ...] = ()  # words of captions; with any, the model knows captions instead of classes
    text_length: int = 36  # tokens of a caption
    text_width: int = 128
    text_layers: int = 2
    objective: str = "velocity"  # or "distillation", which tunes a trained model for its num_inference_steps, say 3
    teacher_guidance: float = 1.5  # what distillation teaches within guidance_interval, so that sampling needs none
    teacher_steps: int = 1  # of the teacher for one of the student's: each looks at the picture three times
    scheduler: str = "unipc"  # how `sample` samples where it isn't told otherwise
    num_inference_steps: int = 8
    guidance_scale: float = 1.5
    guidance_interval: tuple[float, float] = (0.0, 1.0)  # the shares of the training steps between which it guides
    step_ends: tuple[float, float] = (
        1.0,
        1.0,
    )  # how large steps are at the clean and at the noisy end, against even ones

    @classmethod
    def tiny(cls) -> Self:
        return cls(
            image_shape=(1, 8, 8), num_classes=3, widths=(8, 8), groups=4, head_dim=8, text_length=8, text_width=8,
            text_layers=1,
        )  # fmt: skip


class Knobs(TypedDict, total=False):
    """What can be said to `sample` beyond labels and generators."""

    num_inference_steps: int | None
    guidance_scale: float | None
    scheduler: str | None
    eta: float
    prompt: str | None


class Diffusion(Model):
    """`unet` is one of diffusers' own, `text_encoder` (only with a vocabulary) of transformers'; both start untrained.

    With a vocabulary, labels in training are captions as tokens `(B, text_length)`, see `tokenize`; -1 = "no caption".
    """

    Config = DiffusionConfig
    config: DiffusionConfig
    reads_captions = True
    stored_in_half = True  # 5 MB instead of 11
    components: ClassVar[Mapping[str, str]] = {
        "unet": "unet/diffusion_pytorch_model.safetensors",
        "text_encoder": "text_encoder/model.safetensors",
    }
    component_texts: ClassVar[tuple[str, ...]] = (
        "model_index.json", "unet/config.json", "scheduler/scheduler_config.json", "text_encoder/config.json",
        "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json", "pipeline.py",
    )  # fmt: skip
    knobs: ClassVar[dict[str, Knob]] = {
        "num_inference_steps": Knob("The number of steps", 1, 200, int),  # more is possible, but helps nobody
        "guidance_scale": GUIDANCE,
        "eta": Knob("η"),
        "scheduler": Knob("The scheduler", kind=str),
        "prompt": Knob("The prompt", kind=str),
    }

    def __init__(self, config: DiffusionConfig) -> None:
        from genmodels.models import pipeline

        super().__init__(config)
        _, height, width = config.image_shape
        multiple = config.patch_size * 2 ** (len(config.widths) - 1)
        if height % multiple or width % multiple:
            raise ValueError(f"image_shape: height and width must be multiples of {multiple}, not {height} and {width}")
        if config.objective not in OBJECTIVES:
            raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, not {config.objective!r}")
        pipeline.check_scheduler(config.scheduler)
        pipeline.check(config.num_inference_steps, config.guidance_scale, 0.0)
        if config.teacher_steps < 1:
            raise ValueError(f"teacher_steps must be at least 1, not {config.teacher_steps}")
        if not 0 <= config.guidance_interval[0] <= config.guidance_interval[1] <= 1:
            raise ValueError(
                f"guidance_interval must be two shares that rise from 0 to 1, not {config.guidance_interval}"
            )
        if not all(0.1 <= size <= 3 for size in config.step_ends):
            raise ValueError(f"step_ends must be two numbers from 0.1 to 3, not {config.step_ends}")
        if config.objective == "distillation" and config.step_ends != pipeline.EVEN:
            raise ValueError("step_ends must be [1, 1] for distillation, which learns steps of one size")
        self.unet = build_unet(config)
        self.text_encoder = build_text_encoder(config) if config.vocabulary else None
        self.angles = nn.Buffer(pipeline.angles().float(), persistent=False)
        self._teacher: list[Diffusion] = []  # in a list, so that it is neither trained nor saved

    # -- the objective ------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, labels: Tensor | None = None, *, player: str = "model") -> dict[str, Tensor]:
        """The mean squared error of the predicted velocity, over noise levels, pixels and the batch.

        It is `forward`, and not `loss()`, because only `forward` passes through the hooks of DDP/accelerate.
        """
        if self.training and labels is not None:
            hidden = torch.rand(len(x), device=x.device) < self.config.label_dropout
            labels = torch.where(hidden if labels.ndim == 1 else hidden[:, None], -1, labels)
        condition, eps = self.condition(labels, len(x), x.device), torch.randn_like(x)
        if self.config.sketch:
            condition |= self._sketch_to_learn(x)
        if self.config.objective == "distillation":
            return {"loss": self._lag(x, eps, labels, condition)}
        # evenly spread over the batch, which makes the loss less noisy than independent draws (Kingma et al. 2021)
        share = (torch.arange(len(x), device=x.device) + torch.rand(len(x), device=x.device)) / len(x)
        t = (share * len(self.angles)).long().clamp(max=len(self.angles) - 1)
        alpha, sigma = self.level(t)
        v = self.velocity(alpha * x + sigma * eps, t, condition)
        return {"loss": (v.float() - (alpha * eps - sigma * x)).square().mean()}

    def _sketch_to_learn(self, x: Tensor) -> "Condition":
        """A new sketch of every picture, as another person might draw it; some are hidden, so that it works without one."""
        from genmodels.models import pipeline

        sketch = sketch_of(x, vary=self.training)
        if self.training:
            sketch = sketch * (torch.rand((len(x), 1, 1, 1), device=x.device) >= self.config.sketch_dropout)
        return pipeline.sketched(sketch, x)

    def weights_from(self, weights: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
        """A model of classes that gets a vocabulary keeps the weights that don't depend on what it is told; one that is to
        follow sketches begins by overlooking them, as ControlNet does (Zhang et al. 2023): their weights are 0."""
        new = self.state_dict()
        if self.config.vocabulary and not getattr(config, "vocabulary", ()):
            weights = new | {key: w for key, w in weights.items() if key in new and w.shape == new[key].shape}
        first = "unet.conv_in.weight"
        if self.config.sketch and not getattr(config, "sketch", False):
            more = new[first].shape[1] - weights[first].shape[1]
            weights = weights | {first: F.pad(weights[first], (0, 0, 0, 0, 0, max(0, more)))}
        return weights

    def start_from_here(self) -> None:
        """Distillation keeps the weights as they are now: they are the teacher."""
        if self.config.objective == "distillation":
            self._teacher = [copy.deepcopy(self).eval().requires_grad_(False)]

    def _lag(self, x: Tensor, eps: Tensor, labels: Tensor | None, condition: "Condition") -> Tensor:
        """How far one step of DDIM leads from where the teacher comes in several guided ones, as an error of the velocity.

        Distillation of guided diffusion (Salimans & Ho 2022, Meng et al. 2023, arXiv 2210.03142), in one go: for each of
        the `num_inference_steps` arcs, from an angle to a lower one, the network learns the velocity that gets there at
        once. The angle is the time of the differential equation dx/dangle = v; on a circle a straight step is a rotation.
        """
        if not self._teacher:
            raise ValueError("Distillation learns from a trained model: name it with --start.")
        steps = self.config.num_inference_steps
        arc = (torch.arange(len(x), device=x.device) + torch.randint(steps, (), device=x.device)) % steps
        ends = torch.cat(
            [self.angles.new_zeros(1), self.angles[[(k + 1) * len(self.angles) // steps - 1 for k in range(steps)]]]
        )
        start, end = (ends[k].view(-1, 1, 1, 1) for k in (arc + 1, arc))
        noisy = start.cos() * x + start.sin() * eps
        with torch.no_grad():
            there = self._teacher[0].to(x.device).travel(noisy, start, end, labels, condition.get("sketch"))
        wanted = ((start - end).cos() * noisy - there) / (start - end).sin()
        v = self.velocity(noisy, self._step_at(start.flatten()), condition)
        return (v.float() - wanted).square().mean()

    def travel(
        self, noisy: Tensor, start: Tensor, end: Tensor, labels: Tensor | None, sketch: Tensor | None = None
    ) -> Tensor:
        """Noisy pictures carried from one angle to another, both `(B, 1, 1, 1)`, with guidance, in `teacher_steps` by Heun's
        third-order rule."""
        from genmodels.models import pipeline

        told_more = [self.condition(given, len(noisy), noisy.device) for given in (None, labels)]
        if sketch is not None:
            told_more = [condition | {"sketch": sketch} for condition in told_more]
        scales, interval = [self.config.teacher_guidance], self.config.guidance_interval
        predict = pipeline.guided(self.unet, self.config.patch_size, told_more, scales, interval)

        def velocity(x: Tensor, angle: Tensor) -> Tensor:
            v = predict(x, self._step_at(angle.flatten())).float()
            clean = (angle.cos() * x - angle.sin() * v).clamp(-1, 1)  # as sampling does
            return (angle.cos() * x - clean) / angle.sin()

        h = (end - start) / self.config.teacher_steps
        for step in range(self.config.teacher_steps):
            at = start + step * h
            first = velocity(noisy, at)
            second = velocity(noisy + h / 3 * first, at + h / 3)
            third = velocity(noisy + 2 * h / 3 * second, at + 2 * h / 3)
            noisy = noisy + h / 4 * (first + 3 * third)
        return noisy

    def _step_at(self, angle: Tensor) -> Tensor:
        """The training steps, between two as they may be, of angles `(B,)`."""
        right = torch.searchsorted(self.angles, angle.contiguous()).clamp(1, len(self.angles) - 1)
        low, high = self.angles[right - 1], self.angles[right]
        return (right - 1 + (angle - low) / (high - low)).clamp(0, len(self.angles) - 1)

    def level(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """alpha and sigma `(B, 1, 1, 1)` of training steps t `(B,)`, whole numbers 0..999."""
        angle = self.angles[t].view(-1, 1, 1, 1)
        return angle.cos(), angle.sin()

    def velocity(self, noisy: Tensor, t: Tensor, condition: "Condition") -> Tensor:
        """The network: noisy pictures `(B, C, H, W)` at training steps t `(B,)`, also between two -> v."""
        from genmodels.models import pipeline

        return pipeline.velocity(self.unet, self.config.patch_size, noisy, t, condition)

    def condition(self, labels: Tensor | None, n: int, device: torch.device) -> "Condition":
        """What the network is told of n pictures: classes `(n,)` or tokens `(n, L)`; -1 and None are "nothing"."""
        from genmodels.models import pipeline

        if self.config.sketch:
            blank = torch.zeros((n, *self.config.image_shape), device=device)
            return pipeline.sketched(None, blank) | self._told(labels, n, device)
        return self._told(labels, n, device)

    def _told(self, labels: Tensor | None, n: int, device: torch.device) -> "Condition":
        from genmodels.models import pipeline

        if self.text_encoder is None:
            return {"class_labels": self._labels(labels, n, device)}
        tokens = self.tokenize([""] * n).to(device)
        if labels is not None and labels.ndim == 2:
            tokens = torch.where(labels < 0, tokens, labels)
        return pipeline.text_condition(self.text_encoder, tokens)

    @property
    def follows_sketches(self) -> bool:
        return self.config.sketch

    # -- captions -----------------------------------------------------------------------------------------------

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words of its captions; none for a model of classes."""
        return self.config.vocabulary

    @staticmethod
    def vocabulary_of(captions: Sequence[str]) -> tuple[str, ...]:
        """All words and signs of captions, in alphabetical order, for the config."""
        from tokenizers import pre_tokenizers

        split = pre_tokenizers.Whitespace().pre_tokenize_str
        return tuple(sorted({word for caption in set(captions) for word, _ in split(caption.lower())}))

    def tokenize(self, captions: Sequence[str]) -> Tensor:
        """Captions as token numbers `(B, text_length)` for a model with a vocabulary; words that it lacks are UNKNOWN."""
        encodings = build_tokenizer(self.config).encode_batch(list(captions))
        return torch.tensor([encoding.ids for encoding in encodings])

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of a prompt that no caption of the training set had, each once, in order."""
        return unknown_words(self.config, prompt)

    def _prompted(self, prompt: str, n: int) -> Tensor:
        """A prompt as labels of n pictures. Raises ValueError where it is empty, too long, or of unknown words only."""
        if self.text_encoder is None:
            raise ValueError("This model knows classes and no captions: leave the prompt out.")
        limit = self.config.text_length - 1
        if len(prompt) > 20 * limit:
            raise ValueError(f"The prompt has {len(prompt)} characters; at most {20 * limit} are allowed.")
        tokenizer = build_tokenizer(self.config)
        tokenizer.no_truncation()
        count = sum(encoding_id > 1 for encoding_id in tokenizer.encode(prompt).ids)
        if not count:
            raise ValueError("The prompt is empty: describe a picture, or leave the prompt out.")
        if count > limit:
            raise ValueError(f"The prompt has {count} words and signs; at most {limit} are allowed.")
        tokens = self.tokenize([prompt])
        if not (tokens > 2).any():
            some = [word for word in self.config.vocabulary if len(word) > 3][:8]
            raise ValueError(f"This model knows none of the words of the prompt; it knows {', '.join(some)}, …")
        return tokens.expand(n, -1)

    # -- what it can do -----------------------------------------------------------------------------------------

    def sample(
        self,
        labels: Tensor,
        *,
        generators: Sequence[Generator],
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
        eta: float = 0.0,
        prompt: str | None = None,
    ) -> Tensor:
        """Images from noise in `num_inference_steps` steps of a scheduler of `pipeline.SCHEDULERS`, by default the config's.

        guidance_scale: 0 ignores the class, 1 samples what was learnt, more makes the class clearer and the images less
        varied, at twice the cost. eta: fresh noise per step, for "ddim" only: 0 none, 1 as much as "ddpm". prompt: a
        caption for all images, if the model has a vocabulary; then labels are -1, or tokens as in training.
        """
        *_, last = self.trajectory(
            labels, generators=generators, num_inference_steps=num_inference_steps, guidance_scale=guidance_scale,
            scheduler=scheduler, eta=eta, prompt=prompt,
        )  # fmt: skip
        return last.clean

    def sample_steps(
        self, labels: Tensor, *, generators: Sequence[Generator], **knobs: Unpack[Knobs]
    ) -> Iterator[Tensor]:
        """`sample`, with a frame of the noisy picture x_t, clipped to [-1, 1], before each step; knobs as in `sample`."""
        for step in self.trajectory(labels, generators=generators, **knobs):
            yield step.noisy.clamp(-1, 1)

    def trajectory(
        self,
        labels: Tensor,
        *,
        generators: Sequence[Generator],
        start: Tensor | None = None,
        strength: float = 1.0,
        keep: tuple[Tensor, Tensor] | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
        eta: float = 0.0,
        prompt: str | None = None,
        sketch: Tensor | None = None,
        sketch_scale: float | None = None,
    ) -> Iterator["Step"]:
        """All that sampling passes through: `pipeline.Step`s of x_t and the clean picture that the network sees in it.

        sketch, sketch_scale: as in `draw`. start: images to begin with instead of pure noise, made noisy to the share `strength` of all noise. keep: (x, mask
        `(B, 1, H, W)`), images whose pixels are given where the mask is True. The other arguments are those of `sample`.
        """
        noise = draw_normal(self.image_shape, generators, labels.device)

        def begin(alpha: float, sigma: float) -> Tensor:
            return noise if start is None else alpha * start + sigma * noise

        yield from self._denoise(
            labels, begin, generators, strength=strength, keep=keep, num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale, scheduler=scheduler, eta=eta, prompt=prompt, sketch=sketch,
            sketch_scale=sketch_scale,
        )  # fmt: skip

    def _denoise(
        self,
        labels: Tensor,
        begin: Callable[[float, float], Tensor],
        generators: Sequence[Generator],
        *,
        strength: float,
        keep: tuple[Tensor, Tensor] | None = None,
        num_inference_steps: int | None,
        guidance_scale: float | None,
        scheduler: str | None,
        eta: float = 0.0,
        prompt: str | None,
        sketch: Tensor | None = None,
        sketch_scale: float | None = None,
    ) -> Iterator["Step"]:
        """begin: (alpha, sigma) -> the noisy pictures of that noise level from which the steps lead to clean ones."""
        from genmodels.models import pipeline

        config = self.config
        steps = config.num_inference_steps if num_inference_steps is None else num_inference_steps
        scale = config.guidance_scale if guidance_scale is None else guidance_scale
        closely = config.sketch_scale if sketch_scale is None else sketch_scale
        pipeline.check(steps, scale, eta, strength, closely)
        solver = pipeline.make_scheduler(config.scheduler if scheduler is None else scheduler)
        if prompt is not None:
            labels = self._prompted(prompt, len(labels)).to(labels.device)
        predict = self.predictor(labels, scale, sketch, closely)

        def edit(clean: Tensor) -> Tensor:
            return clean if keep is None else torch.where(keep[1], keep[0], clean)

        yield from pipeline.denoise(
            predict, solver, begin, steps,
            generator=generators, strength=strength, eta=eta, step_ends=config.step_ends, edit=edit,
        )  # fmt: skip

    def predictor(
        self,
        labels: Tensor,
        guidance_scale: float | None = None,
        sketch: Tensor | None = None,
        sketch_scale: float | None = None,
    ) -> "Predict":
        """(noisy pictures `(B, C, H, W)`, their training step) -> the velocity, told the labels and the sketches; as in `draw`."""
        from genmodels.models import pipeline

        config, n, device = self.config, len(labels), labels.device
        scale = config.guidance_scale if guidance_scale is None else guidance_scale
        closely = config.sketch_scale if sketch_scale is None else sketch_scale
        if (labels < 0).all():
            scale = 1.0  # guidance has nothing to go by: no need to ask the network twice
        told_more, scales = [self.condition(given, n, device) for given in (None, labels)], [scale]
        if sketch is not None:
            if not config.sketch:
                raise ValueError("This model has not learnt to follow sketches: leave the sketch out.")
            blank = torch.zeros((n, *config.image_shape), device=device)
            told_more, scales = [*told_more, told_more[-1] | pipeline.sketched(sketch, blank)], [scale, closely]
        return pipeline.guided(self.unet, config.patch_size, told_more, scales, config.guidance_interval)

    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        labels: Tensor | None = None,
        *,
        generators: Sequence[Generator],
        rounds: int = 4,
        **knobs: Unpack[Knobs],
    ) -> Tensor:
        """`x` with the pixels where `mask` `(B, 1, H, W)` is False filled in (inpainting), as in `complete_steps`."""
        *_, last = self.complete_steps(x, mask, labels, generators=generators, rounds=rounds, **knobs)
        return last.clean

    def complete_steps(
        self,
        x: Tensor,
        mask: Tensor,
        labels: Tensor | None = None,
        *,
        generators: Sequence[Generator],
        rounds: int = 4,
        **knobs: Unpack[Knobs],
    ) -> Iterator["Step"]:
        """All that `complete` passes through; knobs as in `sample`.

        At every step the given pixels replace what the network takes for them. As what is around them was begun without
        knowing them, it is then made noisy and clean again, `rounds` times with a third of the steps each, and comes to
        fit (after RePaint, Lugmayr et al. 2022, arXiv 2201.09865). Raises ValueError unless 0 <= rounds <= 50.
        """
        if not 0 <= rounds <= 50:
            raise ValueError(f"rounds must be from 0 to 50, not {rounds}.")
        labels = torch.full((len(x),), -1, device=x.device) if labels is None else labels
        fewer = max(1, (knobs.get("num_inference_steps") or self.config.num_inference_steps) // 3)
        for step in self.trajectory(labels, generators=generators, keep=(x, mask), **knobs):
            yield step
        knobs["num_inference_steps"] = fewer
        for _ in range(rounds):
            again = self.trajectory(
                labels, generators=generators, keep=(x, mask), start=step.clean, strength=ROUND_STRENGTH, **knobs
            )
            for step in again:
                yield step

    def draw(
        self,
        sketch: Tensor,
        labels: Tensor | None = None,
        *,
        generators: Sequence[Generator],
        sketch_scale: float | None = None,
        **knobs: Unpack[Knobs],
    ) -> Tensor:
        """Pictures that follow sketches `(B, 1, H, W)`, 0 = paper, 1 = ink: image translation (Isola et al. 2017, pix2pix).

        For a model with `config.sketch`; knobs as in `sample`. A sketch without ink says nothing.
        sketch_scale: 0 doesn't heed the sketch, 1 as was learnt, more follows it more closely, at twice the cost.
        Raises ValueError for a model that has not learnt it, and for sketches of another shape.
        """
        labels = torch.full((len(sketch),), -1, device=sketch.device) if labels is None else labels
        moments = self.trajectory(labels, generators=generators, sketch=sketch, sketch_scale=sketch_scale, **knobs)
        *_, last = moments
        return last.clean

    def redraw(
        self,
        x: Tensor,
        labels: Tensor | None = None,
        *,
        generators: Sequence[Generator],
        strength: float = 0.5,
        **knobs: Unpack[Knobs],
    ) -> Tensor:
        """Image to image (SDEdit, Meng et al. 2021): noise is added to `x`, and removed again; knobs as in `sample`.

        strength: the share of all noise, above 0, where nothing changes, to 1, where nothing is left of x.
        """
        labels = torch.full((len(x),), -1, device=x.device) if labels is None else labels
        *_, last = self.trajectory(labels, generators=generators, start=x, strength=strength, **knobs)
        return last.clean

    def denoise(
        self,
        noisy: Tensor,
        sigma: float,
        labels: Tensor | None = None,
        *,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
        prompt: str | None = None,
    ) -> Tensor:
        """A clean picture that fits one to which Gaussian noise of standard deviation `sigma` was added (any real numbers).

        The noise is not drawn anew: the sampler starts at the step whose share of noise is the picture's own.
        Raises ValueError unless 0.01 <= sigma <= 100.
        """
        from genmodels.models import pipeline

        if not 0.01 <= sigma <= 100:
            raise ValueError(f"sigma must be from 0.01 to 100, not {sigma}.")
        strength = (pipeline.step_of(float(torch.tensor(sigma).atan())) + 1) / pipeline.TRAIN_STEPS
        labels = torch.full((len(noisy),), -1, device=noisy.device) if labels is None else labels
        *_, last = self._denoise(
            labels, lambda alpha, _: alpha * noisy, [], strength=strength, num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale, scheduler=scheduler, prompt=prompt,
        )  # fmt: skip
        return last.clean

    # -- what diffusers and transformers read of a checkpoint --------------------------------------------------------

    def side_texts(self) -> dict[str, str]:
        """The files that make a checkpoint's folder a diffusers pipeline; its code is a copy of this library's."""
        import diffusers

        from genmodels.models import pipeline

        config = self.config
        scheduler = pipeline.make_scheduler(config.scheduler)
        index = {
            "_class_name": ["pipeline", pipeline.PatchDiffusionPipeline.__name__],
            "_diffusers_version": diffusers.__version__,
            "unet": ["diffusers", type(self.unet).__name__],
            "scheduler": ["diffusers", type(scheduler).__name__],
            "text_encoder": [None, None],
            "tokenizer": [None, None],
        } | {
            key: getattr(config, key)
            for key in ("patch_size", "num_inference_steps", "guidance_scale", "guidance_interval", "step_ends")
        }
        if config.sketch:
            index["sketch_scale"] = config.sketch_scale
        texts = {
            "pipeline.py": inspect.getsource(pipeline),
            "unet/config.json": self.unet.to_json_string(),
            "scheduler/scheduler_config.json": scheduler.to_json_string(),
        }
        if self.text_encoder is not None:
            index["text_encoder"] = ["transformers", type(self.text_encoder).__name__]
            index["tokenizer"] = ["transformers", "PreTrainedTokenizerFast"]
            special = {"pad_token": PAD, "unk_token": UNKNOWN, "model_max_length": config.text_length}
            texts["text_encoder/config.json"] = self.text_encoder.config.to_json_string()
            texts["tokenizer/tokenizer.json"] = build_tokenizer(config).to_str(pretty=True)
            texts["tokenizer/tokenizer_config.json"] = as_text({"tokenizer_class": "PreTrainedTokenizerFast"} | special)
        return texts | {"model_index.json": as_text(index)}

    # -- the recipe ---------------------------------------------------------------------------------------------

    recipe = TrainConfig(
        steps=12000,
        batch_size=16,  # on two cores small batches learn most per minute; a GPU takes 256
        learning_rate=1e-3,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        max_grad_norm=1.0,
        ema_decay=0.999,
    )


def as_text(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


# -- the networks, as their libraries build them ------------------------------------------------------------------------


def build_unet(config: DiffusionConfig) -> "ModelMixin":
    """A U-Net on patches, with the class, or the caption by cross-attention at the coarsest scale and by its mean."""
    import diffusers

    channels, height, width = config.image_shape
    p, scales = config.patch_size, len(config.widths)
    common = {
        "sample_size": (height // p, width // p),
        "in_channels": (channels + (2 if config.sketch else 0)) * p**2,
        "out_channels": channels * p**2,
        "block_out_channels": config.widths,
        "layers_per_block": config.layers,
        "norm_num_groups": config.groups,
        "resnet_time_scale_shift": "scale_shift",
    }
    if not config.vocabulary:
        return diffusers.UNet2DModel(
            **common,
            down_block_types=("DownBlock2D",) * scales,
            up_block_types=("UpBlock2D",) * scales,
            attention_head_dim=config.head_dim,
            num_class_embeds=config.num_classes + 1,
        )
    return diffusers.UNet2DConditionModel(
        **common,
        down_block_types=(*["DownBlock2D"] * (scales - 1), "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", *["UpBlock2D"] * (scales - 1)),
        attention_head_dim=tuple(max(1, width // config.head_dim) for width in config.widths),  # their number, in fact
        use_linear_projection=True,
        cross_attention_dim=config.text_width,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=config.text_width,
    )


def build_text_encoder(config: DiffusionConfig) -> "PreTrainedModel":
    """A small transformer in which every word of a caption sees all others."""
    import transformers

    return transformers.DistilBertModel(
        transformers.DistilBertConfig(
            vocab_size=len(config.vocabulary) + 3,
            max_position_embeddings=config.text_length,
            dim=config.text_width,
            hidden_dim=4 * config.text_width,
            n_layers=config.text_layers,
            n_heads=max(1, config.text_width // config.head_dim),
            dropout=0.0,
            attention_dropout=0.0,
            pad_token_id=0,
            dtype="float32",  # to compute in, however the weights are stored
        )
    )


def unknown_words(config: DiffusionConfig, prompt: str) -> list[str]:
    """The words of a prompt that a model so configured has never read, each once, in order."""
    tokenizer = build_tokenizer(config)
    words = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(prompt))
    known = set(config.vocabulary)
    return list(dict.fromkeys(word for word, _ in words if word not in known and any(map(str.isalnum, word))))


def build_tokenizer(config: DiffusionConfig) -> Any:
    """One number per word of the vocabulary, whatever the case: tokens BEGIN, words, PAD up to the full length."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    numbers = {token: i for i, token in enumerate((PAD, BEGIN, UNKNOWN, *config.vocabulary))}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()  # at blanks, and between words and signs
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, 1)])
    tokenizer.enable_truncation(config.text_length)
    tokenizer.enable_padding(length=config.text_length, pad_id=0, pad_token=PAD)
    return tokenizer
