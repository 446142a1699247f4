"""States: what untrusted JSON may say of a section, and how it is refused."""

import base64
import json
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from genmodels import checkpoint
from genmodels.tabs import page
from genmodels.wrappers import core, denoisers, examples, on_record
from genmodels.wrappers.section import Section, View, from_pads
from genmodels.wrappers.state import (
    EACH,
    NOT_TOLD,
    Choices,
    DataState,
    FreeState,
    Real,
    Refused,
    State,
    choice,
    class_label,
    drawing,
    field,
    hidden,
    numbers,
    real,
    seed,
    told_class,
    whole,
)

pytestmark = pytest.mark.skipif("vae-mnist" not in checkpoint.bundled(), reason="no VAE is bundled")
MODELS = ["vae-mnist", "vae-heroes"]


@dataclass(frozen=True)
class Everything(State):
    """One field of each kind."""

    label: str = class_label(EACH, NOT_TOLD)
    seed: int = seed()
    n: int = whole("How many", 16, 1, 64)
    temperature: float = real("Temperature", 1.0, 0, 1.5)
    side: int = whole(
        "Side", lambda model: core.describe(model)["shape"][1], 1, lambda model: core.describe(model)["shape"][1]
    )
    space: str = choice("Space", "z", [("z (slerp)", "z"), ("w (linear)", "w")])
    values: list[float] = numbers("Knobs", (0.0, 0.0), -3, 3)
    picture: str = drawing()
    hidden: str = hidden()


def parse(**values: object) -> Everything:
    return Everything.parse(values, MODELS)


def test_defaults_fit_the_model():
    assert parse().model == "vae-mnist"
    assert parse(model="vae-heroes").side == 32
    assert (parse().label, parse().seed, parse().values, parse().side) == (EACH, 0, [0.0, 0.0], 28)
    assert parse().picture == examples.of_kind("vae-mnist")[0][1]["pixels"]


def test_a_slider_can_stand_at_every_default():
    """Else the browser shows the nearest place that it has, which is not what is computed."""
    for section in page.sections().values():
        for key, kind in section.State.kinds().items():
            for model in section.models() if isinstance(kind, Real) and kind.shown else ():
                fit = kind.fit(model)
                if fit["default"] is None:  # a Hub pipeline's own, not known before it is there
                    continue
                steps = (fit["default"] - fit["low"]) / kind.step
                assert steps == pytest.approx(round(steps), abs=1e-6), (section.key, key, model)


def test_a_state_says_itself():
    """What was parsed, sent as JSON and parsed again is the same state."""
    first = parse(label="3", seed=5, temperature=0.3, values=[1, -2], picture="#-2", hidden="lower half", space="w")
    told = json.loads(json.dumps(first.__dict__))
    assert Everything.parse(told, MODELS) == first


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("seed", -1, "The seed must be a whole number from 0 to 2147483647, not -1."),
        ("n", 65, "The value of “How many” must be a whole number from 1 to 64, not 65."),
        ("n", 2.5, "whole number"),
        ("temperature", math.nan, "The temperature must be a number from 0 to 1.5, not nan."),
        ("side", 29, "from 1 to 28"),
        ("space", "x", "The space must be one of z, w, not 'x'."),
        ("space", ["z"], "must be one of"),
        ("label", "unicorn", "There is no class 'unicorn'"),
        ("label", 10, "The class must be a whole number from 0 to 9"),
        ("values", [1, 2, 3], "a list of 1 to 2 numbers"),
        ("values", [9], "Number 1 of “Knobs” must be a number from -3 to 3, not 9."),
        ("picture", 3, "There is no picture yet"),
        ("picture", "AAAA", "must have 1x28x28 bytes, not 3"),
        ("picture", "é", "in base64"),
        ("picture", "#99", "There is no example '#99'"),
        ("picture", "#x", "There is no example '#x'"),
        ("picture", "A" * 1_000_000, "too long"),
        ("hidden", "AAAA", "must have 28x28 bytes"),
    ],
)
def test_a_bad_value_is_refused_with_its_field(key, value, says):
    with pytest.raises(Refused, match=r"\w") as caught:
        parse(**{key: value})
    assert says in str(caught.value)
    assert caught.value.field == key


