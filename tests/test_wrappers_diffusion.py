"""What the diffusion tab stands on: solvers, words and sentences, with tiny models."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import build
from test_wrappers import refused

from genmodels import captions, checkpoint, data
from genmodels.models import pipeline
from genmodels.wrappers import core, denoisers, prompts

NAME, TEXT = "diffusion-trial", "diffusion-trial-text"
SENTENCE = "an elf in a blue robe with a red cloak, holding a trident"
WORDS = (",", "a", "an", "blue", "cloak", "elf", "holding", "in", "red", "robe", "trident", "with")


@pytest.fixture(scope="module", autouse=True)
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two tiny models among the bundled ones: of three classes, and of captions."""
    folder = tmp_path_factory.mktemp("checkpoints")
    classes = build("diffusion")
    texts = build("diffusion", 1, image_shape=(3, 8, 8), num_classes=0, vocabulary=WORDS, text_length=20)
    for model, name, about in (
        (classes, NAME, {"name": "bars", "shape": [1, 8, 8], "classes": ["up", "down", "middle"]}),
        (texts, TEXT, {"name": "heroes", "shape": [3, 8, 8], "classes": []}),
    ):
        checkpoint.save(model, folder / name, data=about)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "BUNDLED", [*checkpoint.BUNDLED, folder])
        yield folder
    for cached in (core._on, core._description, core.config_of, prompts.phrases):
        cached.cache_clear()


# -- from noise to pictures ----------------------------------------------------------------------------------------------


def test_the_offered_solvers_are_those_of_the_models():
    assert set(denoisers.SOLVERS) == set(pipeline.SCHEDULERS)


def test_who_reads_words_and_who_classes():
    assert NAME in denoisers.class_models()
    assert TEXT not in denoisers.class_models()
    assert TEXT in denoisers.text_models()
    assert NAME not in denoisers.text_models()
    assert not denoisers.takes_few_steps(NAME)
    config = core.load_model(NAME).config
    assert denoisers.solver_settings(NAME) == {
        key: getattr(config, key) for key in ("num_inference_steps", "guidance_scale", "scheduler")
    }


# -- words ---------------------------------------------------------------------------------------------------------------


def test_unknown_words_are_named():
    assert prompts.unknown_words(TEXT, SENTENCE.upper()) == []
    assert prompts.unknown_words(TEXT, "a Unicorn elf, and a unicorn robe!") == ["unicorn", "and"]


def test_sentences_are_composed_like_captions(data_root):
    """From the attributes of every test hero, exactly its caption."""
    import pyarrow.parquet

    (file,) = data_root.glob("heroes/test-*.parquet")
    table = pyarrow.parquet.read_table(file, columns=["caption", *captions.PARTS]).to_pylist()
    assert len(table) > 1000
    for row in table:
        assert captions.compose(**{part: row[part] for part in captions.PARTS}) == row["caption"]
    assert data.DATASETS["heroes"].attributes == captions.PARTS


def test_a_sentence_needs_somebody():
    assert captions.compose("elf", "a blue robe", "a red cloak", weapon="a trident") == SENTENCE
    assert captions.compose("dwarf", None, None, None, None, "a shield") == "a dwarf, holding a shield"
    refused(lambda: captions.compose("", "a blue robe"), "species")
    refused(lambda: captions.compose(None, "a blue robe"), "species")


@pytest.mark.skipif("referee-heroes" not in checkpoint.bundled(), reason="no referee for heroes is bundled")
def test_only_phrases_that_the_model_knows_are_offered():
    found = prompts.phrases(TEXT)
    assert found == {
        "species": ["elf"], "body": ["", "a blue robe", "a red robe"], "cloak": ["", "a blue cloak", "a red cloak"],
        "head": [""], "weapon": ["", "a trident"], "shield": [""],
    }  # fmt: skip
    assert prompts.phrases(NAME) == {}
