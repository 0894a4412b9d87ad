"""The multi-task and the pre-ranking models in PyTorch, driven by models.mjs: one JSON command a line, one answer a line.

Usage: python models.py FOLDER THREADS      FOLDER: problem.json and the columns that models.mjs wrote

Commands: {"load": {"model": {...}, "parameters": [...], "costs": [...], "noise": {...}}} -> {"loss": ...}, of the first batch at these parameters
          {"variant": "eager", "steps": 20, "warmUp": 3} -> {"seconds": [...]}

All fields are looked up at once in one table with offsets, sparsely updated by Adagrad; the dense part has fused Adam.
  eager    stock float32
  onednn   float32 linears through oneDNN, forward and backward (stock PyTorch sends them to MKL)
"""

import json
import math
import os
import sys
import time

import numpy as np
import torch
from torch.nn import functional as F

from onednn import OneDnnLinear


class Layers:
    """Linear layers, and gates that are drawn, over parameters by name."""

    def __init__(self, parameters, costs):
        self.parameters = parameters
        self.costs = torch.tensor(costs)
        self.onednn = False
        # logit u by name, instead of draws.
        self.noise = {}

    def linear(self, x, name):
        weight, bias = self.parameters[f"{name}.weight"], self.parameters.get(f"{name}.bias")
        if self.onednn:
            return OneDnnLinear.apply(x.contiguous(), weight, bias)
        return F.linear(x, weight, bias)

    def mlp(self, x, name, count, last_relu):
        for i in range(count):
            x = self.linear(x, f"{name}.{i}")
            if i + 1 < count or last_relu:
                x = torch.relu(x)
        return x

    def logit(self, x, name, hidden):
        return self.mlp(x, name, len(hidden) + 1, False).squeeze(1)

    def experts(self, x, name, count, hidden):
        return [self.mlp(x, f"{name}.{i}", len(hidden), True) for i in range(count)]

    def mix(self, x, gate, experts):
        weights = torch.softmax(self.linear(x, gate), 1)
        return (weights.unsqueeze(2) * torch.stack(experts, 1)).sum(1)

    def hard_concrete(self, logits, name, temperature, low, high):
        noise = self.noise.get(name)
        if noise is None:
            u = torch.rand_like(logits).clamp(1e-5, 1 - 1e-5)
            noise = torch.log(u) - torch.log1p(-u)
        noise = noise.view_as(logits)
        return (torch.sigmoid((logits + noise) / temperature) * (high - low) + low).clamp(0, 1)


def product_losses(ctr, cvr, batch):
    """Click, and click and conversion as a product, on all impressions."""
    p_ctr, p_cvr = torch.sigmoid(ctr), torch.sigmoid(cvr)
    return F.binary_cross_entropy(p_ctr, batch["click"]) + F.binary_cross_entropy(p_ctr * p_cvr, batch["ctcvr"])


def mlp(layers, model, batch):
    hidden = model["net"]["hidden"]
    ctr = layers.logit(batch["x.ctr"], "ctr.net", hidden)
    cvr = layers.logit(batch["x.cvr"], "cvr.net", hidden)
    each = F.binary_cross_entropy_with_logits(cvr, batch["ctcvr"], reduction="none")
    clicked = batch["click"]
    return F.binary_cross_entropy_with_logits(ctr, clicked) + (each * clicked).sum() / clicked.sum()


def shared_bottom(layers, model, batch):
    h = layers.mlp(batch["x"], "shared", len(model["shared"]["hidden"]), True)
    hidden = model["towers"]["hidden"]
    return product_losses(*(layers.logit(h, f"towers.{task}", hidden) for task in ("ctr", "cvr")), batch)


def mmoe(layers, model, batch):
    x, hidden = batch["x"], model["towers"]["hidden"]
    experts = layers.experts(x, "experts", model["experts"]["count"], model["experts"]["hidden"])
    logits = [layers.logit(layers.mix(x, f"gates.{t}", experts), f"towers.{t}", hidden) for t in ("ctr", "cvr")]
    return product_losses(*logits, batch)


def ple(layers, model, batch):
    tasks, shared = {"ctr": batch["x"], "cvr": batch["x"]}, batch["x"]
    for index, level in enumerate(model["levels"]):
        name, hidden = f"levels.{index}", level["hidden"]
        common = layers.experts(shared, f"{name}.shared.experts", level["shared"], hidden)
        own = {t: layers.experts(x, f"{name}.tasks.{t}.experts", level["perTask"], hidden) for t, x in tasks.items()}
        if index + 1 < len(model["levels"]):
            shared = layers.mix(shared, f"{name}.shared.gate", own["ctr"] + own["cvr"] + common)
        tasks = {t: layers.mix(x, f"{name}.tasks.{t}.gate", own[t] + common) for t, x in tasks.items()}
    hidden = model["towers"]["hidden"]
    return product_losses(*(layers.logit(x, f"towers.{t}", hidden) for t, x in tasks.items()), batch)


def esmm(layers, model, batch):
    hidden = model["net"]["hidden"]
    return product_losses(*(layers.logit(batch["x"], f"towers.{t}", hidden) for t in ("ctr", "cvr")), batch)


