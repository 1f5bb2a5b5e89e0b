"""How much of a flower there must be before a label is given: what keeps the bundled model silent.

With l the logits of the labels and b the background's, e = log Σ exp(l) − b is the evidence that there is any flower at
all; openness = 1 / (1 + exp(2 · (bias − e))), score = softmax(l) · openness, and the background has 1 − openness. A
softmax over all six would ask a picture of a rose that may be a tulip for as much as a picture that may be no flower.
The bias is set as high as precision on flowers val allows; what it lets in is then measured on pictures of other things.
"""

import numpy as np

BIASES = tuple(step / 10 for step in range(31))
# The threshold is the highest, in hundredths, at which recall on flowers val is at least this; there precision must be
# at least that.
THRESHOLD_RECALL, LEAST_PRECISION = 0.78, 0.92

Array = np.ndarray


def gated(logits: Array, bias: float) -> Array:
    """(n, labels + 1) logits, the background's last → (n, labels + 1) scores that add up to 1."""
    flowers, background = logits[:, :-1].astype(np.float64), logits[:, -1].astype(np.float64)
    most = flowers.max(axis=1, keepdims=True)
    powers = np.exp(flowers - most)
    evidence = most[:, 0] + np.log(powers.sum(axis=1)) - background
    openness = 1 / (1 + np.exp(np.clip(2 * (bias - evidence), -60, 60)))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return np.concatenate([shares * openness[:, None], 1 - openness[:, None]], axis=1)


def stored(scores: Array) -> Array:
    """The scores of the labels as the bundle gives them: in steps of 1/256, without the background's."""
    return np.round(scores[:, :-1] * 256) / 256


def choose_threshold(scores: Array, truth: Array) -> float:
    """The highest threshold, in hundredths, with a recall of at least THRESHOLD_RECALL; scores (n, labels), truth (n,)."""
    right = scores[np.arange(len(truth)), truth]
    return max((step / 100 for step in range(1, 100) if (right >= step / 100).mean() >= THRESHOLD_RECALL), default=0.01)


def precision(scores: Array, truth: Array, threshold: float) -> float:
    """Of all labels given at a threshold, the share that is right."""
    given = scores >= threshold
    return float(given[np.arange(len(truth)), truth].sum() / max(1, given.sum()))


def choose_bias(logits: Array, truth: Array) -> float:
    """The highest bias of BIASES at whose threshold precision is at least LEAST_PRECISION; 0 where none is."""
    fitting = [0.0]
    for bias in BIASES:
        scores = stored(gated(logits, bias))
        if precision(scores, truth, choose_threshold(scores, truth)) >= LEAST_PRECISION:
            fitting.append(bias)
    return max(fitting)
