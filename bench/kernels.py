"""Measuring programs do not start themselves again as bilens does where OpenBLAS is older than the processor, so they would get its kernels of 2004, several
times slower. Importing this gives them the program's kernels, and threads that wait asleep."""
import os
import re
import subprocess

here = os.path.dirname(os.path.abspath(__file__))
program = os.path.join(os.environ.get("BUILD", os.path.join(os.path.dirname(here), "build")), "bilens")

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if "OPENBLAS_CORETYPE" not in os.environ and os.path.exists(program):
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    if kernel := re.search(r"OpenBLAS [^ ]+ \((\w+)\)", version):
        os.environ["OPENBLAS_CORETYPE"] = kernel.group(1)