def test_a_drawing_as_a_link_packs_it():
    """To its bytes, whichever key it has; what can't be read names its key."""
    raw = bytes(range(196)) * 4
    packed = "." + "d" + base64.urlsafe_b64encode(zlib.compress(raw, wbits=-15)).decode().rstrip("=")
    state = parse(picture=packed, hidden=packed)
    assert base64.b64decode(state.picture) == base64.b64decode(state.hidden) == raw
    for key, what in (("picture", "picture"), ("hidden", "mask")):
        with pytest.raises(Refused, match=f"The {what} of this link can't be read") as caught:
            parse(**{key: packed[:-5]})
        assert caught.value.field == key
    with pytest.raises(Refused, match="can't be read"):
        parse(model="vae-heroes", picture=packed)


def test_a_model_with_the_hash_of_its_weights():
    """As links say it; no other text behind the name passes."""
    hash = checkpoint.weights_hash("vae-heroes")
    for said in (hash, hash[:6], "0" * 6):
        assert parse(model=f"vae-heroes@{said}").model == "vae-heroes"
    for said in ("", "12345", "unicorn", "0" * 17, "../../etc", "000000@000000"):
        with pytest.raises(Refused, match="There is no model 'vae-heroes@"):
            parse(model=f"vae-heroes@{said}")


@pytest.mark.parametrize(
    ("section", "key", "name"), [("vae.generate", "model", "vae-mnist"), ("compare.race", "data", "mnist")]
)
def test_weights_that_are_others_are_told(section, key, name):
    """In one sentence beside the checked state; the same ones, and a link that doesn't say which, bring none."""
    (here,) = {
        on_record.weights(name),
        (page.spec()["facts"].get(name) or {}).get("weights", page.spec()["weights"].get(name)),
    }

    def told(said):
        return page.answer({"section": "page.state", "state": {"section": section, "state": {key: said}}})

    assert told(name) == told(f"{name}@{here}") == {"state": {key: name}}
    other = told(f"{name}@abcdef")
    assert other["state"] == {key: name}
    assert "other weights" in other["note"]
    assert f"(abcdef); what you see comes from those here ({here})." in other["note"]
    assert told(f"{name}@unicorn")["field"] == key


@pytest.mark.parametrize("values", [None, 3, [], "x"])
def test_what_is_no_state(values):
    with pytest.raises(Refused, match="A state is an object of values"):
        Everything.parse(values, MODELS)


def test_unknown_keys_and_models():
    with pytest.raises(Refused, match="There is no key 'colour'; the keys are model, label, seed"):
        parse(colour=3)
    with pytest.raises(Refused, match="There is no model 'gan-mnist' here; the models are vae-mnist, vae-heroes"):
        parse(model="gan-mnist")
    with pytest.raises(Refused, match="There is no model"):
        parse(model=["vae-mnist"])


def test_half_of_it_is_hidden():
    mask = base64.b64decode(parse(hidden="lower half").hidden)
    assert (sum(mask), mask[0], mask[-1]) == (28 * 14, 0, 1)


def test_what_a_model_is_told():
    assert [told_class(label) for label in (EACH, NOT_TOLD, "3")] == ["balanced", None, "3"]


SECTION = Section(
    "vae.all", "All", "Everything there is.", lambda: MODELS, Everything, lambda state: {"seed": state.seed},
    (View("grid", "samples", "Samples", {"take": True}),),
)  # fmt: skip


def test_what_the_browser_is_told():
    spec = json.loads(json.dumps(SECTION.spec()))
    assert spec["key"] == "vae.all"
    assert spec["fields"]["temperature"] == {
        "kind": "real", "label": "Temperature", "info": "", "advanced": False, "shown": True, "step": 0.05,
    }  # fmt: skip
    shared, heroes = spec["fits"]["*"], spec["fits"]["vae-heroes"]
    assert shared["temperature"] == {"default": 1.0, "low": 0, "high": 1.5}
    assert heroes["side"] == {"default": 32, "low": 1, "high": 32}
    assert heroes["label"]["choices"][:3] == [EACH, NOT_TOLD, "deep dwarf"]


def test_a_section_as_an_endpoint():
    import inspect

    function = SECTION.function()
    parameters = inspect.signature(function).parameters
    assert list(parameters) == ["model", *Everything.kinds()]
    assert parameters["temperature"].annotation is float
    assert parameters["temperature"].default == 1.0
    assert "Everything there is." in function.__doc__
    assert function(seed=7) == {"seed": 7}
    assert function("vae-heroes", EACH, 3) == {"seed": 3}
    with pytest.raises(ValueError, match="The seed must be"):
        function(seed=-1)


@dataclass(frozen=True)
class Race(DataState):
    label: str = class_label(EACH)


