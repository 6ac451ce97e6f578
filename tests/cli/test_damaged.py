"""Each case changes one thing in a small model of tests/data/general and says what the message must name. Called by test_damaged.sh."""
import json
import pathlib
import shutil
import struct
import subprocess
import sys

BILENS, DATA, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
GENERAL = DATA / "general"
SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY, U32, F32 = 8, 9, 4, 6
GONE = object()


class Gguf:
    """A GGUF file as keys, tensors and data; what is written is what these say."""

    def __init__(self, path):
        self.raw = path.read_bytes()
        self.at = 8
        n_tensors, n_keys = self.take("Q"), self.take("Q")
        self.version = 3
        self.keys = {}
        for _ in range(n_keys):
            name = self.string()
            kind = self.take("I")
            self.keys[name] = (kind, self.value(kind))
        self.tensors = {}
        for _ in range(n_tensors):
            name = self.string()
            dims = [self.take("Q") for _ in range(self.take("I"))]
            self.tensors[name] = [dims, self.take("I"), self.take("Q")]
        self.data = self.raw[(self.at + 31) // 32 * 32:]

    def take(self, code):
        value = struct.unpack_from("<" + code, self.raw, self.at)[0]
        self.at += struct.calcsize("<" + code)
        return value

    def string(self):
        n = self.take("Q")
        self.at += n
        return self.raw[self.at - n:self.at]

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            inner, n = self.take("I"), self.take("Q")
            return inner, [self.value(inner) for _ in range(n)]
        return self.take(SIZES[kind])

    def write(self, path):
        def text(value):
            return struct.pack("<Q", len(value)) + value

        def encode(kind, value):
            if kind == STRING:
                return text(value)
            if kind == ARRAY:
                return struct.pack("<IQ", value[0], len(value[1])) + b"".join(encode(value[0], v) for v in value[1])
            return struct.pack("<" + SIZES[kind], value)
        out = b"GGUF" + struct.pack("<IQQ", self.version, len(self.tensors), len(self.keys))
        for name, (kind, value) in self.keys.items():
            out += text(name) + struct.pack("<I", kind) + encode(kind, value)
        for name, (dims, kind, offset) in self.tensors.items():
            out += text(name) + struct.pack("<I", len(dims)) + b"".join(struct.pack("<Q", n) for n in dims) + struct.pack("<IQ", kind, offset)
        path.write_bytes(out + bytes(-len(out) % 32) + self.data)


def key(name, value):
    """A GGUF key becomes `value` = (kind, value), or goes."""
    def change(g):
        if value is GONE:
            del g.keys[name.encode()]
        else:
            g.keys[name.encode()] = value
    return change


def tensor(name, field, value):
    def change(g):
        g.tensors[name.encode()][field] = value
    return change


def set_config(**keys):
    def change(config):
        for name, value in keys.items():
            if value is GONE:
                config.pop(name, None)
            else:
                config[name] = value
    return change


def scaling(**keys):
    return set_config(rope_scaling=keys, rope_parameters=GONE)


CONFIGS = [
    ("qwen3", set_config(model_type="mixtral"), "mixtral"),
    ("qwen3", set_config(model_type="qwen3_moe"), "qwen3_moe"),
    ("gemma3", set_config(model_type="gemma3"), '"model_type" is gemma3,'),
    ("qwen3", set_config(model_type=7), "model_type"),
    ("qwen3", set_config(hidden_size=GONE), "hidden_size"),
    ("qwen3", set_config(hidden_size=-32), "hidden_size"),
    ("qwen3", set_config(hidden_size=40), "embed_tokens"),
    ("qwen3", set_config(intermediate_size="44"), "intermediate_size"),
    ("qwen3", set_config(num_hidden_layers=3, layer_types=GONE), "layers.2"),
    ("qwen3", set_config(num_hidden_layers=1, layer_types=GONE), "layers.1"),
    ("qwen3", set_config(num_attention_heads=0), "num_attention_heads"),
    ("qwen3", set_config(num_key_value_heads=3), "num_key_value_heads"),
    ("qwen3", set_config(hidden_act="quick_gelu"), "quick_gelu"),
    ("qwen3", set_config(rms_norm_eps=-1), "epsilon"),
    ("qwen3", set_config(vocab_size=12), "vocab_size"),
    ("qwen3", set_config(tie_word_embeddings="yes"), "tie_word_embeddings"),
    ("qwen3", set_config(attention_bias=False), "bias"),
    ("qwen3", set_config(max_position_embeddings=GONE), "max_position_embeddings"),
    ("qwen3", set_config(layer_types=["full_attention"]), "layer_types"),
    ("qwen3", set_config(layer_types=["linear_attention"] * 2), "linear_attention"),
    ("qwen3", set_config(quantization_config={"quant_method": "gptq"}), "quantization_config"),
    ("qwen3", scaling(rope_type="dynamic", factor=2.0), "dynamic"),
    ("qwen3", scaling(rope_type="yarn", factor=0), "yarn"),
    ("qwen3", scaling(rope_type="yarn", factor=4.0, mscale=1.0), "mscale"),
    ("qwen3", scaling(rope_type="llama3", factor=4.0, low_freq_factor=4, high_freq_factor=1), "llama3"),
    ("phi3", scaling(type="longrope", short_factor=[1.0], long_factor=[1.0]), "short_factor"),
    ("phi3", set_config(partial_rotary_factor=0), "rope base"),
    ("phi3", set_config(sliding_window=-4), "sliding_window"),
    ("smollm3", set_config(no_rope_layers=[1]), "no_rope_layers"),
    ("gemma3", set_config(use_bidirectional_attention=True), "use_bidirectional_attention"),
    ("gemma3", set_config(query_pre_attn_scalar=0), "query_pre_attn_scalar"),
    ("gpt2", set_config(n_head=5), "n_head"),
    ("gpt2", set_config(scale_attn_by_inverse_layer_idx=True), "scale_attn_by_inverse_layer_idx"),
    ("gpt2", set_config(activation_function="elu"), "elu"),
    ("neox", set_config(rotary_pct=2), "rope base"),
    ("neox", set_config(use_parallel_residual="both"), "use_parallel_residual"),
]
TOKENIZERS = [
    ("qwen3", lambda t: t["model"].update(type="Unigram"), "Unigram"),
    ("qwen3", lambda t: t["pre_tokenizer"]["pretokenizers"][0]["pattern"].update(Regex="(a"), "Regex"),
    ("gemma", lambda t: t["normalizer"].update(type="Precompiled"), "Precompiled"),
    ("gemma", lambda t: t["model"]["merges"].append(["zz", "qq"]), "merge"),
]
LLAMA, GPT2 = "gemma-gguf", "gpt2-gguf"
FILES = [
    (LLAMA, key("general.architecture", GONE), "general.architecture"),
    (LLAMA, key("general.architecture", (STRING, b"mamba")), "mamba"),
    (LLAMA, key("gemma.block_count", GONE), "gemma.block_count"),
    (LLAMA, key("gemma.block_count", (U32, 0)), "gemma.block_count"),
    (LLAMA, key("gemma.block_count", (STRING, b"two")), "gemma.block_count"),
    (LLAMA, key("gemma.embedding_length", (U32, 64)), "token_embd"),
    (LLAMA, key("gemma.attention.head_count", (U32, 0)), "gemma.attention.head_count"),
    (LLAMA, key("gemma.attention.head_count_kv", (U32, 3)), "key_value_heads"),
    (LLAMA, key("gemma.attention.value_length", (U32, 6)), "gemma.attention.value_length"),
    (LLAMA, key("gemma.attention.layer_norm_rms_epsilon", (F32, float("nan"))), "layer_norm_rms_epsilon"),
    (LLAMA, key("gemma.rope.scaling.type", (STRING, b"yarn")), "yarn"),
    (LLAMA, key("gemma.rope.dimension_count", (U32, 99)), "gemma.rope.dimension_count"),
    (LLAMA, key("gemma.expert_count", (U32, 8)), "gemma.expert_count"),
    (LLAMA, key("general.alignment", (U32, 7)), "general.alignment"),
    (LLAMA, tensor("blk.0.attn_q.weight", 0, [32, 8]), "blk.0.attn_q"),
    (LLAMA, tensor("blk.0.attn_q.weight", 1, 99), "blk.0.attn_q.weight"),
    (LLAMA, tensor("blk.0.attn_q.weight", 2, 1 << 40), "blk.0.attn_q.weight"),
    (LLAMA, lambda g: g.tensors.pop(b"blk.1.ffn_up.weight"), "up_proj"),
    (LLAMA, lambda g: g.tensors.update({b"blk.0.extra.weight": [[4], 0, 0]}), "blk.0.extra.weight"),
    (LLAMA, lambda g: setattr(g, "version", 9), "version"),
    (LLAMA, lambda g: setattr(g, "data", g.data[:1000]), ".weight"),
    (GPT2, key("gpt2.attention.layer_norm_epsilon", GONE), "gpt2.attention.layer_norm_epsilon"),
    (GPT2, key("gpt2.context_length", (U32, 12)), "position_embd"),
    (GPT2, key("tokenizer.ggml.model", (STRING, b"t5")), "tokenizer.ggml.tokens"),
]
failures = ran = 0


def expect(model, words, what):
    global failures, ran
    ran += 1
    got = subprocess.run([BILENS, "eval", str(model), "--corpus", str(GENERAL / "corpus.txt")], capture_output=True, text=True)
    if got.returncode != 2 or words not in got.stderr:
        failures += 1
        print(f"FAIL: {what}: expected status 2 and '{words}', got {got.returncode} and: {got.stderr.strip()} {got.stdout.strip()}")


for i, (name, change, words) in enumerate(CONFIGS + TOKENIZERS):
    model = FOLDER / f"{i}"
    shutil.copytree(GENERAL / name, model)
    path = model / ("config.json" if i < len(CONFIGS) else "tokenizer.json")
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))
    expect(model, words, f"{name}, case {i}")
for i, (name, change, words) in enumerate(FILES):
    file = Gguf(GENERAL / f"{name}.gguf")
    change(file)
    path = FOLDER / f"{i}.gguf"
    file.write(path)
    expect(path, words, f"{name}.gguf, case {i}")
for size in (3, 20, 100, 700):
    path = FOLDER / f"cut-{size}.gguf"
    path.write_bytes((GENERAL / f"{LLAMA}.gguf").read_bytes()[:size])
    expect(path, f"cut-{size}.gguf", f"{size} bytes of a file")
print(f"{ran - failures} passed, {failures} failed")
sys.exit(1 if failures else 0)
