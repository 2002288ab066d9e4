"""The online alignment in JavaScript: step for step the one of Python."""

from pathlib import Path

import numpy as np
import pytest

import tacref.web
from tacref.alignment import OnlineAligner
from tacref.web import COSTS
from tests.javascript import run

MODULE = Path(tacref.web.__file__).parent / "online.js"
FOLLOW = f"""
import {{ OnlineAligner }} from {MODULE.as_uri()!r};
const output = input.map(({{ reference, rows, dtype, options }}) => {{
  const numbers = dtype === "float32" ? Float32Array : Float64Array;
  const d = reference[0].length;
  const aligner = new OnlineAligner(numbers.from(reference.flat()), d, options);
  return rows.map((row) => aligner.update(numbers.from(row)));
}});
"""
NAMES = {"localCost": "local_cost", "openBegin": "open_begin", "recentFrames": "recent_frames"}
IN_JAVASCRIPT = {own: name for name, own in NAMES.items()}


def walk(rng, frames, d, scale):
    """A path through the embeddings whose steps vary, with rests."""
    steps = rng.normal(size=(frames, d)) * rng.exponential(1.0, (frames, 1))
    steps[rng.random(frames) < 0.2] = 0.0
    return scale * (rng.normal(size=d) + np.cumsum(steps, axis=0))


def performance(rng, reference):
    """Another performance: faster and slower, a pause, part of it left out, and an excursion."""
    n, d = reference.shape
    begin = int(rng.integers(0, n)) if rng.random() < 0.5 else 0
    frames = begin + np.cumsum(rng.choice([0, 0, 1, 1, 1, 2, 3], size=int(rng.integers(2, 60))))
    frames = np.minimum(frames, n - 1)
    pause = int(rng.integers(0, len(frames)))
    frames = np.insert(frames, pause, np.full(int(rng.integers(0, 15)), frames[pause]))
    rows = reference[frames] + 0.1 * reference.std() * rng.normal(size=(len(frames), d))
    if rng.random() < 0.7:  # off the script, and back
        away = walk(rng, int(rng.integers(1, 25)), d, 10 * (reference.std() + 1e-3))
        rows = np.insert(rows, int(rng.integers(0, len(rows) + 1)), away, axis=0)
    return rows


