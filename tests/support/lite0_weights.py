"""Random weights with the shapes of EfficientNet-Lite0."""

import numpy as np

STAGES = ((1, 16, 1, 3), (2, 24, 6, 3), (2, 40, 6, 5), (3, 80, 6, 3), (3, 112, 6, 5), (4, 192, 6, 5), (1, 320, 6, 3))


def make_weights():
    rng, weights = np.random.default_rng(0), {}

    def convolution(name, norm, outputs, inputs, side):
        weights[f"{name}.weight"] = rng.normal(0, (2 / (inputs * side * side)) ** 0.5, (outputs, inputs, side, side))
        weights[f"{norm}.weight"] = rng.uniform(0.8, 1.2, outputs)
        weights[f"{norm}.bias"] = rng.normal(0, 0.1, outputs)
        weights[f"{norm}.running_mean"] = rng.normal(0, 0.1, outputs)
        weights[f"{norm}.running_var"] = rng.uniform(0.8, 1.2, outputs)

    convolution("_conv_stem", "_bn0", 32, 3, 3)
    inputs = 32
    blocks = [stage for stage in STAGES for _ in range(stage[0])]
    for number, (_, outputs, expansion, side) in enumerate(blocks):
        name, wide = f"_blocks.{number}", inputs * expansion
        if expansion > 1:
            convolution(f"{name}._expand_conv", f"{name}._bn0", wide, inputs, 1)
        convolution(f"{name}._depthwise_conv", f"{name}._bn1", wide, 1, side)
        convolution(f"{name}._project_conv", f"{name}._bn2", outputs, wide, 1)
        inputs = outputs
    convolution("_conv_head", "_bn1", 1280, 320, 1)
    weights["_fc.weight"] = rng.normal(0, 0.05, (1000, 1280))
    weights["_fc.bias"] = rng.normal(0, 0.1, 1000)
    return {name: values.astype(np.float32) for name, values in weights.items()}
