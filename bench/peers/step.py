"""The reference training steps in PyTorch, driven by step.mjs: reads one JSON command a line, answers with one.

Usage: python step.py FOLDER THREADS DEVICE      FOLDER: problem.json and the columns that step.mjs wrote; DEVICE: cpu or cuda:N

Commands: {"variant": "eager", "steps": 10, "loading": false, "warmUp": 3} -> {"seconds": [...], "phases": {...}}

Variants share tables, dense parameters and optimizer state; they differ in how the dense part is computed:
  eager    stock float32
  onednn   float32 linears through oneDNN, forward and backward (stock PyTorch sends them to MKL)
  compile  torch.compile over the dense part
  bf16     autocast to bfloat16
  bf16-compile  both
  tf32, tf32-compile  as eager and compile, on a GPU with products in tf32

On a GPU steps are timed together, from one synchronization to the next: "seconds" has their mean for each, and there are no phases.
"""

import json
import mmap
import os
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from onednn import OneDnnLinear


class Linear(nn.Linear):
    onednn = False

    def forward(self, x):
        if self.onednn:
            return OneDnnLinear.apply(x.contiguous(), self.weight, self.bias)
        return super().forward(x)


def mlp(inputs, sizes, last_relu):
    layers = []
    for index, size in enumerate(sizes):
        layers.append(Linear(inputs, size))
        if index + 1 < len(sizes) or last_relu:
            layers.append(nn.ReLU())
        inputs = size
    return nn.Sequential(*layers)


def pair_products(vectors):
    """Lower triangle of the dot products of [rows, vectors, dim], row by row."""
    count = vectors.shape[1]
    rows, columns = torch.tril_indices(count, count, offset=-1, device=vectors.device)
    return torch.bmm(vectors, vectors.transpose(1, 2))[:, rows, columns]


class TwoTower(nn.Module):
    def __init__(self, problem):
        super().__init__()
        model = problem["model"]
        sides = [feature["side"] for feature in problem["ids"]]
        self.user = [i for i, side in enumerate(sides) if side != "ad"]
        self.ad = [i for i, side in enumerate(sides) if side == "ad"]
        sizes = [*model["tower"]["hidden"], model["tower"]["out"]]
        dim = model["embeddingDim"]

        def width(dense, ids):
            return dense + len(ids) * dim + len(ids) * (len(ids) - 1) // 2

        self.towers = nn.ModuleList(
            [
                mlp(width(problem["dense"][0]["width"], self.user), sizes, False),
                mlp(width(problem["dense"][1]["width"], self.ad), sizes, False),
            ]
        )
        merged = model["tower"]["out"] + 1
        self.heads = nn.ModuleList([mlp(merged, [*model["heads"]["hidden"], 1], False) for _ in problem["tasks"]])

    def forward(self, dense, pooled):
        hidden = []
        for index, ids in enumerate((self.user, self.ad)):
            vectors = torch.stack([pooled[i] for i in ids], 1)
            stacked = torch.cat([dense[index], vectors.flatten(1), pair_products(vectors)], 1)
            hidden.append(self.towers[index](stacked))
        product = hidden[0] * hidden[1]
        merged = torch.cat([product, product.sum(1, keepdim=True)], 1)
        return [head(merged).squeeze(1) for head in self.heads]


class CrossNetwork(nn.Module):
    """x <- x0 * (up(down(x))) + x, layer by layer: DCN-v2's in its low-rank form."""

    def __init__(self, width, layers, rank):
        super().__init__()
        self.down = nn.ModuleList([nn.Linear(width, rank, bias=False) for _ in range(layers)])
        self.up = nn.ModuleList([Linear(rank, width) for _ in range(layers)])

    def forward(self, x0):
        x = x0
        for down, up in zip(self.down, self.up):
            x = torch.addcmul(x, x0, up(down(x)).to(x0.dtype))
        return x


class Dlrm(nn.Module):
    def __init__(self, problem):
        super().__init__()
        model = problem["model"]
        dim, tables = model["embeddingDim"], len(problem["ids"])
        interaction = model["interaction"]
        self.dot = interaction["kind"] == "dot"
        self.bottom = mlp(problem["dense"][0]["width"], model["bottom"], True) if model.get("bottom") else None
        vectors = tables + (1 if self.bottom else 0)
        width = dim + vectors * (vectors - 1) // 2 if self.dot else vectors * dim
        is_cross = interaction["kind"] == "cross"
        self.cross = CrossNetwork(width, interaction["layers"], interaction["rank"]) if is_cross else nn.Identity()
        self.top = mlp(width, [*model["top"]["hidden"], 1], False)

    def forward(self, dense, pooled):
        vectors = ([self.bottom(dense[0])] if self.bottom else []) + list(pooled)
        if not self.dot:
            return [self.top(self.cross(torch.cat(vectors, 1))).squeeze(1)]
        products = pair_products(torch.stack(vectors, 1))
        return [self.top(torch.cat([vectors[0], products], 1)).squeeze(1)]


