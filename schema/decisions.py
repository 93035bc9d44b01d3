"""Moderators' decisions in GraphQL: the type, the appeal, lifting one, and the log of what moderators did."""

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
import strawberry_django
from strawberry import auto

from backend.engine.idempotency import Outcome
from backend.moderation import models, queries
from backend.sources import Bound, Value
from resolvers import moderation
from schema.answers import (
    Applied,
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
    applied_field,
    applied_of,
)
from schema.arguments import ExpectArgument, Key, parse_expect
from schema.context import Info
from schema.moderation import Report, ReportOutcome
from schema.mutations import mutation
from schema.nodes import After, Before, First, Last, Node, PageInfo, Versioned, key_of, query, sourced, window

if TYPE_CHECKING:
    from schema.people import Person
    from schema.stories import Story


@strawberry.enum(description="What became of an appeal.")
class AppealOutcome(enum.Enum):
    """How an appeal can be judged."""

    UPHELD = strawberry.enum_value("UPHELD", description="The decision stands.")
    OVERTURNED = strawberry.enum_value("OVERTURNED", description="The decision is lifted.")


@strawberry_django.type(
    models.Decision, description="What somebody has to say against a decision; there is one for each decision at most."
)
class Appeal:
    """An appeal."""

    text: str = sourced(Value("$row.appeal"), "In the words of whom the decision is against.")
    at: datetime = sourced(Value("$row.appealed_at"), "When it was made.")
    outcome: AppealOutcome | None = sourced(
        Value("$row.appeal_outcome"), "What became of it; null until a moderator has judged it."
    )
    answer: str = sourced(Value("$row.answer"), "What that moderator told the author; may be empty.")


@strawberry_django.type(
    models.Decision,
    description="What a moderator has decided against somebody or something of theirs. It is in force until `liftedAt`. What it "
    "has set is held meanwhile: a story that was REMOVED cannot be published, one that was MARKED_NSFW stays mature, and who is "
    "SUSPENDED writes nothing until `until`. A decision that is lifted gives a story back to its author as it is then, brings a "
    "removed whisper back and unmarks a marked one. Whom it is against and moderators find it; not the moderator whom it is "
    "against as one.",
)
class Decision(Versioned):
    """A decision."""

    look_up = queries.DECISION_BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this decision. Opaque.")
    decided_at: auto = strawberry_django.field(description="When it was made.")
    outcome: ReportOutcome = strawberry_django.field(description="What was decided; never DISMISSED.")
    reason: auto = strawberry_django.field(description="Why, in the moderator's words to the author; may be empty.")
    excerpt: auto = strawberry_django.field(
        description="The title of the story or the text of the whisper that it is about, as it was; empty of a person."
    )
    story: Annotated["Story", strawberry.lazy("schema.stories")] | None = sourced(
        queries.STORY_OF_DECISION,
        "The story that it is about. Null of anything else, once it is deleted, and for a moderator who does not find it.",
    )
    until: auto = strawberry_django.field(description="When a suspension ends; null of anything else.")
    lifted_at: auto = strawberry_django.field(description="When it was lifted; null while it is in force.")
    appeal: Appeal | None = sourced(queries.APPEAL, "The appeal against it; null until there is one.")
    person: Annotated["Person", strawberry.lazy("schema.people")] | None = sourced(
        queries.AGAINST, "Whom it is against. Null for a moderator who cannot find them."
    )
    moderator: Annotated["Person", strawberry.lazy("schema.people")] | None = sourced(
        queries.DECIDED_BY, "Who decided. Null for anybody but moderators, and for those who cannot find the person."
    )
    report: Report | None = sourced(
        queries.REPORT_OF_DECISION,
        "The report that it settled, with what it was about as it was reported; while an appeal is to be judged that is seen as "
        "long as the report is open. Null for anybody but moderators, and once its reporter has left.",
    )


@strawberry.type(description="A decision in a list, with the place where the list can go on.")
class DecisionEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this decision stands in the list.")
    node: Decision = strawberry.field(description="The decision.")


