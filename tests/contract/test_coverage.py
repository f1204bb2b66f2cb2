"""Nothing without its tests, its oracle, its recipe; and the rules of the house that a program can read."""

import ast
import dataclasses
import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys
import typing

import pytest

from contract.cases import all_cases, case_modules
from contract.files import (
    NOT_SUBJECTS,
    PACKAGE,
    ROOT,
    TESTS,
    imports_of,
    package_files,
    recipe_files,
    subjects,
    system_files,
    tree_of,
)
from deepcanon import heads

RESERVED = {"data", "out", "seed", "steps", "minutes", "preset", "threads", "precision", "compile"}
SETTINGS = {"data", "steps", "minutes", "seed", "precision", "threads", "evaluate_every", "patience", "log_every"}
READERS = {"images", "tables", "text", "documents", "environment", "points", "task"}
SYSTEM_LINES, RECIPE_LINES = 350, 300
FORBIDDEN_NAMES = {"utils.py", "util.py", "common.py", "helpers.py", "helper.py", "base.py", "model.py", "misc.py"}
HEAD_LOADER = "deepcanon/heads.py"  # the one place where code is run that was not imported: a recipe's own head

systems = pytest.mark.parametrize("path", system_files(), ids=lambda path: f"{path.parent.name}.{path.stem}")
recipes = pytest.mark.parametrize("path", recipe_files(), ids=lambda path: path.stem)
files = pytest.mark.parametrize("path", package_files(), ids=lambda path: str(path.relative_to(PACKAGE)))


# Systems


def public(module):
    """Public classes and functions of a module: what needs a case. Plain results (NamedTuples) and constants do not."""
    found = {}
    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        result = inspect.isclass(thing) and issubclass(thing, tuple) and hasattr(thing, "_fields")
        if callable(thing) and not result and typing.get_origin(thing) is None:
            found[name] = thing
    return found


def covered():
    names = set()
    for case in all_cases():
        names |= set(case.covers)
        if case.build is not None:
            built = getattr(case.build, "__name__", "")
            names.add(built if built != "<lambda>" else type(case.build()).__name__)
        for function in (case.build, case.call):
            # What a lambda mentions, it uses; a name that is called through is the function itself.
            names |= set(getattr(getattr(function, "__code__", None), "co_names", ()))
            names.add(getattr(function, "__name__", ""))
    for module in case_modules().values():
        names |= {getattr(thing, "__name__", thing) for thing in getattr(module, "ESTIMATORS", ())}
    return names


def specially_tested(path):
    """Functions that the system's own test file imports: those with side effects fit no case."""
    test = TESTS / path.parent.name / f"test_{path.stem}.py"
    return {module.rsplit(".", 1)[-1] for _, module in imports_of(test)} if test.is_file() else set()


@systems
def test_every_public_name_has_a_case(path):
    module = importlib.import_module(f"deepcanon.{path.parent.name}.{path.stem}")
    assert getattr(module, "__all__", None), f"{path.name} has no __all__"
    special = specially_tested(path)
    names = {name for name, thing in public(module).items() if inspect.isclass(thing) or name not in special}
    without = sorted(names - covered())
    assert not without, f"no case covers {', '.join(without)}: add one to tests/cases/{path.stem}.py (covers=...)"
    subject = importlib.import_module(f"deepcanon.{path.parent.name}")
    hidden = sorted(name for name in module.__all__ if not hasattr(subject, name))
    assert not hidden, f"deepcanon/{path.parent.name}/__init__.py does not offer {', '.join(hidden)}"


@systems
def test_every_system_has_its_siblings(path):
    stem, doc = path.stem, ast.get_docstring(tree_of(path)) or ""
    shown = re.findall(r"^Shown by:\s*(.+?)\.?$", doc, re.M)
    if shown:
        for name in re.split(r",\s*|\s+and\s+", shown[0]):
            assert name.strip().replace("-", "_") in heads.stems(), f"{path.name} is shown by an unknown recipe {name}"
    else:
        assert stem in heads.stems(), f"deepcanon/recipes/{stem}.py is missing (or a line `Shown by: recipe`)"
    assert (TESTS / "oracles" / f"{stem}.py").is_file(), f"tests/oracles/{stem}.py is missing"
    assert (TESTS / "cases" / f"{stem}.py").is_file(), f"tests/cases/{stem}.py is missing"
    case_module = case_modules()[stem]
    assert getattr(case_module, "CASES", ()) or getattr(case_module, "FUNCTIONS", ()) or case_module.ESTIMATORS


