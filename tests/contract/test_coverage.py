"""Nothing without its tests, its oracle, its recipe; and the rules of the house that a program can read."""

import ast
import dataclasses
import importlib
import inspect
import json
import keyword
import re
import shutil
import subprocess
import sys
import typing
from functools import cache

import pytest
import torch

from contract import golden
from contract.cases import all_cases, case_modules
from contract.files import (
    GROUND_FLOOR,
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
from deepcanon.data import KINDS
from deepcanon.engine import Experiment, Recipe, SizeExperiment
from deepcanon.engine.contract import VERBS
from deepcanon.options import (
    ActivationName,
    InitializationName,
    LossName,
    OptimizerName,
    PoolingName,
    ScheduleName,
    plain_type,
)
from deepcanon.settings import Settings, build_config
from deepcanon.targets import Target, metric_of
from deepcanon.techniques.activations import ACTIVATIONS
from deepcanon.techniques.initializers import INITIALIZERS
from deepcanon.techniques.losses import LOSSES
from deepcanon.techniques.optimizers import OPTIMIZERS
from deepcanon.techniques.poolings import POOLINGS
from deepcanon.techniques.schedules import SCHEDULES

RESERVED = {"data", "out", "seed", "steps", "minutes", "preset", "threads", "precision", "compile"}
SETTINGS = {
    "options",
    "data",
    "steps",
    "minutes",
    "seed",
    "precision",
    "threads",
    "evaluate_every",
    "patience",
    "log_every",
}
FILE_LINES = 350
RECIPE_LINES, RECIPE_MEAN = 200, 150
OFFERED = 2
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


@cache
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
    hidden = sorted(name for name in built(module) if not hasattr(subject, name))
    assert not hidden, f"deepcanon/{path.parent.name}/__init__.py does not offer {', '.join(hidden)}"


def built(module):
    """Classes of a system that people build: modules (estimators are modules too) and optimizers."""
    kinds = torch.nn.Module, torch.optim.Optimizer
    found = {name: thing for name, thing in vars(module).items() if inspect.isclass(thing) and issubclass(thing, kinds)}
    return {name for name, thing in found.items() if thing.__module__ == module.__name__ and not name.startswith("_")}


@pytest.mark.parametrize("subject", subjects())
def test_a_subject_offers_classes_and_named_functions_only(subject):
    """What is imported from a subject is a system's public name; helpers are imported from the system's module."""
    systems_of = [path.stem for path in system_files() if path.parent.name == subject]
    modules = [importlib.import_module(f"deepcanon.{subject}.{stem}") for stem in systems_of]
    known = {name: getattr(module, name) for module in modules for name in module.__all__}
    namespace = vars(importlib.import_module(f"deepcanon.{subject}"))
    offered = {n: thing for n, thing in namespace.items() if n[0] != "_" and not inspect.ismodule(thing)}
    strange = sorted(name for name, thing in offered.items() if known.get(name) is not thing)
    assert not strange, f"deepcanon/{subject}/__init__.py offers {', '.join(strange)}, public names of no system"
    # Classes are as many as there are. Of all else two for each system on average: a loss, and an update or estimator.
    others = sorted(set(offered) - set().union(*map(built, modules)))
    assert len(others) <= OFFERED * len(modules), f"{subject} offers too many helpers: {', '.join(others)}"


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


@files
def test_no_file_is_long(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= FILE_LINES, f"{path.name} has {lines} lines, {FILE_LINES} at most"


@systems
def test_system_file_keeps_the_rules(path):
    text = path.read_text(encoding="utf-8")
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
    assert heads.system_path(head).is_file(), f"SYSTEM {head.system} is not a file"
    if not issubclass(recipe_of(path), Experiment | SizeExperiment):  # which may show the system of another stem
        assert heads.system_path(head).stem == path.stem, "recipe and system share one stem"
    assert head.data and set(head.data) <= set(KINDS), head.data
    assert head.metrics, "no METRICS"
    assert dataclasses.is_dataclass(head.config) and head.config.__dataclass_params__.frozen


@recipes
def test_options(path):
    head = heads.head(path.stem)
    names = [option.name for option in head.options]
    reserved = sorted(name for name in names if name in RESERVED or keyword.iskeyword(name))
    assert not reserved, f"reserved names in Config: {reserved}"
    without = [option.name for option in head.options if len(option.help) < 8]
    assert not without, f"options without help: {without}"
    for option in head.options:
        assert can_be_typed(option.annotation), f"{option.name}: {option.annotation} cannot be given on a command line"
        assert option.default is not dataclasses.MISSING, f"{option.name} has no default"
    check_ranges(head.config, head.config())


def can_be_typed(annotation):
    """Whether a word of a command line can say it: numbers with their range, text, choices, and lists of them."""
    annotation = plain_type(annotation)
    if annotation in (bool, int, float, str):
        return True
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return all(isinstance(value, str | int) for value in inner)
    if origin is tuple:
        return all(item is Ellipsis or can_be_typed(item) for item in inner)
    return type(None) in inner and all(item is type(None) or can_be_typed(item) for item in inner)


def check_ranges(config_class, config):
    """Defaults and presets may be what a user may give."""
    build_config(config_class, vars(config))


@recipes
def test_recipe_text(path):
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    assert lines <= RECIPE_LINES, f"{path.name} has {lines} lines, {RECIPE_LINES} at most"
    packed = re.findall(r"# fmt: (?:skip|off)", text)
    assert not packed, f"{path.name} is kept from the formatter by {packed[0]!r}"


def test_recipes_are_short_on_average():
    lengths = {path.stem: len(path.read_text(encoding="utf-8").splitlines()) for path in recipe_files()}
    longest = sorted(lengths, key=lengths.get, reverse=True)[:5]
    mean = sum(lengths.values()) / len(lengths)
    assert mean <= RECIPE_MEAN, f"{mean:.0f} lines on average; the longest are {', '.join(longest)}"


@recipes
def test_presets(path):
    head = heads.head(path.stem)
    assert {"smoke", "default", "paper"} < set(head.presets) and head.verified, sorted(head.presets)
    for name, (config, settings) in head.presets.items():
        assert isinstance(config, head.config), name
        assert set(settings) <= SETTINGS, f"{name}: {sorted(set(settings) - SETTINGS)}"
        assert settings.get("data") or "nothing" in head.data, f"{name} names no data"
        assert not {"steps", "minutes"} <= set(settings), f"{name} has steps and minutes"
        json.dumps(dataclasses.asdict(config))
        check_ranges(head.config, config)
        check_ranges(Settings, Settings(**{k: v for k, v in settings.items() if k != "options"}))
        build_config(head.config, {**vars(config), **settings.get("options", {})})


@recipes
def test_sizes_of_the_default_preset_belong_to_its_data(path):
    """`train NAME --data OTHER` must not take what was chosen for the embedded data: numbers stand in its `options`."""
    head = heads.head(path.stem)
    config, _ = head.presets["default"]
    taken = sorted(
        option.name
        for option in head.options
        if option.group != "data" and is_of_numbers(option) and getattr(config, option.name) != option.default
    )
    assert not taken or "nothing" in head.data, f"put into `options`: {', '.join(taken)}"


def is_of_numbers(option):
    value = option.default[0] if isinstance(option.default, tuple) and option.default else option.default
    return isinstance(value, int | float) and not isinstance(value, bool)


@recipes
def test_targets(path):
    head = heads.head(path.stem)
    assert head.targets, "no TARGETS"
    runs = head.verified
    for target in head.targets:
        assert isinstance(target, Target), target
        for name in filter(None, (target.run, target.minus)):
            assert name in runs, f"no verify run {name!r}"
        row = re.search(r"\b[A-H]\d\d\b", target.source)
        assert not row, f"the source of {target.condition!r} is {row[0]}, a row of a page that no reader has"
        known = "/" not in target.metric or metric_of(head.metrics, target.metric)
        assert known, f"METRICS does not describe {target.metric}"


def test_heads_are_read_without_torch():
    code = (
        "import sys; from deepcanon import heads\n"
        "for stem in heads.stems():\n"
        "    heads.summary(heads.head(stem))\n"
        "print([m for m in ('torch', 'numpy', 'matplotlib', 'PIL', 'sklearn', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stdout.strip() == "[]", done.stdout + done.stderr


def recipe_of(path):
    return importlib.import_module(f"deepcanon.recipes.{path.stem}").Recipe


@recipes
def test_recipe_class(path):
    check_recipe_class(recipe_of(path), heads.head(path.stem))


def check_recipe_class(recipe, head):
    """What a recipe declares is what the contract of `engine/contract.py` lets it declare."""
    assert issubclass(recipe, Recipe), "the class Recipe does not inherit engine.Recipe"
    assert not inspect.isabstract(recipe), f"without {', '.join(sorted(recipe.__abstractmethods__))}"
    assert isinstance(recipe.__dict__.get("learn", Recipe.__dict__["learn"]), classmethod), "learn is not a classmethod"
    assert isinstance(recipe.state, tuple) and recipe.state and len(set(recipe.state)) == len(recipe.state)
    assert re.fullmatch(r"gradients|statistics|trials|none: .{8,}", recipe.parallel), recipe.parallel
    if recipe.monitor is not None:
        name, better = recipe.monitor
        assert re.fullmatch(r"(train|valid)/\w+", name) and better in ("min", "max"), recipe.monitor
        assert metric_of(head.metrics, name), f"METRICS does not describe {name}"
    assert recipe.precisions and set(recipe.precisions) <= {"fp32", "bf16"}, recipe.precisions
    assert recipe.batches_per_step >= 1 and recipe.wants in ("classes", "numbers", "anything"), recipe.wants
    assert not recipe.inputs or recipe.inputs in KINDS, recipe.inputs
    assert isinstance(recipe.deterministic, bool) and isinstance(recipe.needs, str)
    silent = [verb for verb, mixin in VERBS.items() if hasattr(recipe, verb) and not issubclass(recipe, mixin)]
    assert not silent, f"{', '.join(silent)}: inherit {', '.join(VERBS[verb].__name__ for verb in silent)}"
    if issubclass(recipe, Experiment):
        trained = {option.name for option in heads.head(recipe.trains).options}
        own = {option.name for option in head.options}
        assert set(recipe.shares) <= own & trained, f"not options of both: {sorted(set(recipe.shares) - own & trained)}"


TABLES = {
    OptimizerName: OPTIMIZERS,
    ScheduleName: SCHEDULES,
    InitializationName: INITIALIZERS,
    ActivationName: ACTIVATIONS,
    LossName: LOSSES,
    PoolingName: POOLINGS,
}


@pytest.mark.parametrize("names", TABLES, ids=lambda names: typing.get_args(names)[0])
def test_names_of_techniques_are_those_of_their_tables(names):
    assert typing.get_args(names) == tuple(TABLES[names])


def test_golden_files_belong_to_something():
    known = {"traces": heads.stems(), "keys": case_modules(), "cli": [*heads.stems(), "commands"]}
    found = [path for path in golden.FOLDER.glob("*/*.json")]
    lost = sorted(f"{path.parent.name}/{path.name}" for path in found if path.stem not in known[path.parent.name])
    assert not lost, f"golden files of nothing: {lost}"


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
        for given in node.keywords:
            value = getattr(given.value, "value", None)
            bad = {"allow_pickle": True, "weights_only": False, "shell": True}
            if given.arg in bad and value is not (not bad[given.arg]):
                found.append(f"{node.lineno}: {given.arg}={value}")
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


WITH_STDLIB = {"torch", "numpy", "jaxtyping"}  # of systems and parts

BELOW_RECIPES = ("engine", "environments", "data", "parts", *GROUND_FLOOR)
ROOMS = {  # what a room may import, apart from itself
    "parts": (),
    **dict.fromkeys(subjects(), ("parts",)),
    "data": ("parts", *GROUND_FLOOR),
    "environments": ("data", "parts", "errors"),
    "engine": BELOW_RECIPES,
    "techniques": (
        "engine",
        "data",
        "parts",
        "errors",
        "model_options",
        "options",
        "ranges",
        "verb_options",
        *subjects(),
    ),
    "recipes": ("techniques", *subjects(), *BELOW_RECIPES),
    "serving": ("resolving", "trained", "verbs", *BELOW_RECIPES),
    "cli": ("resolving", "serving", "verbs", "verify", *BELOW_RECIPES),
    # Files
    "collecting": (),
    "errors": (),
    "glance": (),
    "targets": (),
    "claims": ("targets",),
    "ranges": (),
    "reading": ("ranges",),
    "options": ("ranges", "reading"),
    "model_options": ("options",),
    "verb_options": ("ranges",),
    "settings": ("errors", "options", "ranges"),
    "heads": ("errors", "options", "ranges", "targets"),
    "writing": ("errors",),
    "resolving": BELOW_RECIPES,
    "trained": ("resolving", *BELOW_RECIPES),
    "verbs": ("resolving", "trained", *BELOW_RECIPES),
    "verify": ("resolving", "verbs", *BELOW_RECIPES),
    "estimator": ("resolving", "verbs", *BELOW_RECIPES),
    "__init__": ("estimator", "verbs"),
    "__main__": ("cli",),
}


def wrong_imports(path, imports=None):
    """Imports against the direction that ROOMS says, and other libraries in systems and parts."""
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    imports = imports_of(path) if imports is None else imports
    wrong = []
    for line, module in imports:
        top, *inner = module.split(".")
        if top == "deepcanon":
            target = inner[0] if inner else ""
            another_recipe = room == target == "recipes"
            if target not in ("", "__version__", room, *ROOMS[room]) or another_recipe:
                wrong.append((line, module))
        elif top not in WITH_STDLIB | sys.stdlib_module_names and (room == "parts" or room in subjects()):
            wrong.append((line, module))
    return wrong


def test_every_room_has_its_imports_said():
    rooms = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in package_files()}
    assert rooms == set(ROOMS), sorted(rooms ^ set(ROOMS))


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
        "verify", "data", "runs", "serve", "completion",
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