def test_a_state_of_a_data_set_has_several_models():
    """Its values are fitted to the first of them; which of them there are, the section knows."""
    models = ["vae-mnist", "gan-mnist", "vae-heroes"]
    race = Section("compare.race", "Race", "Who is first?", lambda: models, Race, lambda state: {"data": state.data})
    assert race.parse({"label": "3"}) == Race("vae-mnist", "3")
    assert race.parse({"data": "heroes", "label": "deep dwarf"}).data == "heroes"
    for bad in ("emnist", ["mnist"], 5):
        with pytest.raises(Refused, match=r"There is no data set .* here; the data sets are .*mnist") as refusal:
            race.parse({"data": bad})
        assert refusal.value.field == "data"
    with pytest.raises(Refused, match="There is no key 'model'; the keys are data, label"):
        race.parse({"model": "vae-mnist"})
    spec = race.spec()
    assert (spec["subject"], set(spec["models"])) == ("data", {"vae-mnist", "vae-heroes"})
    assert race.function()(data="heroes") == {"data": "heroes"}
    assert not Section("compare.race", "Race", "", list, Race, lambda state: {}).is_ready


def test_what_is_offered_is_asked_once():
    """However many are chosen, and however many fields fit themselves to the models: that reads the disk."""
    asked: list[str] = []

    def offered(what: str, values: list) -> Callable[..., list]:
        return lambda *_: asked.append(what) or values

    @dataclass(frozen=True)
    class Several(State):
        several: list[int] = field(
            Choices(label="Several", default=[1], choices=offered("choices", [(str(i), i) for i in range(4)]))
        )
        n: int = whole("How many", 1, 1, 3)

    section = Section("vae.x", "X", "", offered("models", MODELS), Several, lambda state: {"several": state.several})
    assert section.parse({"several": [3, 1, 3, 0]}).several == [3, 1, 0]
    assert asked == ["models", "choices"]
    with pytest.raises(Refused, match="The several must be one of 0, 1, 2, 3, not 7"):
        section.parse({"several": [1, 7]})
    asked.clear()
    assert section.function()(several=[2]) == {"several": [2]}
    assert asked.count("models") == 2, "once for the function, once for the call"


@dataclass(frozen=True)
class Which(FreeState):
    n: int = whole("How many", 1, 1, 3)


def test_a_state_without_a_model():
    section = Section("compare.table", "Table", "Figures.", list, Which, lambda state: {"n": state.n})
    assert section.is_ready
    assert section.function()(n=2) == section.answer(section.parse({"n": 2})) == {"n": 2}
    spec = section.spec()
    assert (spec["subject"], spec["models"]) == ("", [])
    assert spec["fits"]["*"]["n"] == {"default": 1, "low": 1, "high": 3}
    with pytest.raises(Refused, match="There is no key 'model'; the keys are n"):
        section.parse({"model": "vae-mnist"})


def ask_of_a_link(section: object, **state: object) -> dict:
    return page.answer({"section": "page.state", "state": {"section": section, "state": state}})


def test_what_a_link_says_is_checked_without_computing():
    """The same keys come back, drawings as their bytes; of a section that works step by step, too."""
    drawn = ask_of_a_link("vae.variations", picture="#1", spread=2)["state"]
    assert drawn == {"picture": examples.of_kind("vae-mnist")[1][1]["pixels"], "spread": 2.0}
    assert ask_of_a_link("vae.map") == {"state": {}}
    refused = ask_of_a_link("vae.generate", temperature=99)
    assert refused == {"error": "The temperature must be a number from 0 to 1.5, not 99.", "field": "temperature"}
    assert "There is no key 'colour'" in ask_of_a_link("vae.generate", colour=1)["error"]
    for nothing in ("vae.unicorn", None, 3, ["vae.map"]):
        assert "There is no section" in ask_of_a_link(nothing)["error"]
    for nothing in (None, 3, [], {"section": "vae.map"}):
        assert page.answer({"section": "page.state", "state": nothing})["error"]


@pytest.mark.skipif(not denoisers.class_models(), reason="no diffusion model is bundled")
def test_a_link_to_work_is_checked_without_working():
    assert ask_of_a_link("diffusion.solvers", steps=[1, 8]) == {"state": {"steps": [1, 8]}}
    assert ask_of_a_link("diffusion.solvers", steps=["x"])["field"] == "steps"


def test_pads_as_pictures():
    pads = [pad for _, pad in examples.of_kind("vae-mnist")[:3]]
    made = from_pads(pads)
    assert made["shape"] == [3, 1, 28, 28]
    assert base64.b64decode(made["pixels"])[784:1568] == base64.b64decode(pads[1]["pixels"])
