#!/usr/bin/env python3
"""Writes tiny ordinary models with odd settings and what transformers makes of them, in float64.

    make_general.py DIRECTORY              the models of the test: NAME/ (config.json, safetensors, tokenizer.json), NAME.gguf, NAME.json
    make_general.py DIRECTORY FIRST COUNT  models with random settings instead, one for each number from FIRST

Needs `pip install torch transformers tokenizers gguf`. NAME.json: {"trace": {"ids", "logits": [{"position", "top", "at"}], "mlp_in.N":
[{"position", "values"}]}, "eval": {"stories", "loss", "predictions"}, "texts": [{"text", "ids"}]}, as ../shared/golden/general has them."""
import copy
import json
import math
import pathlib
import random
import sys

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer

import general_gguf
import general_tokenizers

HERE = pathlib.Path(__file__).parent
SHORT = [s.strip() for s in (HERE / "../models/stories.txt").read_text().split("<|endoftext|>") if s.strip()]
WORDS = " ".join(SHORT).split()


def stories():
    """Some short ones and some longer than any window, and than the context."""
    r = random.Random(5)
    return SHORT[:2] + [" ".join(r.choice(WORDS) for _ in range(n)) for n in (30, 70, 200)]


STORIES = stories()
TEXT = " ".join(STORIES[2:4])
HOSTILE = ["", " ", "  x\n\n\n y\t\t ", "It's 12345 o'CLOCK, 3.14!? ", "é e\u0301 ﬁ 中文 \u00a0🙂\u200d☃", "<s><|endoftext|> <bos>  <|user|>  a",
           "don't\r\nDON'T  we'll\u3000ok", "\u2581a \u0001 b", "a" * 40 + "   " + "1" * 10]
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}

# name: model_type, settings of the config, {dtype, shards, legacy (config.json as transformers 4 wrote it), tokenizer, stored, gguf}
MODELS = {
    "smollm3": ("smollm3", dict(num_key_value_heads=2, no_rope_layer_interval=2, rope_theta=5e6, attention_bias=True, mlp_bias=True,
                                layer_types=["sliding_attention", "full_attention", "full_attention"], use_sliding_window=True, sliding_window=20),
                dict(dtype="BF16", layers=3, tokenizer="llama3")),
    "gemma": ("gemma", dict(num_key_value_heads=1, head_dim=10, hidden_act="gelu", attention_bias=True),
              dict(dtype="F16", legacy=True, tokenizer="gemma", gguf="F32")),
    "gemma3": ("gemma3_text", dict(num_key_value_heads=2, head_dim=10, sliding_window=16, query_pre_attn_scalar=7,
                                   rope_scaling={"rope_type": "linear", "factor": 8.0}, rope_theta=1e6, rope_local_base_freq=1e3,
                                   layer_types=["sliding_attention", "full_attention", "sliding_attention"], final_logit_softcapping=3.0),
               dict(dtype="BF16", layers=3, tokenizer="gemma")),
    "gemma3-six": ("gemma3_text", dict(num_key_value_heads=2, head_dim=16, sliding_window=24, query_pre_attn_scalar=16, hidden_size=24,
                                       intermediate_size=32, rope_scaling={"rope_type": "linear", "factor": 8.0}, rope_theta=1e6, rope_local_base_freq=1e4),
                   dict(dtype="F32", layers=7, legacy=True, tokenizer="gemma", gguf="F16")),
    "phi3": ("phi3", dict(num_key_value_heads=2, partial_rotary_factor=0.75, sliding_window=30, original_max_position_embeddings=64,
                          max_position_embeddings=256, rope_scaling={"type": "longrope", "short_factor": [1.0, 1.1, 1.3], "long_factor": [1.2, 2.5, 7.0]}),
             dict(dtype="F32", legacy=True, tokenizer="phi3", shards=True)),
    "phi3-plain": ("phi3", dict(num_key_value_heads=4, sliding_window=None, tie_word_embeddings=True, intermediate_size=64), dict(dtype="BF16", tokenizer="phi3", gguf="Q8_0")),
    "neox": ("gpt_neox", dict(rotary_pct=0.5, rotary_emb_base=700, use_parallel_residual=True), dict(dtype="F16", legacy=True, tokenizer="neox", stored="neox")),
    "neox-serial": ("gpt_neox", dict(rotary_pct=0.25, use_parallel_residual=False, attention_bias=False, hidden_act="gelu_new", tie_word_embeddings=True,
                                     rope_scaling={"type": "linear", "factor": 2.5}),
                    dict(dtype="F32", tokenizer="neox", head=16)),
    "qwen3": ("qwen3", dict(num_key_value_heads=2, head_dim=12, attention_bias=True, use_sliding_window=True, sliding_window=25, max_window_layers=1),
              dict(dtype="BF16", tokenizer="qwen2")),
    "gpt2": ("gpt2", dict(n_inner=50, layer_norm_epsilon=1e-3), dict(dtype="F32", tokenizer="gpt2", gguf="F16")),
}


