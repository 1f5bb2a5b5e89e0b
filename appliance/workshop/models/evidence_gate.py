"""Decide how much evidence of a flower a picture must have to get a label.

Let l be the logits of the labels and b that of the background. e = log Σ exp(l) − b is the evidence that the picture
shows any flower; acceptance = 1 / (1 + exp(2 · (bias − e))), score = softmax(l) · acceptance, and the score of the
background is 1 − acceptance. A softmax over all six would treat doubt between two flowers like doubt whether there is a
flower at all. The bias is the highest one for which the precision on flowers val is sufficient; how many pictures
without flowers pass the gate is measured afterward.
"""

import numpy as np

BIASES = tuple(step / 10 for step in range(31))
# The threshold is the highest one, in hundredths, with at least this recall on flowers val; its precision must be at
# least LEAST_PRECISION.
THRESHOLD_RECALL, LEAST_PRECISION = 0.78, 0.92


def compute_scores(logits: np.ndarray, bias: float) -> np.ndarray:
    """Compute the scores from logits.

    Args:
        logits: (n, labels + 1), with the background's last.
        bias: The evidence at which the acceptance is 0.5.

    Returns:
        (n, labels + 1) float64; each row adds up to 1.
    """
    flowers, background = logits[:, :-1].astype(np.float64), logits[:, -1].astype(np.float64)
    greatest = flowers.max(axis=1, keepdims=True)
    powers = np.exp(flowers - greatest)
    evidence = greatest[:, 0] + np.log(powers.sum(axis=1)) - background
    acceptance = 1 / (1 + np.exp(np.clip(2 * (bias - evidence), -60, 60)))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return np.concatenate([shares * acceptance[:, None], 1 - acceptance[:, None]], axis=1)


def quantize_scores(scores: np.ndarray) -> np.ndarray:
    """Round scores (n, labels + 1) to steps of 1/256, as the bundle does, and remove the background's."""
    return np.round(scores[:, :-1] * 256) / 256


def choose_threshold(scores: np.ndarray, truth: np.ndarray) -> float:
    """Choose the highest threshold, in hundredths, with a recall of at least THRESHOLD_RECALL.

    Args:
        scores: (n, labels).
        truth: (n,) indices of the labels.
    """
    right = scores[np.arange(len(truth)), truth]
    return max((step / 100 for step in range(1, 100) if (right >= step / 100).mean() >= THRESHOLD_RECALL), default=0.01)


def compute_precision(scores: np.ndarray, truth: np.ndarray, threshold: float) -> float:
    """Compute the share of right labels among all labels at or above a threshold; 0 if there are none."""
    given = scores >= threshold
    return float(given[np.arange(len(truth)), truth].sum() / max(1, given.sum()))


def choose_bias(logits: np.ndarray, truth: np.ndarray) -> float:
    """Choose the highest of BIASES whose threshold has at least LEAST_PRECISION; 0 if there is none.

    Args:
        logits: (n, labels + 1), with the background's last.
        truth: (n,) indices of the labels.
    """
    fitting = [0.0]
    for bias in BIASES:
        scores = quantize_scores(compute_scores(logits, bias))
        if compute_precision(scores, truth, choose_threshold(scores, truth)) >= LEAST_PRECISION:
            fitting.append(bias)
    return max(fitting)
