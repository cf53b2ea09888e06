"""The scene that bad requests are made against, the same for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from tests.integration.api.bad_input.scene import Scene, make_scene
from tests.integration.api.programs import Server


@pytest.fixture(scope="module")
def scene(
    server: Server,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    with django_db_blocker.unblock():
        made = make_scene(server, tmp_path_factory.mktemp("program"), timezone.now())
        yield made
        made.program.close()
        call_command("flush", interactive=False, verbosity=0)
