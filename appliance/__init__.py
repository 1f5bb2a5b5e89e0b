"""A Raspberry Pi camera daemon that labels frames with TFLite models and publishes the labels over MQTT.

Two independent flows share one reference, the active labeler. Frames go camera → labeling → tracker → outbox → MQTT;
models go update source → download → verify → probe → swap → probation → commit or roll back. A swap replaces the active
labeler between two frames.

The workshop is the operator's side: datasets, training, evaluation, publishing. The daemon never imports it.
appliance/docs/contributing.md has the packages and the direction of imports.
"""

__version__ = "0.1.0"
