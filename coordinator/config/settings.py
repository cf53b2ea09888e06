"""Django settings, all derived from the configuration."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import django_stubs_ext
from psycopg.conninfo import conninfo_to_dict

from coordinator.config.configuration import Configuration, read_configuration
from coordinator.vaults.key_files import ensure_secret

django_stubs_ext.monkeypatch()

CONFIGURATION = read_configuration()
SECRET_KEY_BYTES = 48


def read_secret_key(file: Path) -> str:
    """The key Django signs with: made once, kept beside the certificate authority.

    Without a state folder (checks, migrations made on a developer's machine) it lives as long as
    the process.
    """
    if not file.parent.is_dir():
        return secrets.token_urlsafe(SECRET_KEY_BYTES)
    return ensure_secret(file, lambda: secrets.token_urlsafe(SECRET_KEY_BYTES))


def database(url: str) -> dict[str, Any]:
    parts = conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.get("dbname", "osr"),
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
        "HOST": parts.get("host", ""),
        "PORT": str(parts.get("port", "")),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        # Both are only of use to cursors that bind on the server (jobs.statements): a statement is
        # prepared when it is run the third time, and planned once, whatever its arguments: planning
        # took longer than carrying out.
        "OPTIONS": {
            "connect_timeout": 5,
            "prepare_threshold": 2,
            "options": "-c plan_cache_mode=force_generic_plan",
        },
    }


def single_sign_on(configuration: Configuration) -> dict[str, Any]:
    """The OpenID Connect provider people may sign in with, as allauth wants it; none: {}."""
    if not configuration.oidc_issuer:
        return {}
    file = configuration.oidc_client_secret_file
    app = {
        "provider_id": "sso",
        "name": configuration.oidc_name,
        "client_id": configuration.oidc_client_id,
        "secret": file.read_text(encoding="utf-8").strip() if file is not None else "",
        "settings": {"server_url": configuration.oidc_issuer, "oauth_pkce_enabled": True},
    }
    return {"openid_connect": {"APPS": [app]}}


SECRET_KEY = read_secret_key(CONFIGURATION.state / "secrets" / "django.key")
DEBUG = False
ALLOWED_HOSTS = [CONFIGURATION.public_host, CONFIGURATION.api_host, "localhost", "127.0.0.1"]
ROOT_URLCONF = "coordinator.config.urls"
ASGI_APPLICATION = "coordinator.config.asgi.application"
DATABASES = {"default": database(CONFIGURATION.database_url)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
# ARM paths carry no closing slash, and a POST must not be redirected.
APPEND_SLASH = False
# A recovery plan of 2,000 machines, each with its long id, is one body of about a megabyte.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "oauth2_provider",
    "coordinator.vaults",
    "coordinator.fabrics",
    "coordinator.events",
    "coordinator.jobs",
    "coordinator.protection",
    "coordinator.recovery",
    # Its templates come before allauth's.
    "coordinator.access",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]
MIDDLEWARE = [
    "coordinator.api.middleware.resource_manager",
    "django.middleware.security.SecurityMiddleware",
    "coordinator.api.pages.Pages",
    "allauth.account.middleware.AccountMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
SECURE_HSTS_SECONDS = 31536000

OAUTH2_PROVIDER_APPLICATION_MODEL = "oauth2_provider.Application"
OAUTH2_PROVIDER = {
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    # Programs ask for "<endpoint>/.default"; rights come from roles, not from scopes.
    "SCOPES": {"default": "Everything the program's roles allow"},
    "DEFAULT_SCOPES": ["default"],
    # The database holds a checksum of each token, never the token.
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    # A working day; then the person signs in again.
    "REFRESH_TOKEN_EXPIRE_SECONDS": 12 * 60 * 60,
    "PKCE_REQUIRED": True,
    "OAUTH2_VALIDATOR_CLASS": "coordinator.access.tokens.TokenValidator",
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/account/"

# Sessions are in the database, which loses none of them.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 8 * 60 * 60
# "__Host-": a browser takes and sends them over TLS only, and from no other host of the domain.
SESSION_COOKIE_NAME = "__Host-osr-session"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
# Not Strict: the identity provider sends people back here.
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-osr-csrf"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"

ACCOUNT_ADAPTER = "coordinator.access.sign_in_rules.AccountRules"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_SESSION_REMEMBER = False
# allauth's own limits are kept in a cache; coordinator.access.guesses keeps ours.
ACCOUNT_RATE_LIMITS = False
SOCIALACCOUNT_ADAPTER = "coordinator.access.sign_in_rules.SingleSignOnRules"
SOCIALACCOUNT_PROVIDERS = single_sign_on(CONFIGURATION)
LOGGING_CONFIG = None
