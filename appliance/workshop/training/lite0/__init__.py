"""EfficientNet-Lite0: the base of the general labeler, and the network that fine-tuning trains further."""
