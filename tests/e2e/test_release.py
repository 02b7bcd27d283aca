"""What is released installs in a clean environment, on every Python there is here, and works."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import personlog

ROOT = Path(__file__).parents[2]
SUPPORTED = ((3, 11), (3, 12), (3, 13))


def interpreters() -> list[str]:
    """One interpreter of each supported version that is here, the present one among them."""
    found = {sys.version_info[:2]: sys.executable}
    for version in SUPPORTED:
        name = "python{}.{}".format(*version)
        candidates = [name]
        pyenv = Path.home() / ".pyenv" / "versions"
        candidates += [str(each / "bin" / name) for each in sorted(pyenv.glob("3.*"))]
        for candidate in candidates:
            if version not in found and answers(candidate):
                found[version] = candidate
    return [found[version] for version in sorted(found)]


def answers(candidate: str) -> bool:
    try:
        asked = subprocess.run([candidate, "-c", "import venv"], capture_output=True, check=False)
    except OSError:
        return False
    return asked.returncode == 0


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("released")
    tree = folder / "tree"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tree)], check=False)
    # What is released is what is here, committed or not.
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, target = ROOT / name, tree / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(tree)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": sdist}


def test_the_version_is_told_in_one_place(released: dict[str, Path]) -> None:
    for file in released.values():
        assert re.match(rf"personlog-{re.escape(personlog.__version__)}[-.]", file.name)
    places = [
        file
        for pattern in ("*.py", "*.toml", "*/*.py")
        for file in ROOT.glob(pattern)
        if ".venv" not in file.parts and f'"{personlog.__version__}"' in file.read_text()
    ]
    assert places == [ROOT / "__init__.py"]


def test_the_source_holds_tests_documentation_and_licence(released: dict[str, Path]) -> None:
    with tarfile.open(released["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "docs/tour.md"):
        assert name in names
    assert "tests/unit/test_domain_merges.py" in names
    assert "demo.jsonl" in names


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("python", interpreters())
def test_it_installs_and_works(
    python: str, kind: str, released: dict[str, Path], tmp_path: Path
) -> None:
    subprocess.run([python, "-m", "venv", tmp_path / "env"], check=True)
    binaries = tmp_path / "env" / "bin"
    subprocess.run(
        [binaries / "python", "-m", "pip", "install", "--quiet", released[kind]],
        check=True,
        capture_output=True,
    )

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
        )
        return done.stdout

    assert run(binaries / "personlog", "--version") == f"personlog {personlog.__version__}\n"
    assert run(binaries / "personlog", "demo").endswith("equal  true\n")
    program = "import personlog; print(personlog.open('sqlite:///a.db', create=True).projects())"
    assert run(binaries / "python", "-W", "error", "-c", program) == "[]\n"
