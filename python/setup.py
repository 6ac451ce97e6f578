"""The wheel is pure Python, and finds an installed libbilens. With

    BILENS_BUNDLE=build/libbilens.so.0 pip wheel ./python

it carries that library, the default model and the stories inside, and is tagged for this platform. The library still needs what it is linked
with (OpenBLAS, jansson, …) from the system, and should be built with -DBILENS_NATIVE=OFF if it is to run on other processors."""
import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # older setuptools: it comes with the package wheel
    from wheel.bdist_wheel import bdist_wheel

library = os.environ.get("BILENS_BUNDLE")
data = Path(__file__).resolve().parent.parent / "data"


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        if not library:
            return
        target = Path(self.build_lib) / "bilens"
        shutil.copyfile(Path(library).resolve(strict=True), target / "libbilens.so.0")
        if data.is_dir():
            shutil.copytree(data / "stories-1-256", target / "data" / "stories-1-256", dirs_exist_ok=True)
            shutil.copyfile(data / "stories.txt", target / "data" / "stories.txt")


class PlatformWheel(bdist_wheel):
    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = not library

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2]) if library else super().get_tag()


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel})
