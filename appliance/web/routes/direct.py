"""A route for clients that send many requests a second.

For an ordinary route, FastAPI opens contexts, resolves dependencies, and checks parameters and body one by one, which
takes 0.2 ms a request on a PC. A route of this class is described in the API like every other one, but Pydantic reads
its body at once, and its endpoint is called with the body, the context, and the parameters of the path as they are.
"""

from typing import Any, TypeVar, get_type_hints

from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope, Send

from appliance.errors import RequestError

# Some programs begin every text in UTF-8 with it; JSON has none.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_Model = TypeVar("_Model", bound=BaseModel)


class DirectRoute(APIRoute):
    """A route whose endpoint is `async def NAME(body: MODEL, context: Context, PARAMETER: str, …)`.

    It returns its answer as JSON, which `response_model` describes.
    """

    def __init__(self, path: str, endpoint: Any, **options: Any):
        """Prepare; the arguments are those of every route."""
        super().__init__(path, endpoint, **options)
        self._body_type: type[BaseModel] = get_type_hints(endpoint)["body"]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for this path.

        Raises:
            HTTPException: It has another method.
            RequestValidationError: The body is no JSON, or has another shape.
            ApplianceError: As the endpoint does; answered by the application, as for every route.
        """
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        body = read_json(self._body_type, await _receive(receive))
        answer = await self.endpoint(body, scope["app"].state.context, **scope["path_params"])
        await Response(answer, media_type="application/json")(scope, receive, send)


def read_json(body_type: type[_Model], body: bytes) -> _Model:
    """Return the values of a body.

    Args:
        body_type: The class of the values.
        body: JSON in UTF-8.

    Raises:
        RequestValidationError: It is no JSON, or has another shape.
    """
    if not body:
        raise RequestValidationError([{"type": "missing", "loc": ("body",)}])
    try:
        return body_type.model_validate_json(body.removeprefix(_BYTE_ORDER_MARK))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from error


async def _receive(receive: Receive) -> bytes:
    parts, is_complete = [], False
    while not is_complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError(400, "the request was cut off; send it again")
        parts.append(message.get("body", b""))
        is_complete = not message.get("more_body")
    return b"".join(parts)