def case(seed):
    """Return a reference, rows and options, as Python takes them."""
    rng = np.random.default_rng(seed)
    dtype = ("float32", "float64")[seed % 2]
    n, d = int(rng.integers(1, 120)), int(rng.integers(1, 20))
    reference = walk(rng, n, d, 10.0 ** rng.integers(-3, 4))
    rows = performance(rng, reference)
    options = {"open_begin": bool(rng.random() < 0.5), "cost": COSTS[seed // 2 % 2]}
    if rng.random() < 0.7:
        options["phases"] = [("down", "up", None)[int(3 * k / n)] for k in range(n)]
    if rng.random() < 0.3:
        options["tolerance"] = float(rng.uniform(0.1, 2))
        options["recent_frames"] = float(rng.uniform(1, 20))
    return reference.astype(dtype), rows.astype(dtype), options


def in_javascript(node, cases):
    return run(node, FOLLOW, [
        {
            "reference": reference.tolist(), "rows": rows.tolist(), "dtype": str(reference.dtype),
            "options": {IN_JAVASCRIPT.get(name, name): value for name, value in options.items()},
        }
        for reference, rows, options in cases
    ])  # fmt: skip


def test_equal_to_python(node):
    cases = [case(seed) for seed in range(120)]
    off_script, phases, seen = 0, set(), 0
    for (reference, rows, options), found in zip(cases, in_javascript(node, cases), strict=True):
        aligner = OnlineAligner(reference, **options)
        expected = [aligner.update(row) for row in rows]
        assert [each["frame"] for each in found] == [each.frame for each in expected]
        assert [each["phase"] for each in found] == [each.phase for each in expected]
        assert [each["offScript"] for each in found] == [each.off_script for each in expected]
        for name in ("confidence", "cost", "localCost"):
            own = NAMES.get(name, name)
            np.testing.assert_allclose(
                [each[name] for each in found], [getattr(each, own) for each in expected],
                rtol=1e-9, atol=1e-9 if own == "confidence" else 0,
            )  # fmt: skip
        off_script += sum(each.off_script for each in expected)
        phases |= {each.phase for each in expected}
        seen += len(expected)
    # The cases reach what they are for.
    assert phases == {"down", "up", None}
    assert 0.1 < off_script / seen < 0.9


def test_frames_that_are_all_alike(node):
    alike = np.full((7, 3), 2.0)
    zeros = np.zeros((4, 2))
    rows = np.array([[2.0, 2.0, 2.0], [5.0, 2.0, 2.0], [2.0, 2.0, 2.0]])
    cases = [(alike, rows, {}), (zeros, np.array([[0.0, 0.0], [1.0, 0.0]]), {})]
    for (reference, own, _), found in zip(cases, in_javascript(node, cases), strict=True):
        aligner = OnlineAligner(reference)
        for row, each in zip(own, found, strict=True):
            expected = aligner.update(row)
            assert (each["frame"], each["offScript"]) == (expected.frame, expected.off_script)
            assert each["confidence"] == pytest.approx(expected.confidence, abs=1e-9)


def test_reset_forgets_everything(node):
    program = f"""
    import {{ OnlineAligner }} from {MODULE.as_uri()!r};
    const aligner = new OnlineAligner(Float64Array.from(input.flat()), 2);
    const follow = () => input.slice(1, 6).map((row) => aligner.update(Float64Array.from(row)));
    const first = follow();
    aligner.reset();
    const output = [first, follow(), aligner.framesSeen];
    """
    first, second, seen = run(node, program, walk(np.random.default_rng(0), 9, 2, 1.0).tolist())
    assert first == second
    assert seen == 5


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("new OnlineAligner([], 2)", "reference must hold rows of d numbers"),
        ("new OnlineAligner([1, 2, 3], 2)", "reference must hold rows of d numbers"),
        ("new OnlineAligner([1, NaN], 2)", "reference must be finite"),
        ("new OnlineAligner([1, 2], 1, { phases: ['a'] })", "phases must be 2, one per frame"),
        ("new OnlineAligner([1, 2], 1, { cost: 'l1' })", "cost must be one of sqeuclidean, cosine"),
        ("new OnlineAligner([1, 2], 1, { tolerance: 0 })", "tolerance must be > 0, got 0"),
        ("new OnlineAligner([1, 2], 1, { recentFrames: 0.5 })", "recentFrames must be >= 1"),
        ("new OnlineAligner([0, 2], 1, { cost: 'cosine' })", "a row of zeros has no cosine"),
        ("new OnlineAligner([1, 2], 1).update([1, 2])", "embedding must have 1 numbers, got 2"),
        ("new OnlineAligner([1, 2], 1).update([Infinity])", "embedding must be finite"),
    ],
)  # fmt: skip
def test_what_is_refused(node, made, message):
    program = f"""
    import {{ OnlineAligner }} from {MODULE.as_uri()!r};
    let output = "not refused";
    try {{ {made} }} catch (error) {{ output = error.message; }}
    """
    assert run(node, program).startswith(message)


def test_the_example_of_the_document_runs(node):
    document = Path(__file__).resolve().parents[2] / "docs" / "in-the-browser.md"
    (shown,) = (part.split("```")[0] for part in document.read_text("utf-8").split("```js\n")[1:])
    # Imports come first.
    imported, rest = shown.split(";\n", 1)
    program = f"""
    {imported.replace('"./online.js"', repr(MODULE.as_uri()))};
    const reference = Float32Array.from([0, 1, 2, 3]), d = 1, phases = ["a", "a", "b", null];
    const embedding = [0.25];
    {rest}
    const output = {{ frame, phase, cost, localCost, offScript, confidence }};
    """
    found = run(node, program)
    position = OnlineAligner([[0.0], [1.0], [2.0], [3.0]], phases=["a", "a", "b", None]).update(
        [0.25]
    )
    assert (found["frame"], found["phase"], found["offScript"]) == (0, "a", False)
    assert found["cost"] == found["localCost"] == position.cost == 0.0625
    assert found["confidence"] == pytest.approx(position.confidence, abs=1e-9)
