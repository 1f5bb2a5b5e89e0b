"""List the models of a device for people."""

from collections.abc import Sequence

from appliance.bundle.identity import ModelIdentity
from appliance.updates.store.state import InstalledModel, Listed, StoreState


def list_models(state: StoreState, bundled: ModelIdentity, others: Sequence[ModelIdentity] = ()) -> list[Listed]:
    """List every model in the state and the bundled models, the current model first.

    Args:
        state: The state of the store.
        bundled: The bundled model that the state means.
        others: The other bundled models.
    """
    named_roles = (
        ("current", state.current),
        ("previous", state.previous),
        ("earlier", state.before_previous),
        ("waiting", state.staged),
    )
    roles: dict[InstalledModel | None, list[str]] = {}
    for role, model in named_roles:
        if model or role == "current":
            roles.setdefault(model, []).append(role)
    if state.probation:
        roles[state.current].append("probation")
    roles.setdefault(None, []).append("bundled")
    listed = [
        Listed(tuple(has), model.name, model.version, model.sha256, model.origin, model.delivered)
        if model
        else _list_bundled(tuple(has), bundled)
        for model, has in roles.items()
    ]
    return listed + [_list_bundled(("bundled",), other) for other in others]


def _list_bundled(roles: tuple[str, ...], model: ModelIdentity) -> Listed:
    return Listed(roles, model.name, model.version, model.sha256, "came with the program", None)
