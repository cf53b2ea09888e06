"""Django, set up in a process that needs the database."""

from __future__ import annotations

import os

from coordinator.config.configuration import read_configuration
from coordinator.config.logs import configure_logs


def set_up_django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.config.settings")
    configure_logs(log_format=read_configuration().log_format)
    import django  # noqa: PLC0415 - only processes with a database pay for it

    django.setup()


def set_up_when_installed() -> None:
    """Waits for the tables too."""
    set_up_django()
    from coordinator.config import installation  # noqa: PLC0415 - Django is set up now

    installation.wait_until_installed()
