"""Addresses of the REST API."""

from __future__ import annotations

from django.urls import include, path
from django.urls.resolvers import URLPattern, URLResolver

from coordinator.api import sign_in
from coordinator.api.application import build_api

urlpatterns: list[URLPattern | URLResolver] = [
    path(
        "<uuid:tenant>/v2.0/.well-known/openid-configuration",
        sign_in.openid_configuration,
        name="openid-configuration",
    ),
    path("<uuid:tenant>/oauth2/v2.0/token", sign_in.token, name="token"),
    path("<uuid:tenant>/oauth2/v2.0/authorize", sign_in.authorize, name="authorize"),
    path("account/", include("coordinator.api.people")),
    path("", build_api().urls),
]
