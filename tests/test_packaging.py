"""Does an installation work away from the checkout? Wheel, sdist and editable, in fresh venvs.

The packages we depend on are lent by the environment that runs the tests; mitrarr itself is not.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


def run(*argv: str | Path, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """As cron would: hardly any environment."""
    return subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


def made(*argv: str | Path, cwd: Path) -> str:
    done = run(*argv, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Built:
    """The three things one can install."""

    sdist: Path
    wheels: dict[str, Path]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "build", "--no-isolation")
    made(*build, "--sdist", "--outdir", folder, ROOT, cwd=folder)
    sdist = next(folder.glob("*.tar.gz"))
    made(*build, "--wheel", "--outdir", folder / "wheel", ROOT, cwd=folder)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    made(*pip, "--wheel-dir", folder / "sdist", sdist, cwd=folder)
    hook = f"from hatchling.build import build_editable; build_editable({str(folder / 'edit')!r})"
    (folder / "edit").mkdir()
    made(sys.executable, "-c", hook, cwd=ROOT)  # what `pip install -e .` calls
    names = {"wheel": "wheel", "sdist": "sdist", "editable": "edit"}
    wheels = {name: next((folder / place).glob("*.whl")) for name, place in names.items()}
    return Built(sdist, wheels)


@dataclass(frozen=True)
class Installed:
    """A venv with mitrarr in it, and a folder far from the checkout."""

    kind: str
    venv: Path
    elsewhere: Path

    def run(self, program: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return run(self.venv / "bin" / program, *words, cwd=self.elsewhere)

    def says(self, source: str) -> str:
        return made(self.venv / "bin" / "python", "-c", source, cwd=self.elsewhere).strip()


@pytest.fixture(scope="module", params=["wheel", "sdist", "editable"])
def installed(
    request: pytest.FixtureRequest, built: Built, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    folder = tmp_path_factory.mktemp(request.param)
    venv, elsewhere = folder / "venv", folder / "elsewhere"
    elsewhere.mkdir()
    made(sys.executable, "-m", "venv", "--without-pip", venv, cwd=folder)
    pip = (sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "--quiet")
    made(*pip, "install", "--no-deps", "--no-index", built.wheels[request.param], cwd=folder)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    lent = venv / "lib" / version / "site-packages" / "lent.pth"
    lent.write_text(sysconfig.get_path("purelib") + "\n" + sysconfig.get_path("platlib") + "\n")
    return Installed(request.param, venv, elsewhere)


def test_the_installed_package_is_the_one_that_runs(installed: Installed) -> None:
    found = Path(installed.says("import mitrarr_runner as m; print(m.__path__[0])"))
    home = ROOT if installed.kind == "editable" else installed.venv
    assert found.is_relative_to(home)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("mitrarr", ["--help"]),
        ("scheduler-cli", ["--help"]),
        ("python", ["-m", "infra.cli.main", "--help"]),
    ],
)
def test_every_door_opens(installed: Installed, program: str, words: list[str]) -> None:
    done = installed.run(program, *words)
    assert done.returncode == 0, done.stderr
    assert "register-nist" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["schemas", "templates", "configs"])
def test_the_data_folders_are_found(installed: Installed, name: str) -> None:
    source = f"from mitrarr_runner import resources; print(resources.folder({name!r}))"
    found = Path(installed.says(source))
    shipped = {path.relative_to(ROOT / name) for path in (ROOT / name).rglob("*") if path.is_file()}
    here = {path.relative_to(found) for path in found.rglob("*") if path.is_file()}
    assert here == shipped
    assert found.is_relative_to(installed.venv) is (installed.kind != "editable")


@pytest.mark.parametrize("name", ["prod", "guardian/guardian.json"])
def test_the_shipped_manifests_are_good(installed: Installed, name: str) -> None:
    source = "from mitrarr_runner import resources; print(resources.folder('configs'))"
    done = installed.run("mitrarr", "validate", Path(installed.says(source)) / name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_is_printed(installed: Installed) -> None:
    done = installed.run("mitrarr", "schema")
    assert done.returncode == 0, done.stderr
    assert '"adiciona_nists"' in done.stdout or '"$defs"' in done.stdout


def test_portuguese_is_installed(installed: Installed) -> None:
    source = (
        "from mitrarr_runner.text import Catalogue, text;"
        "print(Catalogue('pt_BR')(text('interrupted')))"
    )
    assert installed.says(source) == "interrompido"


def test_a_wheel_brings_its_packages_and_nothing_else(built: Built) -> None:
    for kind in ("wheel", "sdist"):
        with zipfile.ZipFile(built.wheels[kind]) as archive:
            names = archive.namelist()
        tops = {name.split("/")[0] for name in names}
        assert {top for top in tops if not top.endswith(".dist-info")} == {
            "mitrarr_runner",
            "infra",
        }
        assert "mitrarr_runner/py.typed" in names
        assert "mitrarr_runner/store/migrations/0001_first.sql" in names
        assert not [name for name in names if "__pycache__" in name or name.endswith(".po~")]


def test_the_sdist_has_what_a_packager_needs(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml"}
    wanted |= {
        "compat/infra/cli/main.py",
        "tests/test_packaging.py",
        "configs/guardian/guardian.json",
    }
    assert wanted <= names
    assert not [name for name in names if name.startswith((".venv", "demo-site", "state/"))]
