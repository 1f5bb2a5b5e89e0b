"""Turns a Raspberry Pi with a camera into a labeling appliance.

Two roads meet at one reference: frames go camera → labeling → tracker → outbox → MQTT; models go
source → download → verify → probe → swap → probation → commit. The pipeline holds *the current labeler*,
and the road of models replaces that one reference between two frames.

Imports run downward only: ``cli`` → ``service, selfcheck, bench, demo, workshop`` → ``junction`` → ``orders, status`` →
``models`` → ``pipeline, camera, capture, collect, messaging, updates, control, stats`` → ``labeling`` → the ground floor
(``settings, settings_file, frame, picture, places, identity, durable, supervision, memory, errors`` …). The workshop is the
operator's side; the daemon never imports it. tests/test_architecture.py holds the layout.
"""

__version__ = "0.1.0"
