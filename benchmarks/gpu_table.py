"""The last part of ``gpu.py``: a table of real slices, or of the phantom, trained for so long as time is left."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from children import Deadline

from tests import tiny

CONDITIONS = ("sparseview_60", "ldct_7e4")
START_S = 45.0  # for a network: imports, compiling of training and scoring
AT_LEAST_S = 20.0  # of training for each cell
CHANGED = {"params": {"momentum": 0.9, "initial": "normal_0.01"}}  # so few updates: as the profile smoke


class SmallTable:
    """A profile of its own in a folder of its own, run by the command ``bench`` of this checkout."""

    def __init__(self, folder: Path, slices: Path, size: int, precision: str) -> None:
        self.folder, self.size, self.precision = folder, size, precision
        self.folder.mkdir(parents=True, exist_ok=True)
        self.real = slices.resolve() if slices.is_dir() and any(slices.glob("*.npz")) else None
        self._write({})

    def build(self) -> subprocess.Popen[bytes]:
        """Return the process that builds the pairs."""
        return self._bench("data", "build", *self._files(), "--cache", "cache")

    def run(
        self, build: subprocess.Popen[bytes], speeds: Mapping[str, float], deadline: Deadline
    ) -> tuple[Any, str]:
        """Train and score as many networks as there is time for; return what was done, and the table as text."""
        build.wait(max(1.0, deadline.left()))
        networks = [name for name in ("unet", "ddnet", "dncnn") if name in speeds]
        left = deadline.left() - 15  # for the input and the report
        while networks and left < len(networks) * (START_S + len(CONDITIONS) * AT_LEAST_S):
            networks.pop()
        if not networks:
            return {}, f"no time was left for a table ({left:.0f} s)"
        each = (left / len(networks) - START_S) / len(CONDITIONS) * 0.7
        budgets = {name: max(60, int(speeds[name] * each)) for name in networks}
        self._write(budgets)
        places = ("--runs", "runs", "--reports", "reports")
        began = time.monotonic()
        run = self._bench("run", "--all", *self._files(), "--cache", "cache", *places)
        try:
            code = run.wait(max(1.0, deadline.left() - 5))
        except subprocess.TimeoutExpired:
            run.terminate()
            code = run.wait()
            self._bench("report", "--profile", "gpu", *places).wait()
        said = {"slices seen": budgets, "seconds": time.monotonic() - began, "exit code": code}
        page = self.folder / "reports" / "gpu" / "results.md"
        return said, f"{said}\n\n" + (page.read_text(encoding="utf-8") if page.exists() else "no table")

    def _files(self) -> tuple[str, ...]:
        return ("--profile", "gpu", "--datasets", "datasets.yaml", "--experiments", "experiments.yaml")

    def _bench(self, *words: str) -> subprocess.Popen[bytes]:
        with open(self.folder.parent / "log.txt", "a", encoding="utf-8") as log:
            return subprocess.Popen(
                [*tiny.command(), *words], env=tiny.environment(), cwd=self.folder, stdout=log, stderr=log
            )

    def _write(self, budgets: Mapping[str, int]) -> None:
        datasets: dict[str, Any] = {"schema": 1, "extends": "packaged"}
        if self.real:
            names = {str(np.load(path)["patient_id"]) for path in self.real.glob("*.npz")}
            patients = sorted(names)  # a third tests, a sixth validates
            datasets["sources"] = {
                "slices": {
                    "kind": "npz", "path": str(self.real), "title": f"real CT slices of {len(patients)} patients",
                    "licence": "as the folder says", "citation": "as the folder says", "restricted": True,
                }
            }  # fmt: skip
            datasets["splits"] = {
                "slices": {"rule": "patients", "test": patients[::3], "validation": patients[1::6]}
            }
        name = "slices" if self.real else "phantom"
        training: dict[str, Any] = {"all": CHANGED | {"budget": {"slices_seen": 60, "checks": 3}}}
        for model, seen in budgets.items():
            training[model] = {"precision": self.precision, "budget": {"slices_seen": seen, "checks": 3}}
        profile = {
            "source": name,
            "split": name,
            "size": self.size,
            "training": training,
            "experiment": "small",
        }
        small = {"models": list(budgets) or ["unet"], "conditions": list(CONDITIONS)}
        experiments = {
            "schema": 1,
            "extends": "packaged",
            "experiments": {"small": small},
            "profiles": {"gpu": profile},
        }
        for file, content in (("datasets", datasets), ("experiments", experiments)):
            (self.folder / f"{file}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
