"""The API process as an ASGI application."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.config.settings")
application = get_asgi_application()

from django.conf import settings  # noqa: E402 - Django is set up now

from coordinator.config.celery import make_app  # noqa: E402 - Django is set up now

# Services tell workers of new jobs through the process's Celery app.
make_app(settings.CONFIGURATION)
