"""Convert EfficientNet-Lite0 into the general labeler that ships with the program (scripts/make-general)."""
