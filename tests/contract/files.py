"""The files of the house: systems, recipes, everything of the package. New ones are found by themselves."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "deepcanon"
TESTS = ROOT / "tests"
NOT_SUBJECTS = ("parts", "data", "environments", "engine", "techniques", "recipes", "cli", "serving")
# files, without torch
GROUND_FLOOR = (
    "claims", "collecting", "errors", "glance", "heads", "model_options", "options", "ranges", "reading", "settings",
    "targets", "verb_options", "writing",
)  # fmt: skip


def subjects() -> list[str]:
    """The folders that hold systems."""
    return sorted(
        folder.name
        for folder in PACKAGE.iterdir()
        if folder.is_dir() and folder.name not in NOT_SUBJECTS and any(folder.glob("*.py"))
    )


def system_files() -> list[Path]:
    """deepcanon/<subject>/<stem>.py"""
    return [path for subject in subjects() for path in named(PACKAGE / subject)]


def recipe_files() -> list[Path]:
    """deepcanon/recipes/<stem>.py"""
    return named(PACKAGE / "recipes")


def named(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def package_files() -> list[Path]:
    """Every source file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(path: Path) -> list[tuple[int, str]]:
    """(line, module) of each import in a file, at any depth; relative ones made absolute."""
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = ""
            if node.level:
                parts = path.relative_to(ROOT).with_suffix("").parts
                start = ".".join(parts[: len(parts) - node.level])
            module = ".".join(filter(None, (start, node.module)))
            found.append((node.lineno, module))
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found