@systems
def test_system_file_keeps_the_rules(path):
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= SYSTEM_LINES, f"{path.name} has {lines} lines, {SYSTEM_LINES} at most"
    assert "from __future__ import annotations" not in text
    doc = ast.get_docstring(tree_of(path)) or ""
    assert len(doc.splitlines()) >= 3 and len(doc.splitlines()[0]) <= 120
    assert "Departures" in doc or "Shown by" in doc, f"{path.name}: the docstring names no departures (say so if none)"


@pytest.mark.parametrize("path", sorted((TESTS / "oracles").glob("*.py")), ids=lambda path: path.stem)
def test_oracles_are_independent(path):
    known = {"numpy", "math", "itertools", "collections", "functools", "fractions", "scipy", "heapq", "re", "oracles"}
    for line, module in imports_of(path):
        assert module.split(".")[0] in known, f"{path.name}:{line} imports {module}: an oracle uses numpy alone"


def test_every_case_and_oracle_belongs_to_something():
    stems = {path.stem for path in system_files()} | {path.stem for path in (PACKAGE / "parts").glob("*.py")}
    lost = sorted(name for name in case_modules() if name not in stems)
    assert not lost, f"tests/cases has files of no system: {lost}"


# Recipes


@recipes
def test_recipe_head(path):
    head = heads.head(path.stem)
    assert head.doc, "no docstring"
    assert heads.system_path(head).is_file(), f"SYSTEM {head.system} is no file"
    assert heads.system_path(head).stem == path.stem, "recipe and system share one stem"
    assert head.data and set(head.data) <= READERS, head.data
    assert dataclasses.is_dataclass(head.config) and head.config.__dataclass_params__.frozen
    names = {option.name for option in head.options}
    assert not names & RESERVED, f"reserved names in Config: {sorted(names & RESERVED)}"
    without = [option.name for option in head.options if len(option.help) < 8]
    assert not without, f"options without help: {without}"
    for option in head.options:
        assert plain_type(option.annotation), f"{option.name}: {option.annotation} cannot be given on a command line"
        assert option.default is not dataclasses.MISSING, f"{option.name} has no default"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= RECIPE_LINES


def plain_type(annotation):
    if annotation in (bool, int, float, str):
        return True
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return all(isinstance(value, str | int) for value in inner)
    if origin is tuple:
        return all(item is Ellipsis or plain_type(item) for item in inner)
    return type(None) in inner and all(item is type(None) or plain_type(item) for item in inner)


@recipes
def test_presets(path):
    head = heads.head(path.stem)
    assert {"smoke", "default", "paper", "verify"} <= set(head.presets), sorted(head.presets)
    pairs = {name: head.presets[name]() for name in ("smoke", "default", "paper")}
    runs = head.presets["verify"]()
    assert isinstance(runs, dict) and runs
    pairs |= {f"verify:{name}": pair for name, pair in runs.items()}
    for name, (config, settings) in pairs.items():
        assert isinstance(config, head.config), name
        assert set(settings) <= SETTINGS, f"{name}: {sorted(set(settings) - SETTINGS)}"
        assert settings.get("data") or "task" in head.data, f"{name} names no data"
        assert not {"steps", "minutes"} <= set(settings), f"{name} has steps and minutes"
        json.dumps(dataclasses.asdict(config))


