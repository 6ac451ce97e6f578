"""Writes a model as GGUF with the names and layouts of docs/specification.md, 18, and gives the weights back as they were stored."""
import numpy as np
import torch
import gguf

LAYER = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up",
         "ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
FOUR = {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "transformer.wte": "token_embd",
         "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm"}


def name_of(key, four):
    stem, ending = key.rsplit(".", 1)
    if stem in WHOLE:
        return f"{WHOLE[stem]}.{ending}"
    parts = stem.split(".")
    at = parts.index("layers" if "layers" in parts else "h") + 1
    inner = ".".join(parts[at + 1:])
    inner = (FOUR if four else {"post_attention_layernorm": "ffn_norm"}).get(inner) or LAYER[inner]
    return f"blk.{parts[at]}.{inner}.{ending}"


def write(path, model_type, c, state, kind):
    arch = {"gemma3_text": "gemma3"}.get(model_type, model_type)
    w = gguf.GGUFWriter(path, arch)
    get = lambda key, other=None: getattr(c, key, other)
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(get("max_position_embeddings"))
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(get("n_inner") or get("intermediate_size"))
    w.add_head_count(c.num_attention_heads)
    if model_type == "gpt2":
        w.add_layer_norm_eps(c.layer_norm_epsilon)
    else:
        w.add_head_count_kv(c.num_key_value_heads)
        w.add_layer_norm_rms_eps(c.rms_norm_eps)
        rope = c.rope_parameters
        scaled = rope.get("full_attention", rope)
        w.add_rope_freq_base(scaled["rope_theta"])
        if scaled["rope_type"] == "linear":
            w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            w.add_rope_scaling_factor(scaled["factor"])
        if get("head_dim"):
            w.add_key_length(c.head_dim)
            w.add_value_length(c.head_dim)
        if get("sliding_window"):
            w.add_sliding_window(c.sliding_window)
    stored = {}
    for key, weight in state.items():
        value = weight.float().numpy()
        if "norm" in key and arch.startswith("gemma"):
            value = value + 1
        turned = model_type == "gpt2" and value.ndim == 2 and ".c_" in key
        value = np.ascontiguousarray(value.T if turned else value, dtype=np.float32)
        name = name_of(key, arch in ("gemma2", "gemma3"))
        dtype = gguf.GGMLQuantizationType[kind if value.ndim == 2 else "F32"]
        data = gguf.quants.quantize(value, dtype)
        back = gguf.quants.dequantize(data, dtype).reshape(value.shape)
        w.add_tensor(name, data, raw_dtype=dtype)
        back = back.T if turned else back
        stored[key] = torch.tensor(np.ascontiguousarray(back - 1 if "norm" in key and arch.startswith("gemma") else back))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return stored
