"""Heads for pictures with several labels: one calibrated yes-or-no decision and one threshold for each label."""
