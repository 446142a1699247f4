"""All families on one page: the race, the trade-off, and what is on record of them as tables."""

from typing import Any

from genmodels.tabs.base import Tab
from genmodels.wrappers import (
    bundled_samples,
    comparison,
    data_sets,
    experiment_results,
    host_speed,
    on_record,
    outsiders,
    race,
    tradeoff,
)
from genmodels.wrappers.section import Answer, Section, Use, View
from genmodels.wrappers.state import DataState, FreeState, State

#: The experiments that this page asks about, whether there are results of them or not: title, question.
EXPERIMENTS = {
    "minutes": (
        "Minutes to quality",
        "How near to real pictures does each family come in a few minutes of training? Each point is a run of its own, planned for its time on one "
        "thread of a processor.",
    ),
    "transfer": (
        "Transfer",
        "A model that knows one kind of picture learns another: how much sooner than one that starts from scratch? Each run has "
        "five minutes of one processor.",
    ),
    "attribution": (
        "Who can tell?",
        "How often a classifier that was trained for it tells generated pictures from real ones it has never seen, and how often "
        "the GAN's own critic does. 50 % is guessing.",
    ),
    "anomaly": (
        "Anomalies",
        "How well does each score tell strange pictures from usual ones? 1 is without a mistake, 0.5 is guessing, and less is the wrong way round.",
    ),
    "few-labels": (
        "Few labels",
        "What are pictures without labels worth? A linear classifier learns from a few labels a class: from pixels, or from what a model made of them "
        "that has seen all pictures.",
    ),
    "compress": (
        "In few bytes",
        "How good is a picture of so many bytes? Codes that are rounded and packed, and exact likelihoods as codes, beside the formats that everybody has.",
    ),
    "words": (
        "Change the words",
        "A picture is drawn again with one part of its sentence changed: how often is that part seen then, and how much of the rest is as it was? Beside it "
        "what is drawn from the same noise without making good what the steps miss, and from new noise.",
    ),
    "sketch": (
        "From a sketch",
        "A model draws what a sketch of a test picture asks for: how much of the lines is found again in its picture? Beside it what is drawn of the class "
        "alone, and the real pictures that were sketched.",
    ),
    "projection": (
        "The way back into a GAN",
        "How close does a GAN come to a real picture when its styles are searched for, one for all layers (w) or one for each (w+)? Beside it the models "
        "that have an encoder.",
    ),
    "repair": (
        "Repair",
        "A test picture is damaged, and each family mends it: who comes closest to what it was? Beside them a filter that knows nothing of pictures.",
    ),
    "augmentation": (
        "Augmentation",
        "Do generated pictures help? A classifier learns from a few real pictures of each class, with and without a thousand generated ones. The bundled "
        "generators saw the whole training split, which a generator of the same few pictures did not.",
    ),
}  # fmt: skip


def table(desk: int = 430, phone: int = 500, **more: Any) -> tuple[View]:
    """A section's table alone, and the pixels that it takes on a desk and on a phone. more: other options."""
    return (View("table", "table", "", {"room": [desk, phone], **more}),)


def glance(state: FreeState) -> Answer:
    """table: what each family is, in words."""
    from genmodels.tabs import page  # which reads this tab

    return {"table": comparison.glance(page.families())}


def experiment(name: str) -> Section:
    """A section of an experiment's results, also of one that this page doesn't know."""
    title, text = EXPERIMENTS.get(name) or (experiment_results.told(name, "title") or name, "")
    words, plots, rows = experiment_results.rooms(name)
    return Section(
        f"compare.{name}", title, text, tuple, experiment_results.ResultsState, experiment_results.show(name),
        (
            View("words", "words", "", {"room": [*words]}), View("plots", "plots", "", {"room": [*plots]}),
            *table(*rows, unread=True),
        ),
    )  # fmt: skip


def measured(
    key: str, title: str, text: str, answer: Any, views: tuple[View, ...] | None = None, **more: Any
) -> Section:
    """A section of one table about the models of a data set."""
    return Section(f"compare.{key}", title, text, on_record.everyone, DataState, answer, views or table(), **more)


