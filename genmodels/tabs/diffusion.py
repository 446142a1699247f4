"""The diffusion tab: noise it yourself, generate, draw from words, change them, fill in, same noise, solvers compared, and the Hub."""

from collections.abc import Callable, Sequence

from genmodels.tabs.base import Accent, Glance, Tab
from genmodels.wrappers import (
    core,
    denoisers,
    diffusion,
    hub_pictures,
    repair,
    rewording,
    sampling,
    sketches,
    solver_grid,
)
from genmodels.wrappers.section import Section, Use, View

FAMILY = "diffusion"


def patient() -> list[str]:
    """The models that start anywhere between picture and noise: those of classes, without the fast ones."""
    return [name for name in denoisers.class_models() if not denoisers.takes_few_steps(name)]


def told() -> list[str]:
    """The models that can be told something: a class or words."""
    return [name for name in denoisers.class_models() if core.describe(name)["conditional"]] + denoisers.text_models()


def one() -> Sequence[str]:
    """For a section that needs none of them: it only says whether the family is here."""
    return [*denoisers.class_models(), *denoisers.text_models()][:1]


def film(count: int, **options: object) -> View:
    return View("denoiser", "film", "What the network sees in it", {"count": count, **options})


#: From how many steps on a sheet of pictures takes seconds.
MANY_STEPS = ("num_inference_steps", 20)


def section(
    key: str, title: str, text: str, models: Callable[[], Sequence[str]], *parts: object, **more: object
) -> Section:
    """A section whose answers come step by step."""
    settings = {"work": True, "element": "gm-steps"} | more
    return Section(f"{FAMILY}.{key}", title, text, models, *parts, **settings)  # type: ignore[arg-type]