class RowWiseAdagrad:
    """state[row] += mean(g²), w[row] -= lr · g / (sqrt(state[row]) + eps), on the rows of a sparse gradient."""

    def __init__(self, tables, lr):
        self.tables, self.lr = tables, lr
        self.states = [torch.zeros(table.shape[0], device=table.device) for table in tables]

    @torch.no_grad()
    def step(self):
        for table, state in zip(self.tables, self.states):
            gradient = table.grad.coalesce()
            rows, values = gradient.indices()[0], gradient.values()
            accumulated = state[rows] + values.square().mean(1)
            state[rows] = accumulated
            scale = self.lr / (accumulated.sqrt() + 1e-8)
            table.index_add_(0, rows, values * scale[:, None], alpha=-1)


def lazy_zeros(rows, dim):
    """Memory that is committed when it is first touched, so that tables larger than it may be used sparsely."""
    memory = mmap.mmap(-1, rows * dim * 4, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return torch.from_numpy(np.frombuffer(memory, np.float32).reshape(rows, dim))


def losses(logits, targets, mask, tasks):
    total = 0
    for index, task in enumerate(tasks):
        if task["kind"] == "bce":
            each = F.binary_cross_entropy_with_logits(logits[index].float(), targets[index], reduction="none")
        else:
            each = (logits[index].float() - targets[index]).square()
        active = mask[index]
        total = total + task["weight"] * ((each * active).sum() / active.sum() if active is not None else each.mean())
    return total


class Columns:
    """The columns of the log in memory, and batches of them."""

    def __init__(self, folder, problem):
        def read(name, kind):
            return np.fromfile(os.path.join(folder, name), dtype=kind)

        self.problem = problem
        self.dense = [[read(c, np.float32) for c in entry["columns"]] for entry in problem["dense"]]
        self.ids = [read(entry["values"], np.uint32) for entry in problem["ids"]]
        self.offsets = [read(e["offsets"], np.int32) if e["offsets"] else None for e in problem["ids"]]
        self.targets = [read(task["target"], np.float32) for task in problem["tasks"]]
        self.masks = [read(t["mask"], np.uint8) if t["mask"] else None for t in problem["tasks"]]

    def batch(self, rows):
        """Gathers these rows: dense matrices, int64 ids with offsets, targets, masks."""
        dense = [torch.from_numpy(np.stack([column[rows] for column in columns], 1)) for columns in self.dense]
        ids = []
        for values, offsets in zip(self.ids, self.offsets):
            if offsets is None:
                ids.append((torch.from_numpy(values[rows].astype(np.int64)), torch.arange(len(rows))))
                continue
            begin, length = offsets[rows], offsets[rows + 1] - offsets[rows]
            ends = np.cumsum(length, dtype=np.int64)
            start = ends - length
            at = np.arange(ends[-1]) + np.repeat(begin - start, length)
            ids.append((torch.from_numpy(values[at].astype(np.int64)), torch.from_numpy(start)))
        targets = [torch.from_numpy(target[rows]) for target in self.targets]
        masks = [None if mask is None else torch.from_numpy(mask[rows].astype(np.float32)) for mask in self.masks]
        return dense, ids, targets, masks


def make_table(entry, device):
    """Uniform numbers; zeros in a large table of the CPU, whose memory is committed where it is used."""
    rows, dim = entry["rows"], entry["dim"]
    on_cpu = device.type == "cpu"
    table = lazy_zeros(rows, dim) if on_cpu else torch.empty(rows, dim, device=device)
    if not on_cpu or rows * dim <= 1 << 23:
        table.uniform_(-1 / rows**0.5, 1 / rows**0.5)
    return table.requires_grad_()


def move(batch, device):
    """A batch on the device, copied without a stop in between."""
    if device.type == "cpu":
        return batch

    def to(tensor):
        return None if tensor is None else tensor.pin_memory().to(device, non_blocking=True)

    dense, ids, targets, masks = batch
    return [to(x) for x in dense], [(to(i), to(o)) for i, o in ids], [to(t) for t in targets], [to(m) for m in masks]


class Trainer:
    def __init__(self, folder, device):
        self.device = device
        with open(os.path.join(folder, "problem.json")) as file:
            self.problem = json.load(file)
        torch.manual_seed(self.problem["seed"])
        self.columns = Columns(folder, self.problem)
        self.tables = [make_table(entry, device) for entry in self.problem["ids"]]
        self.model = (TwoTower if self.problem["model"]["kind"] == "two-tower" else Dlrm)(self.problem).to(device)
        self.compiled = None
        if self.problem["sparse"] == "rowwise-adagrad":
            self.sparse = RowWiseAdagrad(self.tables, self.problem["rates"]["sparse"])
        else:
            self.sparse = torch.optim.Adagrad(self.tables, lr=self.problem["rates"]["sparse"], eps=1e-8)
        self.adam = torch.optim.Adam(self.model.parameters(), lr=self.problem["rates"]["dense"], fused=True)
        self.random = np.random.default_rng(self.problem["seed"])
        rows, batch = self.problem["rows"], self.problem["batch"]
        self.order = self.random.permutation(rows)
        self.batches = [self.load(self.order[i : i + batch]) for i in range(0, rows, batch)]
        self.at = 0

    def load(self, rows):
        return move(self.columns.batch(rows), self.device)

    def next_batch(self, loading):
        """One that is ready, or the next rows of a shuffled log gathered now."""
        self.at += 1
        if not loading:
            return self.batches[self.at % len(self.batches)]
        rows, batch = self.problem["rows"], self.problem["batch"]
        first = (self.at * batch) % rows
        if first == 0:
            self.order = self.random.permutation(rows)
        return self.load(self.order[first : first + batch])

    def step(self, variant, loading, times):
        clock = time.perf_counter
        marks = [clock()]
        dense, ids, targets, masks = self.next_batch(loading)
        marks.append(clock())
        pooled = [F.embedding_bag(i, table, o, mode="sum", sparse=True) for (i, o), table in zip(ids, self.tables)]
        leaves = [vectors.detach().requires_grad_() for vectors in pooled]
        marks.append(clock())
        with torch.autocast(self.device.type, torch.bfloat16, enabled="bf16" in variant):
            logits = (self.compiled if "compile" in variant else self.model)(dense, leaves)
        loss = losses(logits, targets, masks, self.problem["tasks"])
        marks.append(clock())
        loss.backward()
        marks.append(clock())
        torch.autograd.backward(pooled, [leaf.grad for leaf in leaves])
        marks.append(clock())
        self.sparse.step()
        marks.append(clock())
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        for table in self.tables:
            table.grad = None
        marks.append(clock())
        names = ["loading", "embedding", "forward", "backward", "embeddingBackward", "sparseUpdate", "denseUpdate"]
        for name, begin, end in zip(names, marks, marks[1:]):
            times.setdefault(name, []).append(end - begin)
        return marks[-1] - marks[0]

    def run(self, command):
        variant = command["variant"]
        Linear.onednn = variant == "onednn"
        if "compile" in variant and self.compiled is None:
            self.compiled = torch.compile(self.model)
        torch.set_float32_matmul_precision("high" if "tf32" in variant else "highest")
        for _ in range(command["warmUp"]):
            self.step(variant, command["loading"], {})
        if self.device.type == "cuda":
            return {"seconds": self.device_seconds(command)}
        times = {}
        seconds = [self.step(variant, command["loading"], times) for _ in range(command["steps"])]
        return {"seconds": seconds, "phases": {name: float(np.median(values)) for name, values in times.items()}}

    def device_seconds(self, command):
        torch.cuda.synchronize(self.device)
        start = time.perf_counter()
        for _ in range(command["steps"]):
            self.step(command["variant"], command["loading"], {})
        torch.cuda.synchronize(self.device)
        return [(time.perf_counter() - start) / command["steps"]] * command["steps"]


def main():
    device = torch.device(sys.argv[3])
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit(f"PyTorch {torch.__version__} has no GPU to use: install a build with CUDA, or give --device cpu")
    torch.set_num_threads(int(sys.argv[2]))
    # As prerank does: gradients that have shrunk to subnormal numbers would slow the last rounds down tenfold.
    torch.set_flush_denormal(True)
    trainer = Trainer(sys.argv[1], device)
    description = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    if device.type == "cuda":
        description["gpu"] = torch.cuda.get_device_name(device)
    print(json.dumps(description), flush=True)
    for line in sys.stdin:
        print(json.dumps(trainer.run(json.loads(line))), flush=True)


main()