TAB = Tab(
    key="compare",
    title="Compare",
    heading="All families on one page",
    objective="The same pictures, the same referee, the same machine: what each family does well, and what it costs.",
    sections=[
        Section(
            "compare.race", "The race",
            "One model of every family draws the same sixteen pictures at once. They share the cores: the machine is lent to "
            "one at a time, always to the one that has computed least, and the clock of each runs only while it computes. So "
            "they arrive as they would alone.",
            race.entrants, race.RaceState, race.race, element="gm-race", work=True, lane="heavy", verb="Start the race",
            task="Guess the order first: who is fast because it draws in one go?",
        ),
        Section(
            "compare.tradeoff", "The trade-off",
            "Each model by how long sixteen pictures take and how far its pictures are from real ones, both on a scale of "
            "powers of ten. Down and to the left is better.",
            on_record.everyone, tradeoff.TradeoffState, tradeoff.tradeoff,
            (View("words", "words"), View("plots", "plot", "", {"tall": True, "room": [477, 337]}), View("words", "missing")), element="gm-tradeoff",
            task="Point at a model to see its pictures; press it to open its family.",
        ),
        Section(
            "compare.outsiders", "Which of these doesn't belong?",
            "Every model that can say how strange a picture is, ranks them all, the strangest first; two strangers are framed. So faults are "
            "found where there are only pictures of what is sound.",
            outsiders.tellers, outsiders.OutsidersState, outsiders.rank,
            (
                View("many", "pictures", "", {"place": "side"}),
                View("gallery", "all", "The pictures", {"columns": outsiders.SHOWN, "count": outsiders.PICTURES, "whole": True}),
                View("rankings", "rankings", "", {"columns": outsiders.SHOWN, "room": [1590, 1336]}),
                View("words", "words"),
            ),
            element="gm-steps", work=True, verb="Rank them",
            use=Use(
                "Banks look for fraud, and plants for failing machines, as what is unlike all the rest.",
                "Ruff et al. 2021", "arxiv.org/abs/2009.11732",
            ),
            task="Choose the letters: which scores find them, and which takes one for a usual digit?",
        ),
        Section("compare.samples", "Pictures of a model", "Some that its checkpoint keeps, without loading it.",
                on_record.everyone, State, bundled_samples.samples, hidden=True),
        Section("compare.glance", "At a glance", "", tuple, FreeState, glance, table(1040, 1157, whole=True)),
        measured("size", "Size", "How large each model is, and how long it was trained.", comparison.size),
        measured(
            "quality", "Quality",
            "How near the pictures are to real ones, as a classifier sees them that was trained on real ones alone: the "
            "referee. The first rows put real pictures in the place of generated ones.",
            comparison.quality, table(556, 780),
        ),
        measured(
            "diversity", "Diversity",
            "A model that draws one perfect picture again and again has quality, and nothing else: how much of the real "
            "pictures' variety is there, and is it more than memory?",
            comparison.diversity,
        ),
        measured(
            "speed", "Time", "How long one picture and sixteen take, on every machine that was measured, and on the one "
            "that serves this page.",
            comparison.speed, table(427, 552), element="gm-speed",
        ),
        Section("compare.measure", "Measure this host", "How long one picture and sixteen take here.", on_record.samplers,
                DataState, host_speed.measure, table(), work=True, lane="heavy", hidden=True),
        experiment("minutes"),
        experiment("transfer"),
        Section(
            "compare.domains", "Data sets",
            "The same family with other pictures: what is hard for one need not be for the next.",
            tuple, FreeState, comparison.domains, table(1030, 1066, whole=True),
        ),
        experiment("attribution"),
        experiment("anomaly"),
        measured(
            "likelihood", "Likelihood",
            "How many bits a test picture costs, per pixel and colour, with the model as a compressor: exact, or an upper bound. "
            "Published figures stand beside ours; theirs were told no class.",
            comparison.likelihood, table(550, 810),
        ),
        experiment("compress"),
        experiment("few-labels"),
        experiment("words"),
        experiment("sketch"),
        experiment("projection"),
        experiment("repair"),
        experiment("augmentation"),
        Section(
            "compare.dataset", "Make a data set",
            "Pictures to train something else on: a zip with a folder for each class, captions where a classifier or the model itself knows "
            "some, and a manifest that says how each picture comes again.",
            on_record.samplers, data_sets.DataSetState, data_sets.make,
            (
                View("grid", "pictures", "The first of them", {"count": data_sets.PREVIEW}),
                View("kept", "file"),
                View("words", "words"),
            ),
            element="gm-asked", work=True, lane="heavy", verb="Make it",
            use=Use(
                "A classifier of photos learns more from real and generated pictures than from real ones alone.",
                "Azizi et al. 2023", "arxiv.org/abs/2304.08466",
            ),
            task="Make one, and train on it: python -m genmodels train vae --data FOLDER --out runs/mine.",
        ),
        *(experiment(name) for name in experiment_results.files() if name not in EXPERIMENTS),
    ],
)  # fmt: skip