def aitm(layers, model, batch):
    count = len(model["bottoms"]["hidden"])
    click, q = (layers.mlp(batch["x"], f"bottoms.{task}", count, True) for task in ("ctr", "ctcvr"))
    p = torch.relu(layers.linear(click, "transfer.ctcvr.info"))
    tokens = torch.stack([p, q], 1).flatten(0, 1)
    h1, h2, h3 = (layers.linear(tokens, f"transfer.ctcvr.{h}").view(-1, 2, q.shape[1]) for h in ("h1", "h2", "h3"))
    weights = torch.softmax((h1 * h2).sum(2) / q.shape[1] ** 0.5, 1)
    z = (weights.unsqueeze(2) * h3).sum(1)
    p_click = torch.sigmoid(layers.linear(click, "heads.ctr").squeeze(1))
    p_ctcvr = torch.sigmoid(layers.linear(z, "heads.ctcvr").squeeze(1))
    loss = F.binary_cross_entropy(p_click, batch["click"]) + F.binary_cross_entropy(p_ctcvr, batch["ctcvr"])
    return loss + model["calibrator"] * torch.relu(p_ctcvr - p_click).mean()


def taml(layers, model, batch):
    x, sizes, hidden = batch["x"], model["experts"], model["towers"]["hidden"]
    general = layers.experts(x, "experts.general", sizes["general"], sizes["hidden"])
    logits, distilled = [], 0
    for task, weight in (("ctr", "alpha"), ("cvr", "beta")):
        of_task = layers.experts(x, f"experts.tasks.{task}", sizes["task"], sizes["hidden"])
        learners = []
        for i in range(model["learners"]):
            own = layers.experts(x, f"experts.learners.{task}.{i}", sizes["learner"], sizes["hidden"])
            f = layers.mix(x, f"gates.{task}.{i}", general + of_task + own)
            learners.append(layers.logit(f, f"towers.{task}.{i}", hidden))
        each = torch.stack(learners, 1)
        together = each.mean(1)
        target = torch.sigmoid(together).detach().unsqueeze(1).expand_as(each)
        cross = F.binary_cross_entropy_with_logits(each, target, reduction="none").sum(1).mean()
        distilled = distilled + model["distillation"][weight] * cross
        logits.append(together)
    return product_losses(*logits, batch) + distilled


def vector_product(layers, model, batch):
    count = len(model["sides"]["hidden"])
    h = [layers.mlp(batch[f"x.{side}"], f"{side}_tower.top", count, False) for side in ("user", "ad")]
    return F.binary_cross_entropy_with_logits((h[0] * h[1]).sum(1), batch["etctr"])


def trunk(layers, model, x):
    return layers.mlp(x, "trunk", len(model["trunk"]["hidden"]), True)


def scaled(x, weights, model):
    """Field m of x times weights[m], of the rows or the same for all."""
    return (x.view(len(x), -1, model["embeddingDim"]) * weights.unsqueeze(-1)).flatten(1)


def cold(layers, model, batch):
    x = scaled(batch["x"], torch.sigmoid(layers.linear(batch["x"], "gate")), model)
    logit = layers.linear(trunk(layers, model, x), "heads.etctr").squeeze(1)
    return F.binary_cross_entropy_with_logits(logit, batch["etctr"])


def fscd(layers, model, batch):
    keep = layers.hard_concrete(layers.parameters["keep.logits"], "keep", model["temperature"], 0, 1)
    h = trunk(layers, model, scaled(batch["x"], keep, model))
    loss = F.binary_cross_entropy_with_logits(layers.linear(h, "heads.etctr").squeeze(1), batch["etctr"])
    return loss + model["complexity"]["weight"] * (keep * layers.costs).sum()


def ecm(layers, model, batch):
    h = trunk(layers, model, batch["x"])
    logits = torch.cat([layers.linear(h, f"heads.softmax.{name}") for name in ("both", "first", "neither")], 1)
    return F.cross_entropy(logits, (2 - batch["etr"] - batch["etctr"]).long())


def ecmm(layers, model, batch):
    routing, x = model["routing"], batch["x"]
    low, high, temperature = routing["low"], routing["high"], routing["temperature"]
    x, live, tasks = x * torch.sigmoid(layers.linear(x, "gate")), 0, ("etctr", "etr", "itr")
    inputs = [x] * model["subnets"]["counts"][0]
    for layer, count in enumerate(model["subnets"]["counts"]):
        nets = [torch.relu(layers.linear(v, f"subnets.{layer}.{i}")) for i, v in enumerate(inputs)]
        logits = layers.parameters[f"routing.{layer}.logits"].view(-1, count)
        z = layers.hard_concrete(logits, f"routing.{layer}", temperature, low, high)
        live = live + torch.sigmoid(logits - temperature * math.log(-low / high)).sum()
        inputs = (z @ torch.stack(nets, 1)).unbind(1)
    labels = {"etctr": batch["etctr"], "etr": batch["etr"], "itr": 1 - batch["etr"]}
    loss = routing["l0"] * live
    for task, v in zip(tasks, inputs):
        logit = layers.logit(v, f"towers.{task}", model["stacks"]["hidden"])
        loss = loss + F.binary_cross_entropy_with_logits(logit, labels[task])
    return loss


