"""What is shipped, who may import whom, and that no module lives under two names."""

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import personlog

ROOT = Path(__file__).parents[2]
PACKAGES = ("domain", "projections", "adapters")
THIRD_PARTY_OF_DOMAIN = {"pydantic", "msgspec", "eventsourcing"}


def modules() -> list[Path]:
    nested = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    return sorted([*ROOT.glob("*.py"), *nested])


def imported(file: Path) -> set[str]:
    """The modules a file imports: ours as dotted names without ``personlog``, others' roots."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            here = file.relative_to(ROOT).parts[:-1]
            base = here[: len(here) - (node.level - 1)]
            target = [*base, *(node.module or "").split(".")]
            name = ".".join(part for part in target if part)
            found |= {f"our:{name}"} if name else {f"our:{each.name}" for each in node.names}
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    allowed = {f"our:{package}", "our:domain"}
    for file in (ROOT / package).rglob("*.py"):
        ours = {name for name in imported(file) if name.startswith("our:")}
        foreign = {name for name in ours if name.split(".")[0] not in allowed}
        assert not foreign, f"{file.relative_to(ROOT)} imports {foreign}"


def test_the_domain_imports_no_database_and_no_terminal() -> None:
    for file in (ROOT / "domain").rglob("*.py"):
        others = {name for name in imported(file) if not name.startswith("our:")}
        foreign = others - set(sys.stdlib_module_names) - THIRD_PARTY_OF_DOMAIN
        assert not foreign, f"{file.name} imports {foreign}"


def test_the_domain_reads_no_clock_and_draws_no_random_number() -> None:
    for file in (ROOT / "domain").rglob("*.py"):
        assert not imported(file) & {"time", "random", "secrets", "os", "uuid4"}, file.name
        called = {
            node.attr
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Attribute)
        }
        assert not called & {"now", "utcnow", "today", "uuid1", "uuid4", "getenv"}, file.name


def test_nothing_of_ours_is_imported_by_a_bare_name() -> None:
    bare = {*PACKAGES, *(file.stem for file in ROOT.glob("*.py"))} - {"__init__", "__main__"}
    for file in modules():
        others = {name for name in imported(file) if not name.startswith("our:")}
        assert not others & bare, file.name


def test_no_module_is_loaded_under_two_names() -> None:
    script = (
        "import sys, pathlib, personlog.cli\n"
        "root = pathlib.Path(personlog.__file__).parent\n"
        "files = [m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)]\n"
        "ours = [f for f in files if pathlib.Path(f).parent in"
        " (root, root/'domain', root/'projections', root/'adapters')]\n"
        "assert len(ours) == len(set(ours)), sorted(ours)\n"
        "assert all(n.startswith('personlog') or n == '__main__' for n, m in sys.modules.items()"
        " if getattr(m, '__file__', None) in ours)\n"
        "print(len(ours))"
    )
    out = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert int(out.stdout) > 40


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    unwanted = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "dist")
    shutil.copytree(ROOT, tree, ignore=unwanted)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, tree],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {f"personlog/{file.relative_to(ROOT)}" for file in modules()}
    assert shipped == expected | {"personlog/py.typed", "personlog/demo.jsonl"}


def test_the_version_is_the_installed_one() -> None:
    assert version("personlog") == personlog.__version__


def test_modules_are_small() -> None:
    for file in modules():
        lines = file.read_text().count("\n")
        assert lines <= 300 or file.name == "cli.py", f"{file.name} has {lines} lines"


def test_dependencies_have_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert all(">=" in each for each in project["dependencies"])
