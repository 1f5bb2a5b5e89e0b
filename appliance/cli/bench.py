"""Measure the CPU time per frame, stage by stage, and compare the total with the bare interpreter.

The figures are medians of one run in which whole frames and bare invokes alternate.
"""

import argparse
from typing import TYPE_CHECKING, Any

from appliance.cli.arguments import add_json_argument, add_model_argument
from appliance.cli.device_model import obey_runtime_setting, read_chosen_bundle
from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json, print_lines

if TYPE_CHECKING:
    from appliance.diagnostics.bench import BenchResult

EXAMPLE = "example: appliance bench --model my-model.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance bench`."""
    add_model_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print the result."""
    from appliance.diagnostics.bench import measure

    settings = obey_runtime_setting()
    result = measure(read_chosen_bundle(arguments.model, settings))
    if arguments.json:
        print_json(_as_dict(result))
    else:
        print_lines(_format_result(result))
    return ExitStatus.DONE


def _as_dict(result: "BenchResult") -> dict[str, Any]:
    return {
        "ratio": round(result.ratio, 4),
        "stages_ms": {name: round(cost_ms, 4) for name, cost_ms in result.stages_ms.items()},
        "frame_ms": round(result.frame_ms, 4),
        "invoke_ms": round(result.invoke_ms, 4),
        "runtime": result.runtime,
        "model": result.model.as_dict(),
        "rss_mb": result.rss_mb,
    }


def _format_result(result: "BenchResult") -> list[str]:
    from appliance.diagnostics.bench import FRAME_PX

    model, (width, height) = result.model, FRAME_PX
    return [
        f"{model.name} {model.version} on {result.runtime}, one thread, frames of {width}×{height}",
        *(f"  {name:<12}{cost_ms:8.3f} ms" for name, cost_ms in result.stages_ms.items()),
        f"  {'whole frame':<12}{result.frame_ms:8.3f} ms",
        f"  {'bare invoke':<12}{result.invoke_ms:8.3f} ms",
        f"whole frame / bare invoke: {result.ratio:.3f}    resident memory: {result.rss_mb:.0f} MB",
    ]