TAB = Tab(
    key=FAMILY,
    title="Diffusion",
    heading="Diffusion",
    objective="Say which clean picture hides in a noisy one; from pure noise, the answers lead step by step to a new picture.",
    diagram={
        "alt": "Noise is added to a picture; the network, told a class or words, says which clean picture it sees in it; a "
        "solver takes a step towards that, which leaves a less noisy picture, and so on until no noise is left.",
        "boxes": [
            {"id": "x", "text": "picture x", "x": 0, "y": 0, "kind": "data"},
            {"id": "xt", "text": "noisy xₜ", "x": 1, "y": 0, "kind": "code"},
            {"id": "net", "text": "network\n+ class, words", "x": 2, "y": 0},
            {"id": "clean", "text": "clean picture\nit sees", "x": 3, "y": 0, "kind": "data"},
            {"id": "noise", "text": "noise", "x": 0, "y": 1, "kind": "code"},
            {"id": "solver", "text": "solver:\na step closer", "x": 2, "y": 1},
        ],
        "arrows": [["x", "xt"], ["noise", "xt"], ["xt", "net"], ["net", "clean"], ["clean", "solver"], ["solver", "xt"]],
    },
    accent=Accent("#4d7c0f", "#a3e635"),
    glance=Glance(
        idea="A network learns to see a picture through noise. From pure noise, it is asked again and "
        "again, and what it sees becomes a picture step by step.",
        verb="drowns it in noise and brings it back",
        architecture="A U-Net that is told the noise level, and a class or words",
        training="Guesses picture and noise in a mixture of both: the squared error",
        sampling="Many passes, a step towards the clean picture each; a few if distilled",
        strengths=("faithful and varied pictures", "fills in, follows words", "steady training"),
        limits=("many passes", "no likelihood", "has no code"),
        picture="Twelve heroes that come out of noise, step by step",
    ),
    sections=[
        Section(
            f"{FAMILY}.noise", "Noise it yourself",
            "Training only ever adds noise to a picture, from none at t = 0 to nothing else at t = 1, and asks the network "
            "what was there. See its answer at one look, and let it denoise from there: with little noise it restores, "
            "with much it invents.",
            patient, diffusion.DenoiseState, diffusion.noise, (film(4),), element="gm-noise", verb="Denoise from here",
            use=Use(
                "A rough collage becomes a photo: noised until its faults are gone, then denoised.",
                "Meng et al. 2022", "arxiv.org/abs/2108.01073",
            ),
            task="Find the t from which on your picture comes back as something else.",
        ),
        section(
            "denoise", "Denoise from here", "The noisy picture of the same state, denoised step by step.",
            patient, diffusion.DenoiseState, diffusion.denoise, hidden=True,
        ),
        section(
            "generate", "Generate",
            "It starts with pure noise; at every step the network says which clean picture it sees, and a part of the noise "
            "gives way to that: first the shape, then the details. The fast models have learnt to do it in a few steps.",
            denoisers.class_models, diffusion.GenerateState, diffusion.generate, (film(sampling.A_FEW, take=True),),
            use=Use(
                "Biologists denoise new proteins that bind where they should, and then make them.",
                "Watson et al. 2023", "doi.org/10.1038/s41586-023-06415-8",
            ),
            heavy_from=MANY_STEPS, task="Go back to the first step: how much of the picture is settled there?",
        ),
        section(
            "words", "Pictures from words",
            "The same, told in a sentence: every part of the picture looks at the words while the noise is removed. Compose "
            "one, or write your own with the words that it has learnt.",
            denoisers.text_models, diffusion.WordsState, diffusion.words,
            (View("words", "words", "", {"place": "side"}), film(6)), element="gm-words-section", heavy_from=MANY_STEPS,
            verb="Draw",
            use=Use("Illustrations are drawn from a sentence.", "Rombach et al. 2022", "arxiv.org/abs/2112.10752"),
            task="Ask for something that no caption ever had together.",
        ),
        section(
            "reword", "Change the words",
            "A picture is read into a sentence, taken back to the noise that it would be drawn from, and drawn again as another "
            "sentence. What the two have in common stays; what a step misses on the way back is made good, so the same words give the "
            "same picture. So image editors change one thing of a photograph.",
            rewording.models, rewording.RewordState, rewording.change,
            (
                View("compared", "compared", "Before and after", {"room": [372, 366]}),
                View("words", "words", "", {"room": [45, 68]}),
                View("gallery", "gallery", "The way there", {"columns": 4, "count": 4, "take": True}),
            ),
            element="gm-reworded", verb="Draw it again",
            use=Use("A photo is edited by saying what should be different.", "Brooks et al. 2023", "arxiv.org/abs/2211.09800"),
            task="Give a hero another head; then less strength: what stays first?",
        ),
        Section(
            f"{FAMILY}.sketch", "From a sketch",
            "Draw an outline, and pictures appear that follow it. The network sees the lines beside the noise at every step; "
            "it has learnt from edges of pictures, drawn thick and thin, with gaps, and never quite in place. What the lines "
            "leave open it invents, by the seed.",
            denoisers.sketch_models, sketches.SketchState, sketches.preview,
            (View("grid", "pictures", "Pictures that follow it", {"count": 4, "take": True}), View("words", "words")),
            element="gm-sketch", verb="Draw them",
            use=Use(
                "Designers and architects see their sketch as a finished picture.",
                "Zhang et al. 2023", "arxiv.org/abs/2302.05543",
            ),
            task="Draw half an outline, and see who finishes it.",
        ),
        section(
            "draw", "Draw a sketch", "The pictures of the same state in all their steps, with guidance.",
            denoisers.sketch_models, sketches.SketchState, sketches.draw, hidden=True,
        ),
        section(
            "fill", "Fill in",
            "Hide a part on the pad, and the model fills it in, every time differently: at each step the given pixels are put "
            "back, and a few rounds of noise make the rest fit. Unlike a PixelCNN, it sees all sides.",
            patient, diffusion.FillState, diffusion.fill,
            (View("grid", "given", "What it is given", {"count": 1, "place": "side"}), film(6)), verb="Fill in",
            use=Use(
                "Somebody who walked into the photo is taken out, and what was behind is made up.",
                "Lugmayr et al. 2022", "arxiv.org/abs/2201.09865",
            ),
            task="Hide the middle of a digit, so that it could be two of them.",
        ),
        section(
            "repair", "Repair an old picture",
            "Scratches, holes and grain, or half the resolution: the same damage to one picture for three families and for a filter "
            "that knows nothing of pictures. Where the damage is, they are told; the pixels beside it stay as they are. This is how "
            "old photographs are restored and small ones enlarged.",
            repair.models, repair.RepairState, repair.repair,
            (View("gallery", "gallery", "Closest to yours", {"columns": 3, "count": 6, "lines": 2, "take": True}), View("words", "words")),
            use=Use("Old photos lose their scratches and stains.", "Wan et al. 2020", "arxiv.org/abs/2004.09484"),
            verb="Damage and mend", task="Find a damage that the filter mends better than any network, and one that it can’t.",
        ),
        section(
            "same", "Same noise, told otherwise",
            "All of these start with the same noise, and only what the network is told differs. What the noise had settled, "
            "such as the slant or the pose, mostly stays alike.",
            told, diffusion.SameState, diffusion.same,
            (View("gallery", "gallery", "Of the same noise", {"columns": 6, "count": 11}), View("words", "words")), heavy_from=MANY_STEPS, verb="Draw them",
            use=Use(
                "Services that draw from words set by this guidance how strictly they follow them.",
                "Nichol et al. 2022", "arxiv.org/abs/2112.10741",
            ),
            task="Turn the guidance to 0: what is left of the differences?",
        ),
        section(
            "solvers", "How many steps, and whose?",
            "The network only tells the direction; a solver takes the steps, and some make more of few steps than others. The "
            "time below each picture is the network's: it grows with the steps, and Heun asks twice per step.",
            patient, solver_grid.SolversState, solver_grid.solvers,
            (
                View(
                    "solver-grid", "grid", "Solvers by steps",
                    {
                        "steps": solver_grid.START_STEPS,
                        "solvers": [denoisers.SOLVERS[key] for key in solver_grid.START_SOLVERS],
                    },
                ),
            ),
            use=Use(
                "A forecast of the weather draws dozens of possible fortnights, each in few steps of a solver.",
                "Price et al. 2025", "arxiv.org/abs/2312.15796",
            ),
            element="gm-asked", lane="heavy", verb="Compare", task="Which solver needs the fewest steps for legible pictures?",
        ),
        section(
            "hub", "Pictures from words, by a model of the Hub",
            "The same idea with up to a thousand times as many weights: choose a model of the Hugging Face Hub, and see what it "
            "costs here first. Weights come as safetensors only, and no code from the repo runs.",
            one, hub_pictures.HubState, hub_pictures.picture, (View("photo", "picture", "Picture", {"side": 512}),),
            element="gm-hub", lane="large",
            use=Use("Open models of this kind run on a graphics card at home.", "Podell et al. 2024", "arxiv.org/abs/2307.01952"),
        ),
        section(
            "hub_cost", "What a picture of the Hub costs here", "Nothing but lists is downloaded for it.",
            one, hub_pictures.HubState, hub_pictures.cost, hidden=True, lane="network",
        ),
    ],
)  # fmt: skip
