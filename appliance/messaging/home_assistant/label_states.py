"""Convert labels to states of Home Assistant, in which some words have a meaning and the length is limited.

Home Assistant treats the states `unknown` and `unavailable` as the absence of a state, and the text `None` from a
template as unknown; it rejects a state of more than 255 characters, and removes white space at both ends. Here `none`
is the state of a picture without a label. The same rules exist as a template, because Home Assistant applies them to
T/state.
"""

import json
from collections.abc import Iterable

NO_LABEL = "none"

MAX_STATE_CHARACTERS = 255

_RESERVED = ("", "none", "unknown", "unavailable")
_SUFFIX = " (label)"
_MAX_LISTED_BYTES = 4000  # a longer list of options is not repeated in the template

_TEMPLATE = (
    "{%% set l = value_json.label %%}"
    "{%% if not value_json.get('known', true) %%}{%% set s = 'None' %%}"
    "{%% elif l is none %%}{%% set s = 'none' %%}"
    "{%% else %%}{%% set s = l | trim %%}"
    "{%% if s | lower in %(reserved)s %%}{%% set s = (s ~ '%(suffix)s') | trim %%}"
    "{%% elif s | length > %(max)d %%}{%% set s = s[:%(cut)d] ~ '…' %%}{%% endif %%}"
    "{%% endif %%}"
)


def format_label_state(label: str) -> str:
    """Return the state that stands for a label: the label, unless it is a reserved word or too long."""
    state = label.strip()
    if state.lower() in _RESERVED:
        return (state + _SUFFIX).strip()
    return state if len(state) <= MAX_STATE_CHARACTERS else state[: MAX_STATE_CHARACTERS - 1] + "…"


def list_label_states(labels: Iterable[str]) -> list[str]:
    """Return the possible states of the sensor that shows the best label, each once."""
    return list(dict.fromkeys([*map(format_label_state, labels), NO_LABEL]))


def build_label_template(options: Iterable[str] = ()) -> str:
    """Return the template that converts T/state to the state of the sensor that shows the best label.

    A state that is not one of the options is unknown, without a warning: after a change of the labels, T/state may
    arrive before the new announcement.

    Args:
        options: The possible states; empty if the sensor is not an enum.
    """
    template = _TEMPLATE % {
        "reserved": json.dumps(_RESERVED),
        "suffix": _SUFFIX,
        "max": MAX_STATE_CHARACTERS,
        "cut": MAX_STATE_CHARACTERS - 1,
    }
    listed = json.dumps(list(options), ensure_ascii=False)
    if listed == "[]" or len(listed.encode()) > _MAX_LISTED_BYTES:
        return template + "{{ s }}"
    return template + f"{{{{ s if s in {listed} else None }}}}"
