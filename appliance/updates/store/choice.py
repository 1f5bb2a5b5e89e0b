"""Choose the model to run: the first of an order that can be read and loaded."""

from collections.abc import Callable, Sequence

from appliance.bundle.bundle import Bundle
from appliance.errors import BundleError
from appliance.updates.store.state import InstalledModel, Loaded, ModelChoice
from appliance.updates.store.transitions import display_name


def choose_model(
    order: Sequence[InstalledModel | None],
    read: Callable[[InstalledModel | None], Bundle],
    load: Callable[[Bundle], Loaded],
    reasons: Sequence[str] = (),
) -> ModelChoice[Loaded]:
    """Return the first model that can be loaded, and why those before it cannot.

    Args:
        order: The models to try; None for the bundled one.
        read: Reads a model's bundle; raises BundleError if the files are missing or damaged.
        load: Turns a bundle into what the caller needs; raises BundleError if the bundle cannot run.
        reasons: Reasons that come before those.

    Raises:
        BundleError: No model can be loaded.
    """
    reasons = list(reasons)
    faulty: list[tuple[InstalledModel, str]] = []
    for model in order:
        is_whole = False
        try:
            bundle = read(model)
            is_whole = True
            return ModelChoice(load(bundle), bundle, model, tuple(reasons), tuple(faulty))
        except BundleError as error:
            reason = f"{display_name(model)} cannot be loaded: {error}"
            reasons.append(reason)
            if is_whole and model:
                faulty.append((model, reason))
    raise BundleError(f"no model can be loaded: {'; '.join(reasons)}")
