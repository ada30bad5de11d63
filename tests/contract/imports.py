"""Which of our files a stage reaches by its imports, and which params it loads.

Found with ast, nothing is imported. `python tests/contract/imports.py` prints it for each stage;
with --write (`make deps`) dvc.yaml's Python deps and params are brought in step with it. A folder
of which a stage reaches every file stands there as the folder: DVC reads dvc.yaml and dvc.lock
whole at every command, and locks and hashes each dep.
"""

import ast
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
OURS = ("meishi", "stages")
# What these give a stage is tracked by value, as its params: a key added for one stage, or a
# clearer message, is no reason to train again.
BY_VALUE = (
    "meishi/params.py",
    "meishi/recipe.py",
    "meishi/flat_params.py",
    "meishi/train_params.py",
    "meishi/ranges.py",
    "meishi/rules.py",
    "meishi/variants.py",
    "meishi/tunings.py",
    "meishi/named_entries.py",
)


def entry(name: str) -> Path:
    """Find the file of a node of dvc.yaml: its stage's script, or its step's module.

    A script hands a step over by name only, which is why it is no dep of the step's node.
    """
    step = ROOT / "meishi" / "steps" / f"{name}.py"
    return step if step.is_file() else ROOT / "stages" / f"{name}.py"


def closure(file: Path) -> list[str]:
    """List our non-empty Python files that `file` imports, directly or by way of others.

    Those that only carry params are left out, see BY_VALUE.

    Returns:
        Sorted paths relative to the repository, `file` itself included.
    """
    reached, waiting = set(), [file]
    while waiting:
        current = waiting.pop()
        if current not in reached:
            reached.add(current)
            waiting += imported_files(current)
    files = (str(path.relative_to(ROOT)) for path in reached if path.stat().st_size)
    return sorted(file for file in files if file not in BY_VALUE)


def code_deps(name: str) -> list[str]:
    """List what a node of dvc.yaml depends on of our code: its closure, whole folders as such."""
    files = closure(entry(name))
    folders = {parent for file in files for parent in Path(file).parents[:-1]}
    whole = [folder for folder in folders if _files_in(folder) <= set(files)]
    outermost = [folder for folder in whole if not set(folder.parents) & set(whole)]
    alone = [file for file in files if not set(Path(file).parents) & set(whole)]
    return sorted([*alone, *map(str, outermost)])


def _files_in(folder: Path) -> set[str]:
    found = [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.stat().st_size]
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def is_code(dep: str) -> bool:
    """Tell whether a dep of dvc.yaml is of our code."""
    return Path(dep).parts[0] in OURS


def imported_files(file: Path) -> list[Path]:
    """List our files that one file names in import statements, wherever these stand."""
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from meishi.data import records` names a module, `... import Record` does not.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    found = [module_file(name) for name in names if name.split(".")[0] in OURS]
    return [path for path in found if path is not None]


def module_file(name: str) -> Path | None:
    """Find the file of a dotted module name; None if there is none."""
    base = ROOT.joinpath(*name.split("."))
    candidates = [base.with_suffix(".py"), base / "__init__.py"]
    return next((path for path in candidates if path.is_file()), None)


def loaded_params(file: Path) -> list[str]:
    """List the sections a stage passes to load_params, in order."""
    return [
        ast.literal_eval(argument)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("load_params")
        for argument in node.args
    ]


def declared_params(name: str, stage: dict) -> list[str]:
    """List the params that dvc.yaml has for a stage: of a foreach, only the item's own entry."""
    loaded = loaded_params(entry(name))
    if "foreach" not in stage:
        return loaded
    section = stage["foreach"].removeprefix("${").removesuffix("}")
    return [f"{section}.${{key}}" if param == section else param for param in loaded]


def main() -> None:
    """Print, or write into dvc.yaml, what each stage needs."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    document = yaml.load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    for name, stage in document["stages"].items():
        script = entry(name)
        if not script.exists():
            print(f"{name}: no {script.relative_to(ROOT)} yet")
            continue
        code, params = code_deps(name), declared_params(name, stage)
        print(f"{name}: params {params}", *code, sep="\n  ")
        body = stage.get("do", stage)
        body["deps"] = [dep for dep in body["deps"] if not is_code(dep)] + code
        body["params"] = params
    if "--write" in sys.argv:
        with (ROOT / "dvc.yaml").open("w", encoding="utf-8") as stream:
            yaml.dump(document, stream)


if __name__ == "__main__":
    main()
