"""The viewer's own tokens: listing and revoking them."""

import uuid

from backend.engine.idempotency import Applied, Outcome
from backend.engine.mutations import Mutation
from backend.engine.versions import Expected
from backend.people import tokens
from backend.people.models import Person
from resolvers.work import performed


def revoke_token(me: Person, *, token: uuid.UUID, key: uuid.UUID | None) -> Outcome:
    """Revoke one of the viewer's own tokens."""

    def work(_seen: Expected) -> Outcome:
        tokens.revoke(token, me.id)
        return Outcome(Applied.WRITTEN)

    return performed(Mutation("revokeToken", me.id, key, {"id": token}, work), me, while_suspended=True)
