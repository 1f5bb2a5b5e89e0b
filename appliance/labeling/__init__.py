"""Frames → labels → events.

The public face: `read_bundle` and `write_bundle` (bundle.py), `Labeler` (labeler.py), `LabelFilter` (filtering.py),
`Tracker` and `Event` (tracker.py), `View` and `upright` (preprocess.py), `Label` and `ModelIdentity` (labels.py).
They are imported from their modules, because this package must not load OpenCV and a runtime for those who only
want to know what a label is.
"""