def settings_of(model_type, settings, layers, n_vocab, head):
    d = settings.get("hidden_size", 32 if head is None else 4 * head)
    if model_type == "gpt2":
        return dict(n_embd=d, n_layer=layers, n_head=4, n_positions=256, vocab_size=n_vocab) | settings
    base = dict(hidden_size=d, intermediate_size=44, num_hidden_layers=layers, num_attention_heads=4, max_position_embeddings=256, vocab_size=n_vocab,
                pad_token_id=None, bos_token_id=None, eos_token_id=None)
    return base | settings


def config_class(model_type):
    return type(transformers.AutoConfig.for_model(model_type))


def legacy(config, settings, model_type):
    """config.json with the keys of transformers 4: rope_theta, rope_scaling, rotary_pct, rotary_emb_base, torch_dtype, as the settings gave them."""
    config = {k: v for k, v in config.items() if k not in ("rope_parameters", "layer_types", "dtype", "partial_rotary_factor")}
    for key in ("rope_theta", "rope_scaling", "rope_local_base_freq", "rotary_pct", "rotary_emb_base", "partial_rotary_factor", "layer_types"):
        if settings.get(key) is not None:
            config[key] = settings[key]
    if model_type == "gemma3_text" and "layer_types" not in settings:
        config["sliding_window_pattern"] = settings.get("sliding_window_pattern", 6)
    return config


