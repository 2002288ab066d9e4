"""Lines of docs/backbones.md that export models of other libraries, run as they are there.

Only what would download weights is replaced: weights are random, and models are smaller.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tacref.commands import main
from tacref.encoder import load_encoder
from tacref.encoder.frozen.model import BackboneFile
from tacref_export import EncoderSession
from tests.backbone.libraries import run_lines

ROOT = Path(__file__).resolve().parents[2]
TORCHVISION = ("--no-deps", "torchvision==0.28.0")
# PyPI's torchvision for Linux is built for CUDA. Next to a torch for the CPU, its operators for
# detection are missing, and it can be imported only if two of them are declared; no model here
# has any.
DECLARE = """
import sys
import torch
if sys.platform == "linux" and torch.version.cuda is None:
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor d, Tensor s, float t) -> Tensor")
"""
# What the model gives for three pictures, for comparison.
COMPUTE = """
import numpy as np
torch.manual_seed(1)
pictures = torch.randn(3, 3, 224, 224)
with torch.no_grad():
    outputs = model(pictures)
first = outputs if isinstance(outputs, torch.Tensor) else list(
    outputs.values() if hasattr(outputs, "values") else outputs
)[0]
np.savez("computed.npz", pictures=pictures.numpy(), output=first.numpy())
"""
LIBRARIES = {
    "torchvision": {
        "packages": [TORCHVISION],
        "before": DECLARE,
        "replaced": {"models.resnet50(weights=weights)": "models.resnet18()"},
        "file": "resnet50.onnx",
        "output": "map",
        "preprocess": "size = 224\nresize = 232\n",
        "result": ("map", (256, 14, 14)),
    },
    "timm": {
        "packages": [
            TORCHVISION,
            ("-c", str(ROOT / "constraints.txt"), "huggingface_hub==2.4.0", "pyyaml==6.0.4"),
            ("--no-deps", "timm==1.0.31"),
        ],
        "before": DECLARE,
        "replaced": {"pretrained=True": "pretrained=False, depth=2"},
        "file": "dinov2.onnx",
        "output": "tokens",
        "preprocess": None,
        "result": ("tokens", (257, 384)),
    },
    "transformers": {
        "packages": [("-c", str(ROOT / "constraints.txt"), "transformers==5.24.0")],
        "before": "",
        "replaced": {
            "AutoImageProcessor, AutoModel": "BitImageProcessorPil, Dinov2Config, Dinov2Model",
            'AutoModel.from_pretrained("facebook/dinov2-small")': "Dinov2Model(Dinov2Config("
            "hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=518, "
            "patch_size=14))",
            'AutoImageProcessor.from_pretrained("facebook/dinov2-small")': "BitImageProcessorPil("
            'size={"shortest_edge": 256})',
        },
        "file": "dinov2.onnx",
        "output": "tokens",
        "preprocess": "preprocessor_config.json",
        "result": ("tokens", (257, 32)),
    },
}


def documented_lines(library):
    """Return the block of the document that imports a library, with weights that are random."""
    page = (ROOT / "docs" / "backbones.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    [lines] = (block for block in blocks if re.search(rf"^(import|from) {library}\b", block, re.M))
    for before, after in LIBRARIES[library]["replaced"].items():
        assert before in lines
        lines = lines.replace(before, after)
    return lines


@pytest.mark.download
@pytest.mark.timeout(900)
@pytest.mark.parametrize("library", LIBRARIES)
def test_lines_of_the_document(library, install, data, tmp_path, capsys):
    case = LIBRARIES[library]
    packages = [install(*arguments) for arguments in case["packages"]]
    run_lines(case["before"] + documented_lines(library) + COMPUTE, tmp_path, *packages)
    options = []
    if case["preprocess"] is not None:
        path = tmp_path / "preprocessor_config.json"
        if case["preprocess"] != path.name:
            path = tmp_path / "backbone.toml"
            path.write_text(case["preprocess"])
        options = ["--backbone-preprocess", str(path)]
    model = str(tmp_path / case["file"])
    options += ["--backbone-output", case["output"]]
    capsys.readouterr()
    assert main(["inspect-backbone", model, *options, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["form"], tuple(report["shape"])) == case["result"]
    assert report["cells"] == [4, 4]

    with np.load(tmp_path / "computed.npz") as computed:
        values = BackboneFile(model).open(case["output"]).run(computed["pictures"])
        # float32, after as many as 18 layers, whose values reach 5 or so.
        np.testing.assert_allclose(values, computed["output"], rtol=0, atol=1e-4)

    run = str(tmp_path / "run")
    few = ["--steps", "2", "--frames", "6", "--pairs", "2", "--backbone-views", "1"]
    cache = ["--feature-cache", str(tmp_path / "cache")]
    training = ["--backbone", model, *options, "--data", str(data), "--out", run]
    assert main(["train", *training, *few, *cache]) == 0
    assert main(["export", run, "-o", str(tmp_path / "encoder.onnx")]) == 0
    frames = np.random.default_rng(0).integers(0, 256, (7, 60, 50, 3), dtype=np.uint8)
    with EncoderSession(tmp_path / "encoder.onnx") as session:
        expected = load_encoder(run).embed(frames)
        np.testing.assert_allclose(session.embed(frames), expected, rtol=0, atol=1e-5)