@recipes
def test_targets(path):
    head = heads.head(path.stem)
    assert head.targets, "no TARGETS"
    runs = head.presets["verify"]()
    for target in head.targets:
        assert {"run", "metric", "relation", "value", "mark", "source"} <= set(target), target
        assert set(target) <= {
            "run", "minus", "metric", "relation", "value", "mark", "source", "statistic", "tolerance",
        }, target  # fmt: skip
        for name in (target["run"], *filter(None, [target.get("minus")])):
            assert name in runs, f"no verify run {name!r}"
        assert target["relation"] in ("<=", ">=", "==") and ("tolerance" in target) == (target["relation"] == "==")
        assert target["mark"] in ("X", "R", "C", "P"), target["mark"]
        assert target.get("statistic", "mean") in ("mean", "worst", "each")
        assert isinstance(target["value"], int | float)
        assert re.fullmatch(r"(train|valid|test)/\w+|cpu_seconds|cpu_minutes|seconds", target["metric"])


def test_heads_are_read_without_torch():
    code = (
        "import sys; from deepcanon import heads\n"
        "for stem in heads.stems():\n"
        "    head = heads.head(stem); [head.presets[name]() for name in head.presets]; heads.summary(head)\n"
        "print([m for m in ('torch', 'numpy', 'matplotlib', 'PIL', 'sklearn', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stdout.strip() == "[]", done.stdout + done.stderr


@recipes
def test_recipe_class(path):
    recipe = importlib.import_module(f"deepcanon.recipes.{path.stem}").Recipe
    for name in ("learn", "plan", "step", "evaluate"):
        assert callable(getattr(recipe, name, None)), f"no {name}()"
    assert isinstance(recipe.state, tuple) and recipe.state and len(set(recipe.state)) == len(recipe.state)
    assert re.fullmatch(r"gradients|statistics|trials|none: .{8,}", recipe.parallel), recipe.parallel
    if isinstance(recipe.monitor, tuple):
        assert re.fullmatch(r"(train|valid|test)/\w+", recipe.monitor[0]) and recipe.monitor[1] in ("min", "max")
        assert not recipe.monitor[0].startswith("test/"), "the test split decides nothing"
    assert set(getattr(recipe, "precisions", ("fp32",))) <= {"fp32", "bf16"}


@recipes
def test_recipe_leaves_the_loop_to_the_engine(path):
    for line, module in imports_of(path):
        top = module.split(".")[0]
        assert top not in ("argparse", "tyro", "rich", "tqdm", "safetensors"), f"{path.name}:{line} imports {module}"
        assert not module.startswith("deepcanon.recipes"), f"{path.name}:{line}: a recipe imports a recipe"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("print", "input", "torch.save", "torch.load", "torch.manual_seed"), (
                f"{path.name}:{node.lineno}: {called}() is the engine's"
            )


# The whole package


@files
def test_nothing_unpickles_or_runs_data(path):
    assert not forbidden_in(tree_of(path), str(path.relative_to(ROOT)))


def forbidden_in(tree, name):
    """Calls and imports by which a file, a name or a string from outside could become code."""
    found = []
    modules = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"{node.lineno}: import of {n}" for n in names if n.split(".")[0] in modules]
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in ("eval", "exec", "__import__", "compile") and name != HEAD_LOADER:
            found.append(f"{node.lineno}: {called}()")
        if called == "eval" or called.endswith((".extractall", ".allow_pickle")):
            found.append(f"{node.lineno}: {called}()")
        if called in ("torch.jit.load", "torch.hub.load", "os.system", "os.popen", "torch.load"):
            found.append(f"{node.lineno}: {called}()")
        for keyword in node.keywords:
            value = getattr(keyword.value, "value", None)
            bad = {"allow_pickle": True, "weights_only": False, "shell": True}
            if keyword.arg in bad and value is not (not bad[keyword.arg]):
                found.append(f"{node.lineno}: {keyword.arg}={value}")
    return found


def test_the_head_loader_runs_one_thing_only():
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(tree_of(ROOT / HEAD_LOADER))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("eval", "exec", "compile", "__import__")
    ]
    assert sorted(calls) == ["compile", "exec"]


@files
def test_imports_go_one_way(path):
    wrong = wrong_imports(path)
    assert not wrong, "\n".join(f"{path.relative_to(ROOT)}:{line} imports {module}" for line, module in wrong)


STDLIB_BESIDE = {"torch", "numpy", "jaxtyping"}


