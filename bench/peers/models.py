"""The multi-task models of clicks and conversions in PyTorch, driven by models.mjs: one JSON command a line, one answer a line.

Usage: python models.py FOLDER THREADS      FOLDER: problem.json and the columns that models.mjs wrote

Commands: {"load": {"model": {...}, "parameters": [...]}} -> {"loss": ...}, of the first batch at these parameters
          {"variant": "eager", "steps": 20, "warmUp": 3} -> {"seconds": [...]}

All fields are looked up at once in one table with offsets, sparsely updated by Adagrad; the dense part has fused Adam.
  eager    stock float32
  onednn   float32 linears through oneDNN, forward and backward (stock PyTorch sends them to MKL)
"""

import json
import os
import sys
import time

import numpy as np
import torch
from torch.nn import functional as F

from onednn import OneDnnLinear


class Layers:
    """Linear layers over parameters by name."""

    def __init__(self, parameters):
        self.parameters = parameters
        self.onednn = False

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


MODELS = {
    "mlp": mlp, "shared-bottom": shared_bottom, "mmoe": mmoe, "ple": ple, "esmm": esmm, "aitm": aitm, "taml": taml,
}  # fmt: skip


class Rows:
    """The batches: ids of all fields with the offset of their field in one table, and labels."""

    def __init__(self, folder, problem):
        def read(name, kind):
            return np.fromfile(os.path.join(folder, name), dtype=kind)

        sizes = [field["rows"] for field in problem["fields"]]
        self.tables = [field["table"] for field in problem["fields"]]
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        ids = [read(field["column"], np.uint32).astype(np.int64) for field in problem["fields"]]
        ids = torch.from_numpy(np.stack(ids, 1) + offsets)
        click, ctcvr = (torch.from_numpy(read(problem[name], np.float32)) for name in ("click", "ctcvr"))
        self.batches = []
        for first in range(0, problem["rows"], problem["batch"]):
            part = slice(first, first + problem["batch"])
            self.batches.append({"ids": ids[part].contiguous(), "click": click[part], "ctcvr": ctcvr[part]})


class Trainer:
    """One model with its tables and optimizers."""

    def __init__(self, folder, problem, rows, description):
        def read(parameter):
            values = np.fromfile(os.path.join(folder, parameter["file"]), dtype=np.float32)
            return torch.from_numpy(values).view(*parameter["shape"])

        named = {parameter["name"]: read(parameter) for parameter in description["parameters"]}
        self.model, self.rows, self.at = description["model"], rows, 0
        # Single-task networks have tables of their own.
        owners = ["ctr.", "cvr."] if self.model["kind"] == "mlp" else [""]
        joint = {o: torch.cat([named.pop(f"embeddings.{o}{table}") for table in rows.tables]) for o in owners}
        self.tables = {owner: table.requires_grad_() for owner, table in joint.items()}
        dense = {name: value.clone().requires_grad_() for name, value in named.items()}
        self.layers = Layers(dense)
        rates = problem["rates"]
        self.sparse = torch.optim.Adagrad(self.tables.values(), lr=rates["sparse"], eps=1e-8)
        self.adam = torch.optim.Adam(dense.values(), lr=rates["dense"], fused=True)

    def loss(self, batch):
        given = dict(batch)
        for owner, table in self.tables.items():
            x = F.embedding(batch["ids"], table, sparse=True).flatten(1)
            given[f"x.{owner.rstrip('.')}" if owner else "x"] = x
        return MODELS[self.model["kind"]](self.layers, self.model, given)

    def step(self):
        begin = time.perf_counter()
        self.at += 1
        self.loss(self.rows.batches[self.at % len(self.rows.batches)]).backward()
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
            with torch.no_grad():
                answer = {"loss": trainer.loss(rows.batches[0]).item()}
        else:
            answer = trainer.run(command)
        print(json.dumps(answer), flush=True)


main()
