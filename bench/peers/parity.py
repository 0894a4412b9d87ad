"""The PyTorch side of parity.mjs, which runs both commands (needs torch, numpy, safetensors; CPU wheels).

Usage: python bench/peers/parity.py steady DIR      before prerank trains
       python bench/peers/parity.py compare DIR     after it has

`steady` trains the model in float64 and writes left-out.json: by step, the rows that have a ReLU whose input is next to 0. Rounding decides to which
side of 0 it falls; it then has the whole gradient or none, and from there two correct float32 programs part. All sides leave these rows out of the loss.
`compare` trains twice more, in float32 and in float64. Exit code 1 when, against float64, a loss of prerank's differs by more than 1e-4 (relative) or a
tensor by more than 1e-3 (norm of the difference over norm). The float32 figures show PyTorch's own rounding.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

LOSS_TOLERANCE = 1e-4
WEIGHT_TOLERANCE = 1e-3

# Next to 0: within this part of the root mean square of the ReLU's inputs. Float32 strays from float64 by 2.7e-6 of it in the hundred steps.
NEXT_TO_ZERO = 1e-4

relu = nn.ReLU()


def chain(sizes, last_activation):
    """Linear layers named 0, 1, ...; ReLU between them, and after the last on request."""
    layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))

    def run(x):
        for i, layer in enumerate(layers):
            x = layer(x)
            if i + 1 < len(layers) or last_activation:
                x = relu(x)
        return x

    return layers, run


def interact(bottom, embeddings):
    """[bottom; embeddings; strictly lower triangle of the products], row by row."""
    vectors = torch.stack([bottom, *embeddings], dim=1)
    products = vectors @ vectors.transpose(1, 2)
    i, j = torch.tril_indices(vectors.shape[1], vectors.shape[1], offset=-1)
    return torch.cat([bottom, *embeddings, products[:, i, j]], dim=1)


def interaction_width(dim, count):
    return dim * (count + 1) + (count + 1) * count // 2


class Base(nn.Module):
    def __init__(self, problem, tables):
        super().__init__()
        self.problem = problem
        self.embeddings = nn.ParameterDict(
            {name.removeprefix("embeddings."): nn.Parameter(value.clone()) for name, value in tables.items()}
        )

    def pooled(self, batch, index):
        spec = self.problem["idInputs"][index]
        table = self.embeddings[spec["table"].removeprefix("embeddings.")]
        ids = batch[f"ids.{index}"].long()
        offsets = batch[f"offsets.{index}"].long()[:-1] if spec["multi"] else torch.arange(len(ids))
        return F.embedding_bag(ids, table, offsets, mode=spec["pooling"])


class Tower(nn.Module):
    def __init__(self, dense, count, model):
        super().__init__()
        self.bottom, self.run_bottom = chain([dense, *model["bottom"]], last_activation=True)
        width = interaction_width(model["embeddingDim"], count)
        self.top, self.run_top = chain([width, *model["tower"]["hidden"], model["tower"]["out"]], last_activation=False)

    def forward(self, dense, embeddings):
        return self.run_top(interact(self.run_bottom(dense), embeddings))


class TwoTower(Base):
    def __init__(self, problem, tables):
        super().__init__(problem, tables)
        model = problem["model"]
        self.inputs = {
            side: [i for i, spec in enumerate(problem["idInputs"]) if (spec["side"] == "ad") == (side == "ad")]
            for side in ("user", "ad")
        }
        width = {spec["name"]: spec["width"] for spec in problem["denseInputs"]}
        self.dense = {side: [spec["name"] for spec in problem["denseInputs"]].index(f"{side}.dense") for side in self.inputs}
        self.user_tower = Tower(width["user.dense"], len(self.inputs["user"]), model)
        self.ad_tower = Tower(width["ad.dense"], len(self.inputs["ad"]), model)
        self.heads = nn.ModuleDict()
        self.run_heads = {}
        for task in problem["tasks"]:
            layers, run = chain([3 * model["tower"]["out"], *model["heads"]["hidden"], 1], last_activation=False)
            self.heads[task["name"]] = layers
            self.run_heads[task["name"]] = run

    def forward(self, batch):
        towers = {"user": self.user_tower, "ad": self.ad_tower}
        u, a = (
            towers[side](batch[f"dense.{self.dense[side]}"], [self.pooled(batch, i) for i in self.inputs[side]])
            for side in ("user", "ad")
        )
        merged = torch.cat([u, a, u * a], dim=1)
        return [self.run_heads[task["name"]](merged)[:, 0] for task in self.problem["tasks"]]


class Dlrm(Base):
    def __init__(self, problem, tables):
        super().__init__(problem, tables)
        model = problem["model"]
        count = len(problem["idInputs"])
        dense = sum(spec["width"] for spec in problem["denseInputs"])
        self.bottom, self.run_bottom = chain([dense, *model["bottom"]], last_activation=True)
        hidden = model["top"]["hidden"]
        self.top, self.run_top = chain([interaction_width(model["embeddingDim"], count), *hidden], last_activation=True)
        self.heads = nn.ModuleDict({task["name"]: nn.Linear(hidden[-1], 1) for task in problem["tasks"]})

    def forward(self, batch):
        dense = torch.cat([batch[f"dense.{i}"] for i in range(len(self.problem["denseInputs"]))], dim=1)
        order = sorted(range(len(self.problem["idInputs"])), key=lambda i: self.problem["idInputs"][i]["side"] == "ad")
        h = self.run_top(interact(self.run_bottom(dense), [self.pooled(batch, i) for i in order]))
        return [self.heads[task["name"]](h)[:, 0] for task in self.problem["tasks"]]


def losses_of(logits, batch, tasks):
    """Masked mean per task (weights 1)."""
    mask = batch["taskMask"].long()
    means = []
    for k, (task, logit) in enumerate(zip(tasks, logits)):
        rows = (mask >> k) & 1 == 1
        target = batch[f"targets.{k}"][rows]
        if task["kind"] == "bce":
            means.append(F.binary_cross_entropy_with_logits(logit[rows], target))
        else:
            means.append(F.mse_loss(logit[rows], target))
    return means


class RowwiseAdagrad:
    """m += mean_d(g^2); w -= lr * g / (sqrt(m) + eps), for the rows with a gradient."""

    def __init__(self, tables, lr, epsilon):
        self.tables, self.lr, self.epsilon = list(tables), lr, epsilon
        self.moments = [torch.zeros(len(table), dtype=table.dtype) for table in self.tables]

    @torch.no_grad()
    def step(self):
        for table, moment in zip(self.tables, self.moments):
            moment += (table.grad**2).mean(dim=1)
            touched = table.grad.abs().sum(dim=1) > 0
            table[touched] -= self.lr * table.grad[touched] / (moment[touched].sqrt() + self.epsilon)[:, None]


class Problem:
    """What parity.mjs left in a folder."""

    def __init__(self, folder):
        self.spec = json.loads((folder / "problem.json").read_text())
        self.initial = load_file(folder / "initial.safetensors")
        self.batches = load_file(folder / "batches.safetensors")

    def batch(self, step, dtype):
        prefix = f"{step}."
        return {
            name.removeprefix(prefix): value.to(dtype) if name.removeprefix(prefix).startswith(("dense", "targets")) else value
            for name, value in self.batches.items()
            if name.startswith(prefix)
        }


class NextToZero:
    """Rows that have had a ReLU whose input is next to 0 since they were last taken."""

    def __init__(self):
        self.rows = set()
        relu.register_forward_pre_hook(self.see)

    @torch.no_grad()
    def see(self, _, inputs):
        x = inputs[0]
        near = x.abs() < NEXT_TO_ZERO * x.square().mean().sqrt()
        self.rows.update(near.any(dim=1).nonzero()[:, 0].tolist())

    def take(self):
        rows, self.rows = sorted(self.rows), set()
        return rows


def train(problem, dtype, left_out):
    """Losses per step and task, and the final tensors, in double. `left_out`: of a step, when it has its logits, the rows without a loss."""
    spec = problem.spec
    initial = {name: value.to(dtype) for name, value in problem.initial.items()}
    tables = {name: value for name, value in initial.items() if name.startswith("embeddings.")}
    model = (TwoTower if spec["model"]["kind"] == "two-tower" else Dlrm)(spec, tables).to(dtype)
    model.load_state_dict(initial, strict=True)

    rates, sparse = spec["rates"], spec["sparse"]
    embeddings = list(model.embeddings.values())
    dense = [p for name, p in model.named_parameters() if not name.startswith("embeddings.")]
    dense_optimizer = torch.optim.Adam(dense, lr=rates["denseLr"], eps=1e-8)
    if sparse["kind"] == "adagrad":
        sparse_optimizer = torch.optim.Adagrad(embeddings, lr=rates["sparseLr"], eps=sparse["epsilon"])
    else:
        sparse_optimizer = RowwiseAdagrad(embeddings, rates["sparseLr"], sparse["epsilon"])

    losses = []
    for step in range(spec["steps"]):
        batch = problem.batch(step, dtype)
        logits = model(batch)
        batch["taskMask"][left_out(step)] = 0
        means = losses_of(logits, batch, spec["tasks"])
        model.zero_grad()
        sum(task["weight"] * mean for task, mean in zip(spec["tasks"], means)).backward()
        dense_optimizer.step()
        sparse_optimizer.step()
        losses.append([mean.item() for mean in means])
    return losses, {name: value.double() for name, value in model.state_dict().items()}


def distance(ours, theirs):
    """Largest relative difference of a loss; largest relative difference of a tensor and its name."""
    loss = max(abs(a - b) / abs(b) for x, y in zip(ours[0], theirs[0]) for a, b in zip(x, y))
    weights = {name: ((ours[1][name] - value).norm() / value.norm()).item() for name, value in theirs[1].items()}
    worst = max(weights, key=weights.get)
    return loss, weights[worst], worst


def steady(folder):
    found, rows = NextToZero(), []

    def take(_):
        rows.append(found.take())
        return rows[-1]

    train(Problem(folder), torch.float64, take)
    (folder / "left-out.json").write_text(json.dumps(rows))
    return True


def compare(folder):
    problem = Problem(folder)
    spec, rows = problem.spec, json.loads((folder / "left-out.json").read_text())
    final = {name: value.double() for name, value in load_file(folder / "final.safetensors").items()}
    ours = (json.loads((folder / "losses.json").read_text()), final)
    single, double = (train(problem, dtype, rows.__getitem__) for dtype in (torch.float32, torch.float64))
    loss, weight, name = distance(ours, double)
    good = loss <= LOSS_TOLERANCE and weight <= WEIGHT_TOLERANCE
    count = sum(map(len, rows))
    title = f"{spec['model']['kind']}, adam + {spec['sparse']['kind']}, {spec['steps']} steps of {spec['rows']} rows"
    print(f"{title}, without {count} rows that have a ReLU next to 0")
    for title, (a, b, c) in (
        ("prerank against PyTorch float64", (loss, weight, name)),
        ("prerank against PyTorch float32", distance(ours, single)),
        ("PyTorch float32 against float64", distance(single, double)),
    ):
        print(f"  {title}   losses {a:.1e}   weights {b:.1e} ({c})")
    print(f"  {'ok' if good else 'DIFFERENT'}: losses <= {LOSS_TOLERANCE:.0e}, weights <= {WEIGHT_TOLERANCE:.0e}")
    return good


COMMANDS = {"steady": steady, "compare": compare}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    sys.exit(0 if COMMANDS[sys.argv[1]](Path(sys.argv[2])) else 1)