@strawberry.type(description="A page of decisions.")
class DecisionConnection:
    """Relay's connection."""

    edges: list[DecisionEdge] = strawberry.field(description="The decisions of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


@strawberry.enum(description="What a moderator did.")
class ModerationActionKind(enum.Enum):
    """The steps of moderators."""

    CLAIMED = strawberry.enum_value("CLAIMED", description="Took on a report.")
    UNCLAIMED = strawberry.enum_value("UNCLAIMED", description="Let go of one, their own or another's.")
    RESOLVED = strawberry.enum_value("RESOLVED", description="Resolved one, in the way that `outcome` says.")
    REOPENED = strawberry.enum_value("REOPENED", description="Opened one again.")
    LIFTED = strawberry.enum_value("LIFTED", description="Lifted a decision.")
    UPHELD = strawberry.enum_value("UPHELD", description="Upheld a decision that was appealed.")
    OVERTURNED = strawberry.enum_value("OVERTURNED", description="Overturned a decision that was appealed.")


@strawberry_django.type(
    models.ModerationAction,
    description="One step of a moderator. The log of these never changes. Moderators alone find it, and none of them what was "
    "about themselves or something of theirs.",
)
class ModerationAction(Node):
    """A line of the log."""

    look_up = queries.ACTION_BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this step. Opaque.")
    at: auto = strawberry_django.field(description="When it was taken.")
    kind: ModerationActionKind = strawberry_django.field(description="What was done.")
    outcome: ReportOutcome | None = strawberry_django.field(
        description="Of RESOLVED and of a step with a decision what was decided; null of other steps."
    )
    moderator: Annotated["Person", strawberry.lazy("schema.people")] | None = sourced(
        queries.DECIDED_BY, "Who did it; null for those who cannot find the person."
    )
    person: Annotated["Person", strawberry.lazy("schema.people")] | None = sourced(
        queries.AGAINST, "Whom it was about; null for those who cannot find the person."
    )
    report: Report | None = sourced(
        queries.REPORT_OF_DECISION,
        "The report that it was about; null once its reporter, or whom it was about, has left.",
    )
    decision: Decision | None = sourced(
        queries.DECISION_OF_ACTION,
        "What was decided, lifted or judged; null of other steps, and once whom it was against has left.",
    )


@strawberry.type(description="A step in the log, with the place where the list can go on.")
class ModerationActionEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this step stands in the list.")
    node: ModerationAction = strawberry.field(description="The step.")


@strawberry.type(description="A page of the log.")
class ModerationActionConnection:
    """Relay's connection."""

    edges: list[ModerationActionEdge] = strawberry.field(description="The steps of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


@strawberry.type
class DecisionsQuery:
    """Reads of decisions and of the log."""

    @query(
        description="Decisions, oldest first, but for those against you: to find the appeals that are to be judged. Moderators "
        "only; your own are in `viewer.decisions`."
    )
    def decisions(
        self,
        appealed: Annotated[
            bool, strawberry.argument(description="Whether to list only those with an appeal that is to be judged.")
        ] = False,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> DecisionConnection:
        """A page of decisions."""
        part = window(first, after, last, before, oldest_first=True)
        return Bound(queries.DECISIONS[appealed], {}, part)  # type: ignore[return-value]

    @query(description="What moderators did, newest first, but for what was about you. Moderators only.")
    def moderation_log(
        self, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> ModerationActionConnection:
        """A page of the log."""
        return Bound(queries.LOG, {}, window(first, after, last, before))  # type: ignore[return-value]


# --- Writes -----------------------------------------------------------------------------------------------------


@strawberry.type(description="The decision as it is after the write.")
class DecisionSuccess:
    """A decision was written."""

    decision: Decision = strawberry.field(description="The decision, with its version.")
    applied: Applied = applied_field()


_Answer = DecisionSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError
AppealDecisionResult = Annotated[
    _Answer, strawberry.union("AppealDecisionResult", description="What appealDecision can answer.")
]
ResolveAppealResult = Annotated[
    _Answer, strawberry.union("ResolveAppealResult", description="What resolveAppeal can answer.")
]
LiftDecisionResult = Annotated[
    _Answer, strawberry.union("LiftDecisionResult", description="What liftDecision can answer.")
]

DecisionId = Annotated[strawberry.ID, strawberry.argument(description="The decision's id.")]


@strawberry.type
class DecisionsMutation:
    """Writes to decisions."""

    @mutation(
        description="Ask the moderators to look again at a decision against you, once. It is judged by another moderator than "
        "the one who decided, where there is one; you are told what became of it. Also while you are suspended. INVALID if you "
        "saw that it was lifted or appealed."
    )
    def appeal_decision(
        self,
        info: Info,
        id: DecisionId,
        text: Annotated[str, strawberry.argument(description="Why it is wrong: 1 to 1000 characters, not blank.")],
        expect: ExpectArgument,
        key: Key = None,
    ) -> AppealDecisionResult:
        """Appeal a decision."""
        me, decision = info.context.me, key_of(id, "Decision", "id")
        return _success(
            moderation.appeal_decision(me, decision=decision, text=text, expect=parse_expect(expect), key=key)
        )

    @mutation(
        description="Judge the appeal against a decision; OVERTURNED lifts it. The author is told. Moderators only; FORBIDDEN "
        "for who made the decision, as long as another moderator could judge it. Of two who judge at once one does. INVALID if "
        "you saw that there is no appeal, or that it was judged in another way."
    )
    def resolve_appeal(
        self,
        info: Info,
        id: DecisionId,
        outcome: Annotated[AppealOutcome, strawberry.argument(description="What shall become of the appeal.")],
        expect: ExpectArgument,
        answer: Annotated[
            str, strawberry.argument(description="What the author is told: at most 1000 characters, may be empty.")
        ] = "",
        key: Key = None,
    ) -> ResolveAppealResult:
        """Judge an appeal."""
        done = moderation.resolve_appeal(
            info.context.me,
            decision=key_of(id, "Decision", "id"),
            outcome=models.AppealOutcome[outcome.name],
            answer=answer,
            expect=parse_expect(expect),
            key=key,
        )
        return _success(done)

    @mutation(
        description="Lift a decision that is in force: its author has put right what was wrong, or it was a mistake. They are "
        "told. Moderators only. INVALID if you saw an appeal that is to be judged: resolveAppeal does that."
    )
    def lift_decision(self, info: Info, id: DecisionId, expect: ExpectArgument, key: Key = None) -> LiftDecisionResult:
        """Lift a decision."""
        me, decision = info.context.me, key_of(id, "Decision", "id")
        return _success(moderation.lift_decision(me, decision=decision, expect=parse_expect(expect), key=key))


def _success(outcome: Outcome) -> DecisionSuccess:
    decision: Any = outcome.rows["decision"]
    return DecisionSuccess(decision=decision, applied=applied_of(outcome))
