"""Sign in with a one-time code, and sign out."""

from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from appliance.errors import RequestError
from appliance.web.access.store import SESSION_LIMIT_S
from appliance.web.guard import TOO_MANY_FAILURES
from appliance.web.routes.context import Caller, Context, WebContext
from appliance.web.routes.errors import RESPONSES

router = APIRouter(prefix="/api", tags=["session"], responses=RESPONSES)


class SignIn(BaseModel):
    """The code of a sign-in link."""

    code: str = Field(max_length=200)


class SessionAnswer(BaseModel):
    """Who is signed in."""

    scope: str
    device: str


class NameAnswer(BaseModel):
    """The display name of the device."""

    name: str


@router.get("/name")
def get_name(context: Context) -> NameAnswer:
    """Return the name of the device, for the sign-in page; the only thing that needs no sign-in."""
    return NameAnswer(name=context.device.name)


@router.post("/session", status_code=204)
def sign_in(sign_in: SignIn, request: Request, context: Context) -> Response:
    """Sign in; the cookie of the session lasts 30 days after its last use."""
    address = request.client.host if request.client else ""
    if context.limit.is_exceeded(address):
        raise RequestError(429, TOO_MANY_FAILURES)
    session_id = context.access.redeem_code(sign_in.code)
    if session_id is None:
        context.limit.record_failure(address)
        raise RequestError(
            401, "this link was used already or is older than 10 minutes; run on the device: sudo appliance web"
        )
    response = Response(status_code=204)
    _set_cookie(response, request, context, session_id)
    return response


@router.get("/session")
def get_session(caller: Caller, request: Request, response: Response, context: Context) -> SessionAnswer:
    """Return who is signed in. The page asks when it is opened, which prolongs the cookie as it does the session."""
    if caller.is_session:
        _set_cookie(response, request, context, str(request.scope["session_id"]))
    return SessionAnswer(scope=caller.scope, device=context.device.name)


@router.delete("/session", status_code=204)
def sign_out(caller: Caller, context: Context) -> Response:
    """Sign out; open streams of this session end."""
    if caller.is_session:
        context.access.end_session(caller)
    response = Response(status_code=204)
    response.delete_cookie(context.cookie_name, path="/", httponly=True, samesite="strict")
    return response


@router.delete("/sessions", status_code=204)
def sign_out_everywhere(context: Context) -> Response:
    """Sign out every browser; their open streams end. Tokens remain valid."""
    context.access.end_all_sessions()
    return Response(status_code=204)


def _set_cookie(response: Response, request: Request, context: WebContext, session_id: str) -> None:
    response.set_cookie(
        context.cookie_name, session_id, int(SESSION_LIMIT_S), path="/",
        secure=_is_over_tls(request, context.public_url), httponly=True, samesite="strict",
    )  # fmt: skip


def _is_over_tls(request: Request, public_url: str | None) -> bool:
    """Return whether the browser uses https, be it up to a proxy, which Origin or web.public_url names."""
    if request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://"):
        return True
    public = urlsplit(public_url or "")
    return public.scheme == "https" and public.netloc.lower() == request.headers["host"].lower()
