"""Addresses of the REST API."""

from __future__ import annotations

from django.urls import include, path
from django.urls.resolvers import URLPattern, URLResolver

from coordinator.api import sign_in, sign_in_auditing
from coordinator.api.application import build_api
from coordinator.api.metrics import views as metrics
from coordinator.api.openapi.views import ADDRESS, document_view

api = build_api()

sign_in_auditing.connect()

urlpatterns: list[URLPattern | URLResolver] = [
    path(
        "<uuid:tenant>/v2.0/.well-known/openid-configuration",
        sign_in.openid_configuration,
        name="openid-configuration",
    ),
    path("<uuid:tenant>/oauth2/v2.0/token", sign_in.token, name="token"),
    path("<uuid:tenant>/oauth2/v2.0/authorize", sign_in.authorize, name="authorize"),
    path("account/", include("coordinator.api.people")),
    path(ADDRESS, document_view(api), name="openapi"),
    path(metrics.ADDRESS, metrics.metrics, name="metrics"),
    path("", api.urls),
]
