"""What a caller of the API says about co-authors and invitations."""

from typing import Any

INVITATION = (
    "id version status right person { id } invitedBy { id } "
    "story { id version title status chapters { id } author { id } }"
)
FAILURE = "... on Failure { code message retry { kind afterMs } } ... on InvalidError { fields { path message } }"
CONFLICT = (
    "... on ConflictError { expected versionsBehind changedFields by { id } at overlaps { path base mine theirs } "
    "current { __typename id version updatedAt ... on Invitation { status } ... on Story { title coauthors { right } } } }"
)
STORY = "id version viewerRight author { id } coauthors { right person { id } } chapters { id }"


class CoauthorCalls:
    """The mutations of co-authors and invitations, and what one finds of both."""

    ask: Any
    invitation, story = INVITATION, STORY
    """What is asked of an invitation and of a story."""

    @property
    def _invited(self) -> str:
        return f"... on InvitationSuccess {{ applied invitation {{ {self.invitation} }} story {{ {self.story} }} }}"

    def invite(self, story: str, whom: Any, version: str, right: str = "WRITE", key: str | None = None) -> Any:
        query = (
            "mutation ($s: ID!, $p: ID!, $r: CoauthorRight!, $e: Expect!, $k: UUID) { inviteCoauthor(story: $s, person: $p, "
            f"right: $r, expect: $e, key: $k) {{ __typename {self._invited} {FAILURE} {CONFLICT} }} }}"
        )
        return self.ask(query, s=story, p=whom.id, r=right, e={"version": version}, k=key)["inviteCoauthor"]

    def accept(self, invitation: str, version: str = "1", key: str | None = None) -> Any:
        return self._answer("acceptInvitation", invitation, version, key)

    def decline(self, invitation: str, version: str = "1", key: str | None = None) -> Any:
        return self._answer("declineInvitation", invitation, version, key)

    def withdraw(self, invitation: str, version: str = "1", key: str | None = None) -> Any:
        return self._answer("withdrawInvitation", invitation, version, key)

    def _answer(self, field: str, invitation: str, version: str, key: str | None) -> Any:
        query = (
            f"mutation ($id: ID!, $e: Expect!, $k: UUID) {{ {field}(id: $id, expect: $e, key: $k) {{ __typename "
            f"{self._invited} {FAILURE} {CONFLICT} }} }}"
        )
        return self.ask(query, id=invitation, e={"version": version}, k=key)[field]

    def set_right(self, story: str, whom: Any, right: str, version: str, key: str | None = None) -> Any:
        query = (
            "mutation ($s: ID!, $p: ID!, $r: CoauthorRight!, $e: Expect!, $k: UUID) { setCoauthorRight(story: $s, person: $p, "
            f"right: $r, expect: $e, key: $k) {{ __typename ... on CoauthorSuccess {{ applied story {{ {self.story} }} }} "
            f"{FAILURE} {CONFLICT} }} }}"
        )
        return self.ask(query, s=story, p=whom.id, r=right, e={"version": version}, k=key)["setCoauthorRight"]

    def remove_coauthor(self, story: str, whom: Any, version: str, key: str | None = None) -> Any:
        query = (
            "mutation ($s: ID!, $p: ID!, $e: Expect!, $k: UUID) { removeCoauthor(story: $s, person: $p, expect: $e, key: $k) { "
            f"__typename ... on CoauthorSuccess {{ applied story {{ {self.story} }} }} {FAILURE} {CONFLICT} }} }}"
        )
        return self.ask(query, s=story, p=whom.id, e={"version": version}, k=key)["removeCoauthor"]

    def leave_story(self, story: str, version: str, key: str | None = None) -> Any:
        query = (
            "mutation ($s: ID!, $e: Expect!, $k: UUID) { leaveStory(story: $s, expect: $e, key: $k) { __typename "
            f"... on LeaveSuccess {{ applied id }} {FAILURE} {CONFLICT} }} }}"
        )
        return self.ask(query, s=story, e={"version": version}, k=key)["leaveStory"]

    def written_with(self, whom: Any, right: str = "WRITE", story: str | None = None) -> str:
        """A draft of the caller's own that this person writes too: its id."""
        id_: str = story or self.create_story(self.shelf_version(), chapters=2)["story"]["id"]  # type: ignore[attr-defined]
        made = self.invite(id_, whom, self.version_of(id_), right)
        accepted = whom.accept(made["invitation"]["id"])
        assert accepted["applied"] == "WRITTEN", (made, accepted)
        return id_

    def shelf_version(self) -> str:
        """The present version of the caller's shelf."""
        return str(self.ask("{ viewer { shelf { version } } }")["viewer"]["shelf"]["version"])

    def version_of(self, id_: str) -> str:
        """The present version of a thing that the caller finds."""
        found = self.ask("query ($id: ID!) { node(id: $id) { ... on Versioned { version } } }", id=id_)
        return str(found["node"]["version"])

    def story_as_found(self, story: str) -> Any:
        """The story as the caller finds it, or None."""
        return self.ask(f"query ($id: ID!) {{ story(id: $id) {{ {STORY} title status }} }}", id=story)["story"]
