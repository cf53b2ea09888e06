"""How the SDK's clients get tokens: a program's by its secret, a person's from signing in."""

from __future__ import annotations

import time
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.identity import ClientSecretCredential

from coordinator.cli.connection import Connection
from coordinator.cli.failures import CommandError
from coordinator.cli.person_sign_in import not_signed_in, renew
from coordinator.cli.tokens import TokenFile, Tokens


class PersonCredential:
    """A person's kept token, renewed as long as that goes on."""

    def __init__(self, connection: Connection, kept: TokenFile) -> None:
        self._connection = connection
        self._kept = kept
        self._refused = ""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """The token; the SDK's way of asking.

        Raises:
            CommandError: The person has to sign in.
        """
        del scopes, options
        known = self._kept.read()
        if known is None:
            raise not_signed_in(self._connection)
        if not known.is_fresh(time.time()) or known.access == self._refused:
            if not known.refresh:
                raise not_signed_in(self._connection)
            known = self._renewed(known)
        return AccessToken(known.access, known.expires_at)

    def _renewed(self, known: Tokens) -> Tokens:
        try:
            found = renew(self._connection, known.refresh)
        except CommandError:
            # Another command may have been quicker: then the token we had was used up.
            other = self._kept.read()
            if other is None or other.access == known.access:
                raise
            return other
        self._kept.write(found)
        return found

    def refuse(self, token: str) -> None:
        """The service does not take this token any more."""
        self._refused = token


class ProgramCredential:
    """A program's token by its id and secret, kept between two commands if it has a profile."""

    def __init__(self, connection: Connection, kept: TokenFile | None) -> None:
        self._connection = connection
        self._kept = kept
        self._refused = ""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """The token; the SDK's way of asking.

        Raises:
            ClientAuthenticationError: The coordinator does not take the secret.
        """
        known = None if self._kept is None else self._kept.read()
        if known is not None and known.is_fresh(time.time()) and known.access != self._refused:
            return AccessToken(known.access, known.expires_at)
        connection = self._connection
        with ClientSecretCredential(
            connection.tenant_id,
            connection.client_id,
            connection.client_secret.reveal(),
            authority=connection.authority,
            disable_instance_discovery=True,
            connection_verify=connection.verify,
            retry_total=2,
        ) as signing_in:
            token = signing_in.get_token(*scopes, **options)
        if self._kept is not None:
            self._kept.write(Tokens(token.token, token.expires_on))
        return token

    def refuse(self, token: str) -> None:
        """The service does not take this token any more."""
        self._refused = token


class KeptTokenPolicy(BearerTokenCredentialPolicy[Any, Any]):
    """Sends the token; one that was kept and is refused is replaced once."""

    def __init__(self, credential: PersonCredential | ProgramCredential, scope: str) -> None:
        super().__init__(credential, scope)
        self._kept = credential
        self._replaced = False

    def on_challenge(
        self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]
    ) -> bool:
        """Answers a 401: that request had no effect, so it can be sent again."""
        del response
        if self._replaced:
            return False
        self._replaced = True
        header = str(request.http_request.headers.get("Authorization", ""))
        self._kept.refuse(header.removeprefix("Bearer "))
        self.authorize_request(request, *self._scopes)
        return True


def credential_for(
    connection: Connection, kept: TokenFile | None
) -> PersonCredential | ProgramCredential:
    """The way this connection signs in.

    Raises:
        CommandError: A person's connection has no place to keep tokens.
    """
    if not connection.is_person:
        return ProgramCredential(connection, kept)
    if kept is None:
        raise not_signed_in(connection)
    return PersonCredential(connection, kept)