def wrong_imports(path, imports=None):
    """Imports against the direction cli -> run -> recipes -> engine, data, subjects -> parts -> torch."""
    parts = path.relative_to(PACKAGE).parts
    room = parts[0] if len(parts) > 1 else ""
    imports = imports_of(path) if imports is None else imports
    inner = [(line, m) for line, m in imports if m.split(".")[0] == "deepcanon"]
    outer = [(line, m) for line, m in imports if m.split(".")[0] not in {"deepcanon", *sys.stdlib_module_names}]
    wrong = []

    def rooms_allowed(*rooms):
        for line, module in inner:
            target = (module.split(".") + ["", ""])[1]
            if target and target not in rooms and target != "__version__":
                wrong.append((line, module))

    if room == "parts":
        rooms_allowed("parts")
    elif room in subjects():
        rooms_allowed("parts", room)
    elif room == "data":
        rooms_allowed("data")
    elif room == "engine":
        rooms_allowed("engine", "data", "parts")
    elif room == "recipes":
        rooms_allowed("engine", "data", "parts", *subjects())
        if parts[-1] == "__init__.py":
            wrong += inner
    if room == "parts" or room in subjects():
        wrong += [(line, m) for line, m in outer if m.split(".")[0] not in STDLIB_BESIDE]
    return wrong


def test_no_grab_bag_files_and_no_empty_folders():
    bags = [str(p.relative_to(ROOT)) for p in package_files() if p.name in FORBIDDEN_NAMES]
    assert not bags, bags
    empty = [p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__" and not list(p.glob("*.py"))]
    assert not empty, f"folders without code: {empty}"
    assert set(NOT_SUBJECTS) <= {p.name for p in PACKAGE.iterdir()}


def test_import_contract_of_the_project_file():
    command = shutil.which("lint-imports", path=str(ROOT / ".venv" / "bin")) or shutil.which("lint-imports")
    if "importlinter" in (ROOT / "pyproject.toml").read_text(encoding="utf-8") and command:
        done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


# The words


def documents():
    return [path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md") if path.is_file()]


def test_commands_of_the_documents_exist():
    """Each `deepcanon VERB NAME` and `make TARGET` in a document: the verb, the recipe, its options, the target."""
    verbs = {
        "list", "show", "train", "resume", "eval", "predict", "generate", "encode", "play", "export", "report",
        "verify", "data",
    }  # fmt: skip
    common = {
        "preset", "data", "out", "seed", "steps", "minutes", "device", "threads", "precision", "config", "compile",
        "json", "debug", "skip-bad", "evaluate-every", "checkpoint-every", "patience", "log-every", "help", "version",
    }  # fmt: skip
    makefile = ROOT / "Makefile"
    targets = set(re.findall(r"^([\w-]+):", makefile.read_text(), re.M)) if makefile.is_file() else set()
    for path in documents():
        text = path.read_text(encoding="utf-8")
        code = re.findall(r"```.*?```", text, re.S) + re.findall(r"`[^`\n]+`", text)
        for block in code:
            for verb, rest in re.findall(r"\bdeepcanon ([a-z]+)\b([^\n`|]*)", block):
                assert verb in verbs, f"{path.name}: deepcanon {verb}"
                words = rest.split("#")[0].split()
                if verb in ("show", "train", "verify") and words and re.fullmatch(r"[a-z][a-z0-9-]*", words[0]):
                    assert words[0].replace("-", "_") in heads.stems(), f"{path.name}: deepcanon {verb} {words[0]}"
                    known = {option.name.replace("_", "-") for option in heads.head(words[0]).options} | common
                    given = {word[2:].split("=")[0].replace("_", "-") for word in words if word.startswith("--")}
                    if verb == "train":
                        unknown = {g for g in given if g.removeprefix("no-") not in known and not g.isupper()}
                        assert not unknown, f"{path.name}: deepcanon train {words[0]} has no {sorted(unknown)}"
            for target in re.findall(r"(?:^|\s|`)make ([a-z][\w-]*)", block):
                assert target in targets, f"{path.name}: make {target}"


def test_documents_link_to_files_that_exist():
    for path in documents():
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", link):
                assert (path.parent / link).exists(), f"{path.name} links to {link}, which is not there"
