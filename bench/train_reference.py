#!/usr/bin/env python3
"""The other side of the training benchmark: the same model and batch in PyTorch, as a careful user would write it.

    train_reference.py D_MODEL D_HIDDEN HEADS LAYERS VOCAB STORIES CONTEXT NOISE STEPS FILE [compile] [bf16]

Bilinear transformer without norms (the paper's recipe), scaled_dot_product_attention, cross_entropy, gradient clipping, fused AdamW.
Writes the initial weights and the batch to FILE (flat float32 in the checkpoint's order of tensors, then int32 ids [STORIES, CONTEXT]), so that
train_speed.c starts from the same. Prints one JSON line; the time is the median of STEPS steps after three, all on the one batch.
"""
import json, statistics, sys, time
import torch
import torch.nn.functional as F

d, h, H, L, V, B, T = map(int, sys.argv[1:8])
noise, steps, path, compiled = float(sys.argv[8]), int(sys.argv[9]), sys.argv[10], "compile" in sys.argv[11:]
half = "bf16" in sys.argv[11:]
torch.manual_seed(0)


def with_noise(x):
    return x + torch.randn_like(x) * x.std(-1, keepdim=True) * noise if noise else x


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = torch.nn.Linear(d, 3 * d, bias=False)
        self.o = torch.nn.Linear(d, d, bias=False)
        self.w = torch.nn.Linear(d, 2 * h, bias=False)
        self.p = torch.nn.Linear(h, d, bias=False)

    def forward(self, x, cos, sin):
        n, t = x.shape[:2]
        q, k, v = self.qkv(with_noise(x)).view(n, t, 3, H, d // H).permute(2, 0, 3, 1, 4).unbind(0)

        def rotate(y):
            a, b = y.chunk(2, -1)
            return y * cos + torch.cat((-b, a), -1) * sin

        z = F.scaled_dot_product_attention(rotate(q), rotate(k), v, is_causal=True)
        x = x + self.o(z.transpose(1, 2).reshape(n, t, d))
        left, right = self.w(with_noise(x)).chunk(2, -1)
        return x + self.p(left * right)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = torch.nn.Embedding(V, d)
        self.layers = torch.nn.ModuleList(Layer() for _ in range(L))
        self.head = torch.nn.Linear(d, V, bias=False)
        k = d // H
        angle = torch.outer(torch.arange(T).float(), 1.0 / 10000 ** (torch.arange(0, k, 2).float() / k)).repeat(1, 2)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        for p in self.parameters():
            torch.nn.init.normal_(p, std=0.02)

    def forward(self, ids):
        x = self.wte(ids)
        for layer in self.layers:
            x = layer(x, self.cos[:ids.shape[1]], self.sin[:ids.shape[1]])
        logits = self.head(with_noise(x[:, :-1]))
        return F.cross_entropy(logits.reshape(-1, V), ids[:, 1:].reshape(-1))


model = Model()
ids = torch.randint(0, V, (B, T), dtype=torch.int32)
with open(path, "wb") as f:
    parts = [model.wte.weight] + [w for l in model.layers for w in (l.qkv.weight, l.o.weight, l.w.weight, l.p.weight)] + [model.head.weight]
    for part in parts:
        f.write(part.detach().numpy().tobytes())
    f.write(ids.numpy().tobytes())
ids = ids.long()
run = torch.compile(model) if compiled else model
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, fused=True)
times, loss = [], None
for step in range(steps + 3):
    start = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        loss = run(ids)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    times.append(time.perf_counter() - start)
seconds = statistics.median(times[3:])
print(json.dumps(dict(tokens_per_second=B * T / seconds, seconds_per_step=seconds, loss=loss.item(), torch=torch.__version__,
                      threads=torch.get_num_threads())))
