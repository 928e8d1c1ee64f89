"""Puts configs and the list of checkpoints into the wheel, as data of the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Copies what lies beside `ssl_tf/` to where `config.home` looks for it.

    An editable install finds it in the checkout.
    """

    def run(self):
        super().run()
        if self.editable_mode:
            return
        package = Path(self.build_lib) / "ssl_tf"
        for name in ("configs", "models"):  # of an earlier build
            shutil.rmtree(package / name, ignore_errors=True)
        hidden = shutil.ignore_patterns(".*", "*~")
        shutil.copytree("configs", package / "configs", ignore=hidden)
        (package / "models").mkdir()
        shutil.copy("models/manifest.yaml", package / "models")


setup(cmdclass={"build_py": BuildWithConfigs})
