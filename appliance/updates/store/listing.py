"""List the models of a device for people."""

from appliance.bundle.identity import ModelIdentity
from appliance.updates.store.state import InstalledModel, Listed, StoreState


def list_models(state: StoreState, bundled: ModelIdentity) -> list[Listed]:
    """List every model in the state and the bundled model, the current model first."""
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
    return [
        Listed(tuple(has), model.name, model.version, model.sha256, model.origin, model.delivered)
        if model
        else Listed(tuple(has), bundled.name, bundled.version, bundled.sha256, "came with the program", None)
        for model, has in roles.items()
    ]
