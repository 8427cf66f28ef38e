"""``python -m benchmarks [NAME ...] [--pairs=N]``: one table of what the project costs beside its peers."""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import warnings

from etudes.threads import wait_briefly

wait_briefly()  # before torch is loaded; processes that a benchmark starts inherit it
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Name -> module and function that gives its rows.
BENCHMARKS = {
    "hooks": ("benchmarks.commands", "hooks"),
    "node": ("benchmarks.commands", "node"),
    "startup": ("benchmarks.commands", "startup"),
    "scale": ("benchmarks.scale", "scale"),
    "workers": ("benchmarks.many", "workers"),
    "studies": ("benchmarks.many", "studies"),
    "seeds": ("benchmarks.many", "seeds"),
    "commands": ("benchmarks.typed", "typed"),
    "concurrent": ("benchmarks.concurrent", "concurrent"),
    "fit": ("benchmarks.training", "fit_against_plain_loop"),
    "tfidf": ("benchmarks.linear", "tfidf_against_scikit_learn"),
    "meta": ("benchmarks.meta", "updates_against_a_loop_over_tasks"),
    "memory": ("benchmarks.memory", "memory_of_variants"),
    "padim": ("benchmarks.padim", "padim_against_anomalib"),
    "attacks": ("benchmarks.attacks", "attacks_against_peers"),
    "augment": ("benchmarks.augment", "views_against_torchvision"),
    "maps": ("benchmarks.maps", "maps_against_captum"),
    "nearest": ("benchmarks.nearest", "margins_against_peers"),
    "strip": ("benchmarks.strip", "strip_against_whole_passes"),
    "pictures": ("benchmarks.pictures", "mimo_against_an_ensemble"),
    "distillation": ("benchmarks.distillation", "kept_answers_against_asking"),
    "compression": ("benchmarks.compression", "smaller_networks_against_the_whole"),
    "decoder": ("benchmarks.decoder", "cached_generation"),
    "income": ("benchmarks.income", "income_against_scikit_learn"),
    "lander": ("benchmarks.lander", "dqn_against_stable_baselines3"),
    "tabular": ("benchmarks.tabular", "q_learning_against_a_loop"),
    "sessions": ("benchmarks.sessions", "sessions_against_gymnasium"),
    "cartpole": ("benchmarks.cartpole", "dqn_with_the_cart_against_stable_baselines3"),
    "sentences": ("benchmarks.sentences", "training_against_peers"),
    "breakout": ("benchmarks.breakout", "dqn_from_pictures_against_stable_baselines3"),
    "policy": ("benchmarks.policy", "policy_gradients_against_stable_baselines3"),
    "tagging": ("benchmarks.tagging", "tagging_against_peers"),
}


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, all of them by default; exit code 1 where something asked is missed."""
    from benchmarks.table import Row, render

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--pairs", type=int, default=20, help="of runs, in concurrent")
    asked = parser.parse_args(arguments)
    names = asked.names
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"No benchmark {', '.join(unknown)}; expected some of {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    rows = []
    warnings.simplefilter("ignore")  # of deprecations in libraries; the tests show them
    for name in names or BENCHMARKS:
        start = time.perf_counter()
        module, function = BENCHMARKS[name]
        try:
            given = {"pairs": asked.pairs} if name == "concurrent" else {}
            rows += getattr(importlib.import_module(module), function)(**given)
        except Exception as error:  # the others are worth having all the same
            print(error, file=sys.stderr)
            rows.append(Row(f"{name}: failed ({type(error).__name__}, see above)", "", ok=False))
        print(f"{name}: measured in {time.perf_counter() - start:.0f} s", file=sys.stderr)
    print(render(rows))
    return int(any(row.ok is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
