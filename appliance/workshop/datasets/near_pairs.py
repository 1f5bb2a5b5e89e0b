"""Find pairs of similar thumbnails without comparing all pairs: the cost grows nearly as the number of pictures.

Each signature (see imaging/fingerprint) is reduced to 512 sign bits of random mixtures of its differences, each divided
at its median over the pictures, so that both values are equally frequent. Two signatures with a cosine c differ in one
bit with the probability arccos(c) / π. The bits form 32 keys; pictures with an equal key are in one bucket (locality-
sensitive hashing: Charikar, "Similarity estimation techniques from rounding algorithms", 2002). A pair in one bucket is
compared by all of its bits, and then by the cosine, so every reported pair is as near as with the comparison of all
pairs. With up to SMALL pictures, all pairs are compared.
"""

from collections.abc import Iterator

import numpy as np

from appliance.imaging.fingerprint import NEAR, compute_signatures

SMALL = 1024
_BLOCK = 512
_KEYS, _KEY_BITS = 32, 16
_BITS = _KEYS * _KEY_BITS
_SEED = 20_020_519
# A pair at the limit NEAR differs in 66 ± 8 of the 512 bits.
_MAX_DIFFERENT_BITS = 104
_PAIRS_AT_ONCE = 16_384
# In a larger bucket, which pictures of one kind may form, each picture is compared with this many followers.
_MAX_NEIGHBORS = 64


def find_near_pairs(thumbnails: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield pairs of near duplicates, mirrored ones included, each with the smaller index first.

    Args:
        thumbnails: (n, 16, 16, 3) uint8.
    """
    if len(thumbnails) <= SMALL:
        yield from _compare_all(thumbnails)
        return
    straight, mirrored = _compute_codes(thumbnails)
    seen: set[int] = set()
    for key in range(_KEYS):
        for pairs, flip in _find_candidates(straight[:, key], mirrored[:, key]):
            for start in range(0, len(pairs), _PAIRS_AT_ONCE):
                part = _keep_similar(pairs[start : start + _PAIRS_AT_ONCE], straight, mirrored if flip else straight)
                part = np.array([pair for pair in part if _add(seen, pair, len(thumbnails), flip)], int).reshape(-1, 2)
                for one, other in _verify(part, thumbnails, flip):
                    yield int(one), int(other)


def _compare_all(thumbnails: np.ndarray) -> Iterator[tuple[int, int]]:
    straight, mirrored = compute_signatures(thumbnails), compute_signatures(thumbnails[:, :, ::-1])
    for start in range(0, len(straight), _BLOCK):
        rows, rest = straight[start : start + _BLOCK], slice(start, None)
        similarity = np.maximum(rows @ straight[rest].T, rows @ mirrored[rest].T)
        for one, other in np.argwhere(similarity >= NEAR):
            if one < other:
                yield start + int(one), start + int(other)


def _compute_codes(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the keys of the pictures and of their mirror images: (n, 32) uint16 each."""
    size = compute_signatures(thumbnails[:1]).shape[1]
    mixtures = np.random.default_rng(_SEED).standard_normal((size, _BITS)).astype(np.float32)
    step = max(1, len(thumbnails) // 2048)
    medians = np.median(compute_signatures(thumbnails[::step]) @ mixtures, axis=0)
    codes = np.empty((2, len(thumbnails), _KEYS), np.uint16)
    for start in range(0, len(thumbnails), _BLOCK):
        part = thumbnails[start : start + _BLOCK]
        for side, pixels in enumerate((part, part[:, :, ::-1])):
            bits = compute_signatures(pixels) @ mixtures > medians
            codes[side, start : start + len(part)] = np.packbits(bits, axis=1).view(np.uint16)
    return codes[0], codes[1]


def _find_candidates(straight: np.ndarray, mirrored: np.ndarray) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield (pairs, mirrored): (n, 2) pairs of pictures with an equal key, smaller index first."""
    order = np.argsort(straight, kind="stable")
    keys = straight[order]
    for distance in range(1, min(_MAX_NEIGHBORS, len(keys) - 1) + 1):
        equal = np.flatnonzero(keys[distance:] == keys[:-distance])
        if not len(equal):
            break
        yield np.stack([order[equal], order[equal + distance]], axis=1), False
    first = np.searchsorted(keys, mirrored, "left")
    count = np.minimum(np.searchsorted(keys, mirrored, "right") - first, _MAX_NEIGHBORS)
    for distance in range(int(count.max(initial=0))):
        rows = np.flatnonzero(count > distance)
        pairs = np.stack([order[first[rows] + distance], rows], axis=1)
        yield np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), True


def _keep_similar(pairs: np.ndarray, straight: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Keep the pairs whose bits differ little."""
    different = np.bitwise_xor(straight[pairs[:, 0]], others[pairs[:, 1]]).view(np.uint64)
    counts = _BIT_COUNTS[different.view(np.uint16)].reshape(len(pairs), -1).sum(axis=1, dtype=np.int32)
    kept: np.ndarray = pairs[counts <= _MAX_DIFFERENT_BITS]
    return kept


def _add(seen: set[int], pair: np.ndarray, count: int, flip: bool) -> bool:
    number = (int(pair[0]) * count + int(pair[1])) * 2 + flip
    if number in seen:
        return False
    seen.add(number)
    return True


def _verify(pairs: np.ndarray, thumbnails: np.ndarray, flip: bool) -> np.ndarray:
    """Keep the pairs whose signatures have a cosine of NEAR or more."""
    kept = [np.empty((0, 2), int)]
    for start in range(0, len(pairs), _BLOCK):
        part = pairs[start : start + _BLOCK]
        one, other = thumbnails[part[:, 0]], thumbnails[part[:, 1]]
        other = other[:, :, ::-1] if flip else other
        similarity = np.einsum("ij,ij->i", compute_signatures(one), compute_signatures(other))
        kept.append(part[similarity >= NEAR])
    return np.concatenate(kept)


_BIT_COUNTS = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)
