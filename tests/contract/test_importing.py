"""Importing a module of ours defines names: it reads, writes, prints and sets nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.contract.imports import ROOT
from tests.contract.test_layers import FILES, each_file

# Files whose import does something, and why it has to be then.
EXCEPTIONS = {
    "meishi/keras.py": "sets what TensorFlow reads from the environment while it is imported",
    "meishi/coreml/toolkit.py": "holds back what coremltools warns of while it is imported",
}
# What may be called while a module is imported, by its last name, and why. A name that begins with
# a capital is a class: it makes a value.
QUIET = {
    # says what a definition is
    "dataclass": "a class of values",
    "field": "of such a class",
    "lru_cache": "keeps what a function will return",
    "command": "hangs a function into a command line",
    "add_typer": "hangs one command line into another",
    # works out a constant from others
    **dict.fromkeys(("frozenset", "tuple", "float", "len", "sorted", "partial"), "a builtin value"),
    **dict.fromkeys(("split", "join", "items", "values"), "text and mappings taken apart"),
    **dict.fromkeys(("as_posix", "with_name"), "names of files, which stay closed"),
    **dict.fromkeys(("linspace", "arange", "array", "stack", "zeros", "where"), "small arrays"),
    **dict.fromkeys(("reshape", "mean", "round", "tolist", "dtype", "finfo"), "small arrays"),
    "compile": "a regular expression",
    "uuid5": "an id that is a hash of a name",
    "datetime": "a date that is written down, not today's",
    # writes out a table, by a function of its own module that returns a row or a few
    **dict.fromkeys(("_unary", "_binary", "_logical", "_dividing"), "rows of kernels"),
    "_keeping_integers": "a row of kernels",
    **dict.fromkeys(("_reduce", "_arg", "_over_axes", "_as_floats"), "rows of kernels"),
    **dict.fromkeys(("_folded", "_named", "_scatter"), "rows of operations"),
    **dict.fromkeys(("_product", "_quality", "_cost", "figures", "size"), "rows of figures"),
    "patch": "the mesh of a unit square",
}


def calls(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls that importing makes: not those in the bodies of functions."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        children = [*getattr(node, "decorator_list", []), *defaults]
    else:
        children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        yield node
    for child in children:
        yield from calls(child)


def last_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


def is_class(name: str) -> bool:
    return name.lstrip("_")[:1].isupper()


def on_import(file: Path) -> list[ast.stmt]:
    """List a file's statements that run when it is imported, its docstring left out."""
    guards = ("__name__ == '__main__'", "TYPE_CHECKING")
    return [
        node
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) in guards)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]


def what_it_does(file: Path) -> list[str]:
    """Say which statements of a file do more than define a name."""
    defining = (
        *(ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef),
        *(ast.Assign, ast.AnnAssign, ast.Expr),  # of these the calls are looked at
    )
    found = []
    for node in on_import(file):
        if not isinstance(node, defining):
            found.append(f"line {node.lineno}: {type(node).__name__}")
        names = [(call.lineno, last_name(call)) for call in calls(node)]
        found += [
            f"line {line}: {name}()"
            for line, name in names
            if name not in QUIET and not is_class(name)
        ]
    return found


@each_file
def test_importing_does_nothing(file):
    if str(file.relative_to(ROOT)) not in EXCEPTIONS:
        assert what_it_does(file) == []


def test_no_exception_is_left_over():
    assert all(what_it_does(ROOT / name) for name in EXCEPTIONS)
    called = {last_name(call) for file in FILES for node in on_import(file) for call in calls(node)}
    assert set(QUIET) <= called


def test_a_call_is_seen_wherever_importing_makes_it(tmp_path):
    file = tmp_path / "module.py"
    file.write_text(
        "import os\nlambda: silent()\nA = [loud() for _ in A]\n"
        "@wrapped()\ndef f(x=given()):\n    silent()\n"
        "class B:\n    c = os.listdir()\nfor x in A:\n    pass\n"
    )
    assert what_it_does(file) == [
        "line 3: loud()",
        "line 4: wrapped()",
        "line 5: given()",
        "line 8: listdir()",
        "line 9: For",
    ]
