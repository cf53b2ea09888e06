"""The pages people sign in and out at."""

from __future__ import annotations

from allauth.account import views as account
from allauth.socialaccount import views as single_sign_on
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path
from django.urls.resolvers import URLPattern, URLResolver
from django.views.decorators.cache import never_cache

# The names are allauth's, which looks for them. People are made by an administrator, so what is
# about signing up, confirming addresses and sending passwords by e-mail is left out.
urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    # Says that nobody signs up.
    path("signup/", account.signup, name="account_signup"),
    path("password/", account.password_change, name="account_change_password"),
    path("sso/cancelled/", single_sign_on.login_cancelled, name="socialaccount_login_cancelled"),
    path("sso/error/", single_sign_on.login_error, name="socialaccount_login_error"),
    path("", include("allauth.socialaccount.providers.openid_connect.urls")),
]


@never_cache
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Who one is."""
    return render(request, "account/home.html")


urlpatterns.append(path("", home, name="account_home"))
