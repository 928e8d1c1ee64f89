"""What an installed package finds of configs and checkpoints, far from the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests import commands

FILES = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
BUILD = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"
OWN = "configs/simsiam/resnet18_of_my_own.yaml"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the package with one more config, which nothing lists."""
    source = tmp_path_factory.mktemp("source")
    for name in FILES:
        shutil.copy(commands.ROOT / name, source)
    bytecode = shutil.ignore_patterns("__pycache__")
    for name in ("ssl_tf", "configs"):
        shutil.copytree(commands.ROOT / name, source / name, ignore=bytecode)
    (source / "models").mkdir()
    shutil.copy(commands.ROOT / "models/manifest.yaml", source / "models")
    shutil.copy(source / "configs/simsiam/resnet18_digits.yaml", source / OWN)
    (source / "dist").mkdir()
    build = [sys.executable, "-c", BUILD]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (path,) = (source / "dist").glob("*.whl")
    return path


def installed(folder, place, *arguments):
    """`(exit code, stdout, stderr)` of a command of the package in `place`."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_wheel_holds_every_config_without_a_list_of_them(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = [p for p in (commands.ROOT / "configs").rglob("*") if p.is_file()]
    wanted = {f"ssl_tf/{p.relative_to(commands.ROOT)}" for p in configs}
    assert len(wanted) > 100
    assert wanted | {f"ssl_tf/{OWN}", "ssl_tf/models/manifest.yaml"} <= names
    assert all(name.startswith(("ssl_tf/", "ssl_tf-")) for name in names)


def test_an_installed_package_lists_its_own_configs_not_those_beside_it(
    wheel, tmp_path
):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    (tmp_path / "configs/simsiam").mkdir(parents=True)
    (tmp_path / "configs/simsiam/mine_digits.yaml").write_text("")
    code, out, error = installed(tmp_path, tmp_path, "ssl_tf.train", "--list")
    assert (code, error) == (0, "")
    assert "--method simsiam --arch resnet18_of_my --dataset own" in out
    assert "mine" not in out
    code, out, _ = installed(tmp_path, tmp_path, "ssl_tf.convert", "--list")
    assert code == 0
    assert "ssal_resnet50_baseline" in out


def test_a_package_without_configs_says_so_in_one_line(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__", "configs")
    shutil.copytree(commands.ROOT / "ssl_tf", tmp_path / "ssl_tf", ignore=ignored)
    code, _, error = installed(tmp_path, tmp_path, "ssl_tf.train", "--list")
    assert code == 2
    assert error.count("\n") == 1
    assert error.startswith(f"{tmp_path}/configs: is missing; install ssl_tf with pip")


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--target", "--prefix", "--root"])
def test_pip_installs_a_wheel_anywhere(wheel, tmp_path, option):
    quiet = ("--quiet", "--no-deps", "--no-index", "--ignore-installed")
    place = tmp_path / "there"
    pip = [sys.executable, "-m", "pip", "install", *quiet, option, place, wheel]
    subprocess.run(pip, check=True, cwd=tmp_path)
    (package,) = place.rglob("ssl_tf/train.py")
    chosen = ("--method", "ssal", "--dataset", "digits", "--no-measure")
    code, out, error = installed(tmp_path, package.parents[1], "ssl_tf.plan", *chosen)
    assert code == 0, error
    assert "model       ssal on preact_resnet18" in out
