"""Shorten an announcement by the abbreviations that Home Assistant's MQTT integration defines."""

from collections.abc import Mapping
from typing import Any

_COMPONENT_KEYS = {
    "automation_type": "atype",
    "availability": "avty",
    "availability_mode": "avty_mode",
    "availability_topic": "avty_t",
    "command_topic": "cmd_t",
    "content_type": "cont_type",
    "device_class": "dev_cla",
    "enabled_by_default": "en",
    "entity_category": "ent_cat",
    "event_types": "evt_typ",
    "icon": "ic",
    "image_topic": "img_t",
    "json_attributes_template": "json_attr_tpl",
    "json_attributes_topic": "json_attr_t",
    "options": "ops",
    "payload": "pl",
    "payload_install": "pl_inst",
    "payload_press": "pl_prs",
    "platform": "p",
    "state_class": "stat_cla",
    "state_topic": "stat_t",
    "subtype": "stype",
    "topic": "t",
    "unique_id": "uniq_id",
    "unit_of_measurement": "unit_of_meas",
    "value_template": "val_tpl",
}


def abbreviate(component: Mapping[str, Any]) -> dict[str, Any]:
    """Return a component with abbreviated keys."""
    short = {_COMPONENT_KEYS.get(key, key): value for key, value in component.items()}
    if "avty" in short:
        short["avty"] = [{_COMPONENT_KEYS[key]: value for key, value in each.items()} for each in short["avty"]]
    return short
