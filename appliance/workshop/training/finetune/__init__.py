"""Train the base itself on a dataset, with PyTorch (the extra `torch`).

Only this package of the training imports PyTorch, and only when a base is fine-tuned.
"""
