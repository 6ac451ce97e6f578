"""Builds the package: the declarations of the C library come from its public headers, and where the library has been built (`make`, in
build/) it is carried inside, with the default model and stories. Then the package needs nothing else of this tree, and is tagged for this
platform. Without a built library the package is pure Python and looks for an installed libbilens.

$BILENS_BUNDLE names another library to carry, a path from the source tree's root (`make wheel` builds one that runs on other processors,
too); "none": carry none. The library
still needs what it is linked with (OpenBLAS, jansson, …) from the system."""
import importlib.util
import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # older setuptools: it comes with the package wheel
    from wheel.bdist_wheel import bdist_wheel

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
HEADERS = TOP / "include" / "bilens"
DATA = TOP / "data"


def library():
    """The file to carry, or None."""
    named = os.environ.get("BILENS_BUNDLE")
    if named == "none":
        return None
    if named:
        return (TOP / named).resolve(strict=True)
    built = TOP / "build" / "libbilens.so.0"
    return built.resolve() if built.exists() else None


class Build(build_py):
    def run(self):
        super().run()
        target = Path(self.build_lib) / "bilens"
        if not (HEADERS / "bilens.h").exists():
            raise SystemExit(f"{HEADERS} is not here: build the package from bilens's source tree, pip install ./python")
        spec = importlib.util.spec_from_file_location("bilens_headers", HERE / "bilens" / "_headers.py")
        headers = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(headers)
        headers.write(HEADERS, target / "_declarations.py")
        shutil.rmtree(target / "data", ignore_errors=True)  # of an earlier build
        (target / "libbilens.so.0").unlink(missing_ok=True)
        if library():
            shutil.copyfile(library(), target / "libbilens.so.0")
            shutil.copytree(DATA / "stories-1-256", target / "data" / "stories-1-256")
            shutil.copyfile(DATA / "stories.txt", target / "data" / "stories.txt")


class PlatformWheel(bdist_wheel):
    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = library() is None

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2]) if library() else super().get_tag()


setup(cmdclass={"build_py": Build, "bdist_wheel": PlatformWheel})
