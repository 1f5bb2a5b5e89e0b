"""Take pictures of one thing for training, straight into the dataset of this device.

Hold the thing before the camera, and move and turn it: blurred pictures and those that look like an earlier one are
dropped. The frames come from the running daemon. On a machine without an installed service, or with --local, the
command opens the camera itself. Run it for each thing, at least twice from different sides, and with --background for
what is none of them.
"""

import argparse
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.arguments import add_json_argument, parse_whole_number
from appliance.cli.exit_status import ExitStatus
from appliance.cli.live_source import add_source_arguments, ask_daemon, choose_source
from appliance.cli.next_step import name_program
from appliance.cli.output import ProgressLine, print_json, print_lines, print_message
from appliance.errors import ControlError, UsageError
from appliance.system.text_layout import CommandLine

if TYPE_CHECKING:
    from appliance.cli.live_source import LiveSource
    from appliance.teaching.wording import Target

EXAMPLE = "example: appliance collect cup --count 30"

_HINT_AFTER_S, _GIVE_UP_AFTER_S = 8.0, 45.0
_POLL_S = 0.5
_MAX_COUNT = 1000

Advance = Callable[[bool], dict[str, Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance collect`."""
    parser.add_argument("label", nargs="?", metavar="LABEL", help="the name of the thing: A–Z, a–z, 0–9, and _")
    parser.add_argument(
        "--background", action="store_true", help="take pictures that show none of the things, instead of LABEL"
    )
    parser.add_argument(
        "--count", type=_parse_count, default=30, metavar="N", help="how many pictures to keep (default: 30)"
    )
    parser.add_argument(
        "--every", type=_parse_every_s, default=0.5, metavar="S", help="seconds between two pictures (default: 0.5)"
    )
    add_source_arguments(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Record until enough pictures are kept; return 1 if there are fewer."""
    from appliance.teaching.names import BACKGROUND, clean_label
    from appliance.teaching.wording import Target

    if (arguments.label is None) != arguments.background:
        raise UsageError("give the LABEL of what you hold before the camera, or --background")
    if arguments.label is not None and arguments.label.strip().lower() == BACKGROUND:
        raise UsageError(f"{BACKGROUND} is not a label; give --background to take pictures of none of the labels")
    target = Target(is_background=True) if arguments.background else Target(clean_label(arguments.label))
    if target.label and target.label != arguments.label:
        print_message(f"the label is {target.label}, because a name has only A–Z, a–z, 0–9, and _")
    source = choose_source(arguments)
    with _open(source, target, arguments) as (advance, stop, folder):
        with ProgressLine() as line:
            state = _record(advance, arguments.count, line, target)
        state = stop() if state["active"] else state
        dataset = Path(state.get("folder") or folder)
    return _report(arguments, target, state, dataset)


def _record(advance: Advance, count: int, line: ProgressLine, target: "Target") -> dict[str, Any]:
    """Renew the recording until enough is kept, nothing new comes, or the user ends it."""
    stage = f"recording {target.label or 'what is none of the labels'}"
    kept, changed_s, is_hinted = 0, time.monotonic(), False
    state = advance(False)
    try:
        while state["active"] and state["kept"] < count:
            time.sleep(_POLL_S)
            state = advance(True)
            line.show(f"{stage} ({state['dropped']} dropped)", state["kept"], count)
            if state["kept"] > kept:
                kept, changed_s, is_hinted = state["kept"], time.monotonic(), False
            silence_s = time.monotonic() - changed_s
            if silence_s > _GIVE_UP_AFTER_S:
                break
            if silence_s > _HINT_AFTER_S and not is_hinted:
                is_hinted = True
                line.clear()
                what = "blurred" if state["last"] == "blurred" else "like an earlier one"
                print_message(f"the pictures are {what}; move and turn the thing, or the camera")
    except KeyboardInterrupt:
        line.clear()
        print_message("ended; the pictures so far are kept")
    return state


@contextmanager
def _open(
    source: "LiveSource", target: "Target", arguments: argparse.Namespace
) -> Iterator[tuple[Advance, Callable[[], dict[str, Any]], Path]]:
    """Yield what renews the recording, what ends it, and the folder of the dataset."""
    if source.is_daemon:
        from appliance.control.protocol import ControlCommand

        request = {
            "label": target.label, "background": target.is_background, "every_s": arguments.every,
            "count": arguments.count,
        }  # fmt: skip

        def ask(argument: dict[str, Any]) -> dict[str, Any]:
            return _check_answer(ask_daemon(ControlCommand.RECORD, argument))

        yield lambda renew: ask({**request, "renew": renew}), lambda: ask({"stop": True}), Path()
        return
    from appliance.diagnostics.local_recording import LocalRecording
    from appliance.system.paths import ensure_state_dir

    with LocalRecording(source.settings, ensure_state_dir()) as recording:
        found = target if target.is_background else type(target)(recording.store.find_label(target.label or ""))
        yield (
            lambda renew: recording.record(found, arguments.every, arguments.count, renew),
            recording.stop,
            recording.store.folder,
        )


def _check_answer(answer: dict[str, Any]) -> dict[str, Any]:
    kinds = {"kept": int, "dropped": int, "active": bool, "folder": str}
    if not all(isinstance(answer.get(key), kind) for key, kind in kinds.items()):
        raise ControlError(
            "the daemon's answer cannot be understood; check that the command and the daemon have the same version"
        )
    return answer


def _report(arguments: argparse.Namespace, target: "Target", state: dict[str, Any], dataset: Path) -> ExitStatus:
    from appliance.teaching.names import BACKGROUND

    kept, folder = state["kept"], dataset / (state.get("label") or target.folder or BACKGROUND)
    is_enough = kept >= arguments.count
    if arguments.json:
        print_json(
            {"label": state.get("label"), "background": target.is_background, "kept": kept,
             "dropped": state["dropped"], "folder": str(folder)}
        )  # fmt: skip
    else:
        print_lines([f"{kept} pictures kept in {folder}, {state['dropped']} blurred or alike dropped", *_next(dataset)])
    if not is_enough:
        print_message(f"only {kept} of {arguments.count} pictures differ; move and turn the thing, and run this again")
    return ExitStatus.DONE if is_enough else ExitStatus.FAILED


def _next(dataset: Path) -> list[CommandLine]:
    """Return the next command: the next thing while there is one alone, else training."""
    from appliance.teaching.names import BACKGROUND, MIN_PICTURES

    program, enough = name_program(), []
    with suppress(OSError):  # this account may not read the folder of the service
        enough = [path.name for path in dataset.iterdir() if len(list(path.glob("*.jpg"))) >= MIN_PICTURES]
    if len(enough) < 2 and dataset.is_dir():
        words = "--background" if enough and enough != [BACKGROUND] else "LABEL"
        return [CommandLine("then the next thing, or what is none of them:", f"{program} collect {words}")]
    source = shlex.quote(str(dataset))
    return [
        CommandLine("train on all of them:", f"{program} train {source} --out my-model"),
    ]


def _parse_count(text: str) -> int:
    return parse_whole_number(text, 1, _MAX_COUNT, f"a number from 1 to {_MAX_COUNT}")


def _parse_every_s(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 60")
    return value
