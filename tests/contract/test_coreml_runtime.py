"""Each operation and layer that the runtime knows has a test, and its page lists what it knows."""

import ast
import re
from pathlib import Path

import pytest

from meishi.coreml.network import table
from meishi.coreml.ops import CONSTANTS, CONTROL, OPS, REFUSED

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "coreml-runtime.md"


def named_in(pattern: str) -> set[str]:
    """Return every name, attribute, argument and text that tests of this pattern hold."""
    found: set[str] = set()
    for file in (ROOT / "tests" / "model").glob(pattern):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_every_operation_has_a_test():
    tested = named_in("test_coreml_ops*.py") | named_in("test_coreml_control.py")
    known = {*OPS, *CONTROL} - {"write_state"}  # coremltools' own name of it is another
    assert sorted(known - tested - named_in("test_coreml_inputs.py")) == []
    assert "coreml_update_state" in tested


def test_every_layer_has_a_test():
    tested = named_in("test_coreml_layers*.py") | named_in("test_coreml_network.py")
    assert sorted({*table.LAYERS, *table.CONTROL} - tested) == []


def test_every_way_to_compress_has_a_test():
    """The kinds of constants that coremltools may write, by what makes them in the tests."""
    makers = {"linear_quantize_weights", "palettize_weights", "prune_weights"}
    assert makers <= named_in("test_coreml_inputs.py")
    assert "constexpr_lut_to_sparse" in named_in("test_coreml_inputs.py")


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Operations of ML programs", {*OPS, *CONTROL}),
        ("Constants of ML programs", CONSTANTS),
        ("Layers of neural networks", {*table.LAYERS, *table.CONTROL}),
        ("Refused by name", {*REFUSED, *table.REFUSED}),
    ],
)
def test_the_page_lists_what_the_runtime_knows(title, names):
    section = PAGE.read_text(encoding="utf-8").split(f"### {title}\n")[1].split("\n#")[0]
    assert re.findall(r"`(\w+)`", section) == sorted(names), "run: python docs/coreml_runtime.py"