def spread(model, generator):
    """Weights that make every setting matter: norms near 1, biases and matrices well away from 0."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            norm = "norm" in name or "ln_" in name
            noise = torch.randn(weight.shape, generator=generator)
            if norm and name.endswith("weight"):
                zero = type(model).__name__.startswith("Gemma")
                weight.copy_((0.0 if zero else 1.0) + 0.2 * noise)
            elif weight.dim() == 1:
                weight.copy_(0.2 * noise)
            else:
                weight.copy_(noise * (0.5 if "embed" in name or "wte" in name else 1.2 / math.sqrt(weight.shape[-1])))


def neox_buffers(state):
    """What older files hold besides parameters: masks as bytes, rotary tables."""
    layers = {k.split(".")[2] for k in state if k.startswith("gpt_neox.layers.")}
    for i in layers:
        state[f"gpt_neox.layers.{i}.attention.bias"] = torch.ones(1, 1, 8, 8, dtype=torch.uint8)
        state[f"gpt_neox.layers.{i}.attention.masked_bias"] = torch.tensor(-1e9)
        state[f"gpt_neox.layers.{i}.attention.rotary_emb.inv_freq"] = torch.ones(2)
    return state


def write_weights(directory, state, shards):
    state = {k: v.contiguous() for k, v in state.items()}
    if not shards:
        save_file(state, directory / "model.safetensors", metadata={"format": "pt"})
        return
    names, where = sorted(state), {}
    for i, part in enumerate((names[::2], names[1::2])):
        file = f"model-{i + 1:05}-of-00002.safetensors"
        save_file({k: state[k] for k in part}, directory / file, metadata={"format": "pt"})
        where |= dict.fromkeys(part, file)
    (directory / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def mlp_inputs(model, model_type, inputs):
    """Hooks that keep what the norm before each MLP gives, without its weight and bias."""
    layers = model.transformer.h if model_type == "gpt2" else model.gpt_neox.layers if model_type == "gpt_neox" else model.model.layers
    for i, layer in enumerate(layers):
        norm = layer.ln_2 if model_type == "gpt2" else getattr(layer, "pre_feedforward_layernorm", None) or layer.post_attention_layernorm
        offset = 1.0 if model_type.startswith("gemma") else 0.0

        def keep(module, args, output, i=i, norm=norm):
            value = output.detach()
            if getattr(norm, "bias", None) is not None:
                value = value - norm.bias
            inputs[i] = (value / (norm.weight + offset))[0]
        norm.register_forward_hook(keep)


def golden(model, model_type, tokenizer, n_ctx, add_texts):
    inputs = {}
    mlp_inputs(model, model_type, inputs)
    ids = tokenizer.encode(TEXT).ids[:n_ctx]
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0].double()
    places = sorted({0, 1, len(ids) // 2, len(ids) - 1})
    points = []
    for p in places:
        top = torch.topk(logits[p], 10)
        at = list(range(0, logits.shape[1], max(1, logits.shape[1] // 8)))[:8]
        points.append({"position": p, "top": [[int(i), round(float(v), 8)] for v, i in zip(top.values, top.indices)],
                       "at": [[i, round(float(logits[p, i]), 8)] for i in at]})
    out = {"trace": {"text": TEXT, "ids": ids, "logits": points}}
    for i, value in inputs.items():
        if i in (0, len(inputs) - 1):
            out["trace"][f"mlp_in.{i}"] = [{"position": p, "values": [round(float(x), 7) for x in value[p]]} for p in places[1:]]
    total = count = 0
    for story in STORIES:
        ids = torch.tensor(tokenizer.encode(story).ids[:n_ctx])
        with torch.no_grad():
            logits = model(ids[None], use_cache=False).logits[0].double()
        total += float(torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction="sum"))
        count += len(ids) - 1
    out["eval"] = {"stories": len(STORIES), "loss": total / count, "predictions": count}
    if add_texts:
        out["texts"] = [{"text": text, "ids": tokenizer.encode(text).ids} for text in HOSTILE]
    return out


def make(directory, name, model_type, settings, how, seed, reference=None):
    tokenizer_json = general_tokenizers.make(how["tokenizer"])
    tokenizer = Tokenizer.from_str(tokenizer_json)
    n_vocab = tokenizer.get_vocab_size() + 3
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    layers = how.get("layers", 2)
    given = settings_of(model_type, copy.deepcopy(settings), layers, n_vocab, how.get("head"))
    config = config_class(model_type)(**copy.deepcopy(given))
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    spread(model, generator)
    model = model.to(DTYPES[how["dtype"]])
    out = directory / name
    out.mkdir(parents=True, exist_ok=True)
    written = json.loads(config.to_json_string(use_diff=False)) if how.get("whole") else config.to_dict()
    written = {k: v for k, v in written.items() if not k.startswith("_") and k != "transformers_version"}
    if how.get("legacy"):
        written = legacy(written, given, model_type)
    written["architectures"] = [type(model).__name__]
    (out / "config.json").write_text(json.dumps(written, indent=1, default=str))
    (out / "tokenizer.json").write_text(tokenizer_json)
    state = dict(model.state_dict())
    tied = model.get_output_embeddings().weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()
    if tied:
        state = {k: v for k, v in state.items() if k not in ("lm_head.weight", "embed_out.weight")}
    if model_type == "gpt_neox" and how.get("legacy"):  # the published name
        state = {k.replace("lm_head.", "embed_out."): v for k, v in state.items()}
    if how.get("stored") == "neox":
        state = neox_buffers(state)
    write_weights(out, state, how.get("shards"))
    n_ctx = given.get("n_positions") or given["max_position_embeddings"]
    exact = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").double()  # its buffers are not rounded
    exact.load_state_dict(model.state_dict())
    model = exact.eval()
    (directory / f"{name}.json").write_text(json.dumps(golden(model, model_type, tokenizer, n_ctx, True)))
    if how.get("gguf"):
        stored = general_gguf.write(directory / f"{name}-gguf.gguf", model_type, config, state, how["gguf"])
        with torch.no_grad():
            for key, weight in model.state_dict().items():
                if key in stored:
                    weight.copy_(stored[key].double().reshape(weight.shape))
        ids_only = golden(model, model_type, tokenizer, n_ctx, False)
        (directory / f"{name}-gguf.json").write_text(json.dumps(ids_only))


def random_model(seed):
    r = random.Random(seed)
    kind = r.choice(["llama", "smollm3", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi3", "gpt2", "gpt_neox"])
    how = dict(dtype=r.choice(list(DTYPES)), layers=r.choice([1, 2, 3, 7]), tokenizer=r.choice(["llama3", "neox", "qwen2"]), shards=r.random() < .3)
    if kind == "gpt2":
        return kind, dict(activation_function=r.choice(["gelu_new", "relu", "gelu", "silu", "gelu_pytorch_tanh"]), n_inner=r.choice([None, 37]),
                          layer_norm_epsilon=r.choice([1e-5, 1e-2]), tie_word_embeddings=r.random() < .6), how
    k = r.choice([2, 4, 6, 8, 16])
    s = dict(num_attention_heads=4, rope_theta=r.choice([1e4, 5e5, 300.0]), rms_norm_eps=r.choice([1e-6, 1e-5, 1e-2]))
    if r.random() < .6:
        s["tie_word_embeddings"] = r.random() < .5
    if kind != "gpt_neox":
        s["num_key_value_heads"] = r.choice([1, 2, 4])
    if kind in ("llama", "qwen3", "gemma", "gemma2", "gemma3_text", "mistral", "phi3"):
        s["head_dim"] = k
    else:
        k = 8
    s["max_position_embeddings"] = 256
    if kind in ("llama", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3", "gpt_neox"):
        s["attention_bias"] = r.random() < .5
    if kind in ("llama", "smollm3"):
        s["mlp_bias"] = r.random() < .5
    scalings = [None, None, {"rope_type": "linear", "factor": 3.5},
                {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64},
                {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
                {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 12.0, "beta_slow": 2.0, "attention_factor": 1.3, "truncate": False}]
    s["rope_scaling"] = copy.deepcopy(r.choice(scalings))
    layers = how["layers"]
    if kind in ("llama", "qwen2", "qwen3", "smollm3", "mistral", "phi3"):
        s["hidden_act"] = r.choice(["silu", "silu", "gelu", "relu", "gelu_new", "gelu_pytorch_tanh"])
    if kind == "mistral":
        s["sliding_window"] = r.choice([None, 1, 5, 40, 500])
    if kind in ("qwen2", "qwen3", "smollm3"):
        s["use_sliding_window"] = r.random() < .6
        s["sliding_window"] = r.choice([7, 30])
        if kind != "smollm3" and r.random() < .5:
            s["max_window_layers"] = r.choice([0, 1, 2])
        elif s["use_sliding_window"]:
            s["layer_types"] = [r.choice(["full_attention", "sliding_attention"]) for _ in range(layers)]
    if kind == "smollm3":
        s[r.choice(["no_rope_layer_interval", "x"])] = r.choice([1, 2, 3])
        if r.random() < .5:
            s["no_rope_layers"] = [r.choice([0, 1]) for _ in range(layers)]
        s.pop("x", None)
    if kind in ("gemma2", "gemma3_text"):
        s["query_pre_attn_scalar"] = r.choice([3, 16, 256])
        s["sliding_window"] = r.choice([9, 33])
        s["hidden_activation"] = r.choice(["gelu_pytorch_tanh", "silu"])
        if r.random() < .5:
            if kind == "gemma2":  # transformers knows the key for Gemma 3, too, but does nothing with it
                s["attn_logit_softcapping"] = r.choice([None, 1.5])
            s["final_logit_softcapping"] = r.choice([None, 2.0])
        if r.random() < .5:
            s["layer_types"] = [r.choice(["full_attention", "sliding_attention"]) for _ in range(layers)]
    if kind == "gemma3_text":
        s["rope_local_base_freq"] = r.choice([1e4, 77.0])
        s["rope_theta"] = r.choice([1e6, 1e3])
        if s["rope_scaling"] and s["rope_scaling"]["rope_type"] != "linear":
            s["rope_scaling"] = None
    if kind == "phi3":
        s.pop("head_dim")
        k = 8
        s["partial_rotary_factor"] = r.choice([1.0, 0.75, 0.5])
        s["sliding_window"] = r.choice([None, 21])
        n = int(k * s["partial_rotary_factor"]) // 2
        if r.random() < .6:
            s["rope_scaling"] = {"type": "longrope", "short_factor": [1 + r.random() for _ in range(n)], "long_factor": [1 + 9 * r.random() for _ in range(n)]}
            s["original_max_position_embeddings"] = r.choice([64, 128, 400])
        else:
            s["rope_scaling"] = None
    if kind == "gpt_neox":
        s["rotary_pct"] = r.choice([.25, .5, 1.0])
        s["rotary_emb_base"] = s.pop("rope_theta")
        s["use_parallel_residual"] = r.random() < .5
        s["hidden_act"] = r.choice(["gelu", "gelu_new", "relu", "gelu_fast"])
        s["layer_norm_eps"] = s.pop("rms_norm_eps")
        if s["rope_scaling"] and s["rope_scaling"]["rope_type"] != "linear":
            s["rope_scaling"] = None
        how["stored"] = r.choice(["neox", None])
    how["legacy"] = r.random() < .5
    return kind, s, how


def main():
    directory = pathlib.Path(sys.argv[1])
    if len(sys.argv) > 2:
        first = int(sys.argv[2])
        for seed in range(first, first + int(sys.argv[3])):
            kind, settings, how = random_model(seed)
            make(directory, f"{seed:04}-{kind}", kind, settings, how, seed)
    else:
        (directory / "corpus.txt").write_text("\n<|endoftext|>\n".join(STORIES))
        for i, (name, (kind, settings, how)) in enumerate(MODELS.items()):
            make(directory, name, kind, settings, how, i)


main()
