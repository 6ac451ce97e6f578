#!/usr/bin/env python3
"""Writes blocks.bin: for each quantised type random blocks and what gguf-py makes of them.

    make_blocks.py > blocks.bin        (needs `pip install gguf`)

An entry: the type's name in 8 bytes, u32 bytes, u32 numbers, the blocks, the numbers as float32."""
import struct
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

generator = np.random.default_rng(3)
for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"):
    _, size = gguf.GGML_QUANT_SIZES[Type[name]]
    numbers = np.array([np.nan])
    while not np.isfinite(numbers).all():  # scales are halves, which may be infinite
        blocks = generator.integers(0, 256, 3 * size, dtype=np.uint8)
        numbers = gguf.dequantize(blocks, Type[name]).astype(np.float32).reshape(-1)
    sys.stdout.buffer.write(struct.pack("<8sII", name.encode(), blocks.size, numbers.size) + blocks.tobytes() + numbers.tobytes())
