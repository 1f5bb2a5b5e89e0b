"""Measures what a frame costs, stage by stage, and the whole of it against the bare interpreter.

Figures are CPU time, medians of one run in which whole frames and bare invokes take turns.
"""

import argparse
import json
from pathlib import Path

from appliance.cli import DONE

EXAMPLE = "example: appliance bench --model my-model.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand's own arguments."""
    parser.add_argument(
        "--model", type=Path, metavar="BUNDLE", help="a folder, .zip or .tflite (default: this device's model)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Measures and prints."""
    from appliance.bundle.bundle import read_bundle
    from appliance.daemon.active_model import device_bundle
    from appliance.diagnostics.bench import FRAME_PX, measure

    result = measure(read_bundle(arguments.model) if arguments.model else device_bundle())
    if arguments.json:
        report = {
            "ratio": round(result.ratio, 4),
            "stages_ms": {name: round(cost, 4) for name, cost in result.stages_ms.items()},
            "frame_ms": round(result.frame_ms, 4),
            "invoke_ms": round(result.invoke_ms, 4),
            "runtime": result.runtime,
            "model": result.model.as_dict(),
            "rss_mb": result.rss_mb,
        }
        print(json.dumps(report, indent=2))
        return DONE
    print(
        f"{result.model.name} {result.model.version} on {result.runtime}, one thread, frames of {FRAME_PX[0]}×{FRAME_PX[1]}"
    )
    for name, cost in result.stages_ms.items():
        print(f"  {name:<12}{cost:8.3f} ms")
    print(f"  {'whole frame':<12}{result.frame_ms:8.3f} ms")
    print(f"  {'bare invoke':<12}{result.invoke_ms:8.3f} ms")
    print(f"whole frame / bare invoke: {result.ratio:.3f}    resident memory: {result.rss_mb:.0f} MB")
    return DONE
