"""Models without torch's compiler: in processes of their own, because what is imported stays."""

import json
from pathlib import Path

import pytest
from helpers import python

PICTURES = """
import sys, json, genmodels
from genmodels import operations, checkpoint, lean
if {lean}:
    lean.import_module("genmodels.models.pipeline")
    [checkpoint.outline(name) for name in checkpoint.bundled()]
model = genmodels.load("diffusion-heroes-text", device="cpu")
pictures = operations.sample(model, 1, seed=1, prompt="an elf in a red robe", num_inference_steps=2)
print(json.dumps([pictures.flatten().tolist(), "torch._dynamo" in sys.modules, "sympy" in sys.modules]))
"""
REAL = """
import sys, torch
from genmodels import lean
lean.import_module("genmodels.models.pipeline")
from transformers import masking_utils
assert "torch._dynamo" not in sys.modules
with masking_utils.TransformGetItemToIndex():
    values = torch.vmap(lambda i: torch.arange(5)[i])(torch.tensor([3, 1]))
assert values.tolist() == [3, 1]
assert torch._dynamo.config.cache_size_limit > 0
assert torch.distributed.is_available()
weight = torch.ones(2, requires_grad=True)
optimizer = torch.optim.Adam([weight])
weight.sum().backward()
optimizer.step()
print(sys.modules["torch._dynamo"].__file__, "sympy" in sys.modules)
"""
MORE = """
import sys
sys.path.insert(0, {folder!r})
from genmodels import lean
print(lean.import_module("needs_more").limit)
"""


def said(code: str) -> str:
    result = python("-W", "ignore", "-c", code)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_pictures_are_the_same_and_the_compiler_stays_out_and_sympy() -> None:
    (usual, _, _), (lean, *compiler) = (json.loads(said(PICTURES.format(lean=lean))) for lean in (False, True))
    assert lean == usual
    assert compiler == [False, False]


@pytest.mark.slow
def test_who_asks_for_the_compiler_gets_the_real_one() -> None:
    assert said(REAL).split()[0].endswith("torch/_dynamo/__init__.py")


@pytest.mark.slow
def test_who_can_not_do_without_it_gets_it_at_its_import(tmp_path: Path) -> None:
    (tmp_path / "needs_more.py").write_text("import torch._dynamo.config as config\nlimit = config.cache_size_limit")
    assert int(said(MORE.format(folder=str(tmp_path)))) > 0


def test_serving_needs_no_arrow_which_is_there_all_the_same() -> None:
    code = "import sys\nfrom genmodels import app\nbefore = 'pyarrow' in sys.modules\nimport pandas, pyarrow\nprint(before, pyarrow.array([1]).to_pandas().sum())"
    assert said(code).split() == ["False", "1"]
