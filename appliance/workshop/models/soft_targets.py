"""Run the second half of the second stage: compute soft targets from the teachers' features.

A softmax head is fitted to the teachers' pooled features, sqrt(max(x, 0)), of the training photographs of flowers. It
is cross-fitted: the target of a photograph and its copies comes from a fit without that photograph, so that its
uncertainty is realistic.

The distance from the flowers is measured in the same features: m and U are the mean and the first principal components
of the training flowers' x; d = |x − m|² − |Uᵀ(x − m)|² is the part of x outside their subspace. In a teacher's
features, d is large for other subjects, even for those outside its training. In the small network's features it is not
(see the model card): a gate on d would reject unseen flowers as readily as a burger. Therefore d is used in the
targets, not in the network.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from appliance.workshop.models.paths import LABELS, WORK
from appliance.workshop.models.prepare import PictureSet, load_pictures
from appliance.workshop.models.projection import fit_projection
from appliance.workshop.models.teachers import EMBEDDING
from appliance.workshop.training.gate import PrincipalSubspace

FOLDS, STRENGTHS = 5, (0.003, 0.01, 0.03)
COMPONENTS, QUANTILE = 64, 0.95


def write_soft_targets() -> None:
    """Write targets.npz.

    The file contains the targets, (n, labels + 1) float32 probabilities, and the pooled features that the network is
    trained to predict, (n, EMBEDDING) float32, roughly standardized, NaN for pictures without teachers' features.
    """
    pictures, features = load_pictures(), np.load(WORK / "features.npy").astype(np.float32)
    projection = fit_projection(features[pictures.whole], EMBEDDING)
    embedding = projection.project(features).astype(np.float32)
    np.savez(WORK / "targets.npz", targets=compute_targets(features, pictures), embedding=embedding)


def fit_subspace(values: np.ndarray) -> PrincipalSubspace:
    """Fit the mean and the first COMPONENTS principal axes of the rows of (n, features)."""
    mean = values.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(values - mean, rowvar=False))
    axes = axes[:, : -COMPONENTS - 1 : -1]
    # Both signs of an axis are correct; choose one, so that the bytes are reproducible.
    return PrincipalSubspace(mean, axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(COMPONENTS)]))


def compute_targets(features: np.ndarray, pictures: PictureSet) -> np.ndarray:
    """Compute the target of each picture.

    The teachers affect only photographs of flowers; all other pictures keep their label. The features of a copy that
    shows little of its flower are far from those of whole photographs, so its target moves to the background.

    Args:
        features: (n, features) float32, the teachers' pooled features.
        pictures: The n pictures.

    Returns:
        (n, labels + 1) float32.
    """
    targets: np.ndarray = np.eye(len(LABELS) + 1, dtype=np.float32)[pictures.label]
    flowers = pictures.select_group("flowers")
    fold = np.where(flowers, pictures.photograph % FOLDS, -1)
    strength = max(STRENGTHS, key=lambda strength: _measure_accuracy(features, pictures, fold, strength))
    distances = np.zeros(len(targets))
    for index in range(FOLDS):
        fitted = flowers & pictures.whole & (fold != index)
        held_out = fold == index
        head = _fit_head(features[fitted], pictures.label[fitted], strength)
        targets[held_out, : len(LABELS)] = head.predict_proba(features[held_out])
        distances[held_out] = fit_subspace(features[fitted]).measure_distances(features[held_out])
    whole = flowers & pictures.whole
    right = (targets[whole].argmax(axis=1) == pictures.label[whole]).mean()
    limit, softness = np.quantile(distances[whole], QUANTILE), distances[whole].std() / 2
    acceptance = 1 / (1 + np.exp((distances[flowers] - limit) / softness))
    targets[flowers, :-1] *= acceptance[:, None]
    targets[flowers, -1] = 1 - acceptance
    print(f"the teachers' head, cross-fitted with C={strength}, labels {right:.3f} of the training flowers correctly;")
    print(f"  {(acceptance < 0.5).mean():.1%} of their copies show too little of a flower")
    return targets


def _measure_accuracy(features: np.ndarray, pictures: PictureSet, fold: np.ndarray, strength: float) -> float:
    """Measure the accuracy on the first fold of a head that was fitted to the others."""
    fitted, held_out = pictures.whole & (fold > 0), pictures.whole & (fold == 0)
    head = _fit_head(features[fitted], pictures.label[fitted], strength)
    return float(head.score(features[held_out], pictures.label[held_out]))


def _fit_head(features: np.ndarray, labels: np.ndarray, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, tol=1e-3, max_iter=300).fit(features, labels)
