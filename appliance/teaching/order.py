"""The order in which pictures of the dataset are shown, and the place of a page in it.

Uncertain first: first the pictures whose label the running model contradicts (by its score), then those about which it
is least sure. A place is that of the last picture shown, not a number, so pictures that were labeled, moved, or deleted
in between do not shift the next page.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from appliance.errors import TeachingError
from appliance.teaching.folders import TeachingPicture
from appliance.teaching.guesses import Guess
from appliance.teaching.names import BACKGROUND

PictureOrder = Literal["uncertain", "newest"]
PictureKey = tuple[float, float, str]
_UNKNOWN = 0.5


def measure_uncertainty(picture: TeachingPicture, guess: Guess | None, threshold: float) -> float:
    """Return how much a picture deserves a look: 0 for none, above 1 if the model contradicts its label.

    Args:
        picture: The picture.
        guess: The guess of the running model; None if there is none yet.
        threshold: The threshold of the running model.
    """
    if guess is None:
        return _UNKNOWN
    label = BACKGROUND if picture.is_background else picture.label
    if label is None:
        # Far above the threshold the model is sure of a label, far below it that there is none.
        reach = max(threshold, 1 - threshold, 1e-6)
        return 1 - min(1.0, abs(guess.score - threshold) / reach)
    if guess.label == label:
        return 1 - guess.score
    if label == BACKGROUND and guess.score < threshold:
        return guess.score
    return 1 + guess.score


def take_page(
    pictures: Iterable[TeachingPicture], key: Callable[[TeachingPicture], PictureKey], cursor: str | None, limit: int
) -> tuple[Sequence[TeachingPicture], str | None]:
    """Return the next pictures in the order of `key`, and the cursor of the page after them; None at the end.

    Args:
        pictures: All pictures to show.
        key: Returns a sortable key that ends with the id.
        cursor: Of the previous page; None for the first one.
        limit: The most pictures of a page.

    Raises:
        TeachingError: The cursor is not one of these.
    """
    keyed = sorted((key(picture), picture) for picture in pictures)
    if cursor is not None:
        after = _decode_cursor(cursor)
        keyed = [item for item in keyed if item[0] > after]
    page = keyed[:limit]
    more = _encode_cursor(page[-1][0]) if page and len(keyed) > limit else None
    return [picture for _, picture in page], more


def _encode_cursor(key: PictureKey) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> PictureKey:
    try:
        first, second, picture_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return float(first), float(second), str(picture_id)
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise TeachingError(400, "cursor is not one of an earlier answer; load the list from its start") from error
