"""Django alone: one view that answers with a constant, as an ASGI application."""

from __future__ import annotations

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

ANSWER = {"value": "constant"}


async def constant(request: HttpRequest) -> JsonResponse:
    del request
    return JsonResponse(ANSWER)


urlpatterns = [path("constant", constant)]

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="bench", MIDDLEWARE=[])
application = get_asgi_application()
