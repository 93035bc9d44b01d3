"""What a caller of the API says about whispers and reports."""

import uuid
from typing import Any

from backend.engine.transactions import unit_of_work
from backend.people.models import Account
from backend.whispers.models import Effect, Policy, PolicyWord

REPORT = (
    "id version status outcome reason claimedBy { handle } reporter { handle } subject { __typename id "
    "... on Whisper { text nsfw } ... on Story { title mature status } ... on Chapter { title story { title } } "
    "... on Person { handle } }"
)
DECISION = (
    "id version outcome reason excerpt until liftedAt story { id } person { handle } moderator { handle } "
    "appeal { text outcome answer }"
)
REPORT += f" decision {{ {DECISION} }}"
WHISPER = "id version text nsfw author { handle }"
FAILURE = "... on Failure { code message retry { kind afterMs } } ... on InvalidError { fields { path message } }"
GONE = "... on NotFoundError { deletedAt }"
CONFLICT = (
    "... on ConflictError { expected overlaps { path base mine theirs } current { __typename id version updatedAt "
    f"... on Whisper {{ text nsfw }} ... on Report {{ {REPORT} }} ... on Decision {{ liftedAt appeal {{ text outcome }} }} }} }}"
)


class ModerationCalls:
    """One method for each mutation of whispers and reports: the answer of its only field."""

    ask: Any

    def create_whisper(self, text: str = "Psst.", nsfw: bool = False, key: str | None = None) -> Any:
        query = (
            "mutation ($t: String!, $n: Boolean!, $k: UUID) { createWhisper(text: $t, nsfw: $n, key: $k) { __typename "
            f"... on WhisperSuccess {{ applied whisper {{ {WHISPER} }} report {{ {REPORT} }} }} {FAILURE} }} }}"
        )
        return self.ask(query, t=text, n=nsfw, k=key)["createWhisper"]

    def delete_whisper(self, whisper: str, version: str = "1", key: str | None = None) -> Any:
        query = (
            "mutation ($id: ID!, $e: Expect!, $k: UUID) { deleteWhisper(id: $id, expect: $e, key: $k) { __typename "
            f"... on WhisperDeleted {{ applied id }} {FAILURE} {GONE} {CONFLICT} }} }}"
        )
        return self.ask(query, id=whisper, e={"version": version}, k=key)["deleteWhisper"]

    def report(self, subject: str, reason: str = "Look at this.", key: str | None = None) -> Any:
        query = (
            "mutation ($s: ID!, $r: String!, $k: UUID) { report(subject: $s, reason: $r, key: $k) { __typename "
            f"... on ReportSuccess {{ applied report {{ {REPORT} }} }} {FAILURE} {GONE} }} }}"
        )
        return self.ask(query, s=subject, r=reason, k=key)["report"]

    def claim(self, report: str, version: str = "1", key: str | None = None) -> Any:
        return self._moderated("claimReport", report, version, key)

    def unclaim(self, report: str, version: str, key: str | None = None) -> Any:
        return self._moderated("unclaimReport", report, version, key)

    def reopen(self, report: str, version: str, key: str | None = None) -> Any:
        return self._moderated("reopenReport", report, version, key)

    def resolve(
        self,
        report: str,
        outcome: str = "DISMISSED",
        version: str = "1",
        key: str | None = None,
        *,
        reason: str = "",
        days: int | None = None,
    ) -> Any:
        return self._moderated("resolveReport", report, version, key, outcome, rn=reason, d=days)

    def decided(self, report: str, outcome: str, version: str = "1", **more: Any) -> Any:
        """The decision by which a moderator has just resolved a report."""
        answer = self.resolve(report, outcome, version, **more)
        assert answer.get("applied") == "WRITTEN", answer
        return answer["report"]["decision"]

    def appeal(self, decision: str, version: str = "1", text: str = "It is fine.", key: str | None = None) -> Any:
        return self._with_decision("appealDecision", decision, version, key, ("text", "String!", text))

    def judge(self, decision: str, outcome: str, version: str = "2", answer: str = "", key: str | None = None) -> Any:
        given = (("outcome", "AppealOutcome!", outcome), ("answer", "String!", answer))
        return self._with_decision("resolveAppeal", decision, version, key, *given)

    def lift(self, decision: str, version: str = "1", key: str | None = None) -> Any:
        return self._with_decision("liftDecision", decision, version, key)

    def _with_decision(self, field: str, id_: str, version: str, key: str | None, *given: tuple[str, str, Any]) -> Any:
        declared = "".join(f", ${name}: {type_}" for name, type_, _ in given)
        passed = "".join(f", {name}: ${name}" for name, *_ in given)
        query = (
            f"mutation ($id: ID!, $e: Expect!, $k: UUID{declared}) {{ {field}(id: $id, expect: $e, key: $k{passed}) {{ "
            f"__typename ... on DecisionSuccess {{ applied decision {{ {DECISION} }} }} {FAILURE} {CONFLICT} }} }}"
        )
        values = {name: value for name, _, value in given}
        return self.ask(query, id=id_, e={"version": version}, k=key, **values)[field]

    def _moderated(
        self, field: str, report: str, version: str, key: str | None, outcome: str | None = None, **more: Any
    ) -> Any:
        declared, passed = "", ""
        if outcome:
            declared, passed = ", $o: ReportOutcome!, $rn: String!, $d: Int", ", outcome: $o, reason: $rn, days: $d"
        query = (
            f"mutation ($id: ID!, $e: Expect!, $k: UUID{declared}) {{ {field}(id: $id, expect: $e, key: $k{passed}) {{ "
            f"__typename ... on ReportSuccess {{ applied report {{ {REPORT} }} }} {FAILURE} {CONFLICT} }} }}"
        )
        more |= {"o": outcome} if outcome else {}
        return self.ask(query, id=report, e={"version": version}, k=key, **more)[field]


def make_moderator(caller: Any, *, moderator: bool = True) -> Any:
    """Let somebody moderate, or no longer."""
    Account.objects.filter(person_id=caller.person.pk).update(is_moderator=moderator)
    return caller


def screen_for(effect: str, *words: str) -> None:
    """Add words to the policy, as its page in the admin does."""
    PolicyWord.objects.bulk_create(PolicyWord(word=word, effect=Effect(effect)) for word in words)


def allow_links(most: int) -> None:
    """Say how many links a whisper may have."""
    unit_of_work(lambda: Policy.objects.update_or_create(pk=1, defaults={"most_links": most}))


def new_key() -> str:
    return str(uuid.uuid4())
