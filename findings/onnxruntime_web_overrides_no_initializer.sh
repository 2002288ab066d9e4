#!/usr/bin/env bash
# onnxruntime-web 1.30.0: an input of a graph that has a default, an initializer of its name, is optional in onnxruntime
# 1.31.1 for Python and replaces the default when it is given. onnxruntime-web computes with the default, does not list
# the input, and refuses to take it. A model that carries a state from call to call, with a default for the first call,
# runs everywhere else and cannot be continued there.
# Seen: "Python: 2, given 5: 5; web: 2, given 5: invalid input 'scale'".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.23.2 onnxruntime==1.31.1
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts onnxruntime-web@1.30.0 >/dev/null
python=$("$work/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

scale = helper.make_tensor("scale", TensorProto.FLOAT, [1], [2.0])
inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "scale")]
outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])]
graph = helper.make_graph([helper.make_node("Mul", ["x", "scale"], ["y"])], "g", inputs, outputs, [scale])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, "model.onnx")
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession("model.onnx", options, providers=["CPUExecutionProvider"])
assert [each.name for each in session.get_overridable_initializers()] == ["scale"]
x, five = np.ones(1, np.float32), np.full(1, 5, np.float32)
(default,), (given,) = session.run(None, {"x": x}), session.run(None, {"x": x, "scale": five})
print(f"Python: {default[0]:g}, given 5: {given[0]:g}")
PY
)
cat >web.mjs <<'JS'
import * as ort from "onnxruntime-web";
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create("model.onnx", { logSeverityLevel: 3 });
const x = new ort.Tensor("float32", [1], [1]), scale = new ort.Tensor("float32", [5], [1]);
if (session.inputNames.join() !== "x") throw new Error(session.inputNames.join());
const byDefault = (await session.run({ x })).y.data[0];
const given = await session.run({ x, scale }).then(({ y }) => y.data[0], (error) => error.message);
console.log(`web: ${byDefault}, given 5: ${given}`);
JS
web=$(node web.mjs 2>/dev/null)
echo "$python; $web"
[[ "$python; $web" == "Python: 2, given 5: 5; web: 2, given 5: invalid input 'scale'" ]]
