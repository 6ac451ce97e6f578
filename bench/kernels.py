"""Measuring programs do not start themselves again as bilens does where OpenBLAS is older than the processor, so they would get its kernels of 2004, several
times slower. Importing this gives them the program's kernels, and threads that wait asleep."""
import json
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


def peaks():
    """What one thread multiplies in both precisions, measured now, and whether bfloat16 can gain anything on this processor."""
    run = subprocess.run([os.path.join(os.path.dirname(program), "bench", "image_speed"), "peak"], capture_output=True, text=True, check=True)
    full, half = (json.loads(run.stdout)[kind] / 1e9 for kind in ("float32", "bfloat16"))
    if not half:
        return f"Peak of one thread in the same run: float32 {full:.0f} GFLOP/s; this processor has no instructions for bfloat16, so that there are no rows of it."
    return f"Peaks of one thread in the same run: float32 {full:.0f} GFLOP/s, bfloat16 {half:.0f}: this processor has bfloat16, and it is {'faster' if half > full else 'slower'}."
