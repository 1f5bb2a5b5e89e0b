"""What the routes share, and how they get it.

The dependencies are coroutines, because FastAPI runs ordinary functions on a thread each, which costs every request
more than they do.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

from fastapi import Depends, Request

from appliance.errors import RequestError
from appliance.web.access.principal import Principal
from appliance.web.access.sign_in_limit import SignInLimit
from appliance.web.access.store import AccessStore
from appliance.web.device import PageDevice
from appliance.web.guard import SIGN_IN_FIRST
from appliance.web.live.feed import LiveFeed
from appliance.web.live.pictures import FramePictures
from appliance.web.predict.predictor import Predictor


@dataclass(frozen=True, slots=True)
class WebContext:
    """The device and the parts of the page.

    Attributes:
        uploads: The folder for uploads.
        cookie_name: The name of the session cookie.
        public_url: The setting web.public_url.
    """

    device: PageDevice
    access: AccessStore
    limit: SignInLimit
    feed: LiveFeed
    pictures: FramePictures
    predictor: Predictor
    uploads: Path
    cookie_name: str
    public_url: str | None = None


async def get_context(request: Request) -> WebContext:
    """Return the context of a request."""
    return cast("WebContext", request.app.state.context)


async def get_principal(request: Request) -> Principal:
    """Return who makes a request.

    Raises:
        RequestError: No valid session or token came with the request.
    """
    principal = request.scope.get("principal")
    if not isinstance(principal, Principal):
        raise RequestError(401, SIGN_IN_FIRST)
    return principal


Context = Annotated[WebContext, Depends(get_context)]
Caller = Annotated[Principal, Depends(get_principal)]
