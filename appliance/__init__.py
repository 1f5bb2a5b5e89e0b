"""Turns a Raspberry Pi with a camera into a labeling appliance.

Two roads meet at one reference: frames go camera → labeling → tracker → outbox → MQTT; models go
source → download → verify → probe → swap → probation → commit. The pipeline holds *the current labeler*,
and the road of models replaces that one reference between two frames.

Imports run downward only: ``cli`` → ``service, selfcheck, bench, demo`` → ``pipeline, camera, messaging,
updates, control`` → ``labeling`` → ``frame, picture, settings, places, supervision, errors``.
"""

__version__ = "0.1.0"
