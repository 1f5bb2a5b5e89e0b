"""The protocol of the control socket, and the script that speaks it without the package."""

import json
import re
from pathlib import Path

from appliance.control.protocol import ANSWER_KEY, COMMAND_KEY, ControlCommand, make_request
from appliance.control.wire import encode_message

SCRIPT = Path(__file__).parents[2] / "scripts" / "lib" / "labels_frames.py"


def test_commands_are_those_that_older_programs_send():
    assert {command.value for command in ControlCommand} == {
        "status",
        "models-changed",
        "model-rollback",
        "update-status",
        "model-check",
        "observe",
        "frame",
        "web",
        "record",
    }


def test_request_is_one_line_of_json():
    assert json.loads(encode_message(make_request(ControlCommand.STATUS))) == {"command": "status"}
    assert encode_message(make_request(ControlCommand.MODEL_CHECK)).endswith(b"}\n")


def test_installers_script_speaks_the_protocol():
    source = SCRIPT.read_text()
    requests = [json.loads(text) for text in re.findall(r"sendall\(b'(.*?)\\n'\)", source)]
    assert requests == [{COMMAND_KEY: ControlCommand.STATUS.value}]
    assert f'["{ANSWER_KEY}"]' in source