MODELS = {
    "mlp": mlp, "shared-bottom": shared_bottom, "mmoe": mmoe, "ple": ple, "esmm": esmm, "aitm": aitm, "taml": taml,
    "vector-product": vector_product, "cold": cold, "fscd": fscd, "ecm": ecm, "ecmm": ecmm,
}  # fmt: skip


class Rows:
    """The batches: ids of the fields, and labels."""

    def __init__(self, folder, problem):
        def read(name, kind):
            return np.fromfile(os.path.join(folder, name), dtype=kind)

        self.fields = problem["fields"]
        ids = np.stack([read(field["column"], np.uint32).astype(np.int64) for field in self.fields], 1)
        ids = torch.from_numpy(ids)
        labels = {name: torch.from_numpy(read(column, np.float32)) for name, column in problem["labels"].items()}
        self.batches = []
        for first in range(0, problem["rows"], problem["batch"]):
            part = slice(first, first + problem["batch"])
            self.batches.append({"ids": ids[part], **{name: values[part] for name, values in labels.items()}})

    def lookups(self, numbers):
        """By batch, the ids of these fields with the offset of each field in one table of them all."""
        sizes = [self.fields[i]["rows"] for i in numbers]
        offsets = torch.tensor([0, *sizes[:-1]]).cumsum(0)
        return [(batch["ids"][:, numbers] + offsets).contiguous() for batch in self.batches]


class Trainer:
    """One model with its tables and optimizers."""

    def __init__(self, folder, problem, rows, description):
        def read(parameter):
            values = np.fromfile(os.path.join(folder, parameter["file"]), dtype=np.float32)
            return torch.from_numpy(values).view(*parameter["shape"])

        named = {parameter["name"]: read(parameter) for parameter in description["parameters"]}
        self.model, self.rows, self.at = description["model"], rows, 0
        self.tables = {}
        lookups = []
        for name, (prefix, numbers) in self.parts(rows.fields).items():
            tables = [named.pop(f"embeddings.{prefix}{rows.fields[i]['table']}") for i in numbers]
            self.tables[name] = torch.cat(tables).requires_grad_()
            lookups.append([(name, ids) for ids in rows.lookups(numbers)])
        self.lookups = [dict(of_batch) for of_batch in zip(*lookups)]
        dense = {name: value.clone().requires_grad_() for name, value in named.items()}
        self.layers = Layers(dense, description["costs"])
        self.noise = {name: torch.tensor(values) for name, values in description["noise"].items()}
        rates = problem["rates"]
        self.sparse = torch.optim.Adagrad(self.tables.values(), lr=rates["sparse"], eps=1e-8)
        self.adam = torch.optim.Adam(dense.values(), lr=rates["dense"], fused=True)

    def parts(self, fields):
        """The inputs of a model: by name, the prefix of the tables and the numbers of the fields."""
        every = list(range(len(fields)))
        if self.model["kind"] == "mlp":  # Single-task networks have tables of their own.
            return {"x.ctr": ("ctr.", every), "x.cvr": ("cvr.", every)}
        if self.model["kind"] == "vector-product":
            return {f"x.{side}": ("", [i for i in every if fields[i]["side"] == side]) for side in ("user", "ad")}
        return {"x": ("", every)}

    def first_loss(self):
        self.layers.noise = self.noise
        with torch.no_grad():
            loss = self.loss(0).item()
        self.layers.noise = {}
        return loss

    def loss(self, index):
        given = dict(self.rows.batches[index])
        for name, ids in self.lookups[index].items():
            given[name] = F.embedding(ids, self.tables[name], sparse=True).flatten(1)
        return MODELS[self.model["kind"]](self.layers, self.model, given)

    def step(self):
        begin = time.perf_counter()
        self.at += 1
        self.loss(self.at % len(self.rows.batches)).backward()
        self.sparse.step()
        self.adam.step()
        self.sparse.zero_grad(set_to_none=True)
        self.adam.zero_grad(set_to_none=True)
        return time.perf_counter() - begin

    def run(self, command):
        self.layers.onednn = command["variant"] == "onednn"
        for _ in range(command["warmUp"]):
            self.step()
        return {"seconds": [self.step() for _ in range(command["steps"])]}


def main():
    folder = sys.argv[1]
    torch.set_num_threads(int(sys.argv[2]))
    # As prerank does: gradients that have shrunk to subnormal numbers would slow the last rounds down.
    torch.set_flush_denormal(True)
    with open(os.path.join(folder, "problem.json")) as file:
        problem = json.load(file)
    rows = Rows(folder, problem)
    trainer = None
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "load" in command:
            trainer = Trainer(folder, problem, rows, command["load"])
            answer = {"loss": trainer.first_loss()}
        else:
            answer = trainer.run(command)
        print(json.dumps(answer), flush=True)


main()
