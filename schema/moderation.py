"""Reports in GraphQL: the type, creating one, and moderators' steps."""

import enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
import strawberry_django
from strawberry import auto

from backend.engine.errors import Invalid, Wrong
from backend.engine.idempotency import Outcome
from backend.moderation import models, queries, subjects
from backend.moderation.outcomes import Ruling
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
from schema.mutations import mutation
from schema.nodes import After, Before, First, Last, Node, PageInfo, Versioned, from_id, key_of, query, sourced, window

if TYPE_CHECKING:
    from schema.decisions import Decision
    from schema.people import Person


@strawberry.enum(description="Where a report stands.")
class ReportStatus(enum.Enum):
    """Open, claimed or resolved."""

    OPEN = strawberry.enum_value("OPEN", description="Nobody works on it yet.")
    CLAIMED = strawberry.enum_value("CLAIMED", description="A moderator works on it.")
    RESOLVED = strawberry.enum_value("RESOLVED", description="It is settled, or its subject has been deleted.")


@strawberry.enum(description="What became of a report.")
class ReportOutcome(enum.Enum):
    """How a report can be resolved."""

    DISMISSED = strawberry.enum_value("DISMISSED", description="Nothing is done to the subject.")
    MARKED_NSFW = strawberry.enum_value(
        "MARKED_NSFW",
        description="A whisper is marked NSFW; a story, or the story of a chapter, is marked mature, which its author cannot "
        "undo. Not for people.",
    )
    REMOVED = strawberry.enum_value(
        "REMOVED",
        description="A whisper is deleted; a story, or the story of a chapter, is made a draft, which its author cannot publish "
        "until that is lifted. Not for people. Also the outcome where the author has deleted the subject before anybody settled "
        "the report.",
    )
    WARNED = strawberry.enum_value("WARNED", description="A person is warned. For people alone.")
    SUSPENDED = strawberry.enum_value(
        "SUSPENDED",
        description="A person writes nothing for some days, but for what is about their own account; they go on reading, and can "
        "appeal. For people alone.",
    )


@strawberry_django.type(
    models.Report,
    description="That somebody, or the screening of a whisper, asks the moderators to look at something. Whoever "
    "made it and moderators find it, but no moderator one about themselves or something of theirs: each step with that is "
    "FORBIDDEN.",
)
class Report(Versioned):
    """A report."""

    look_up = queries.BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this report. Opaque.")
    created_at: auto = strawberry_django.field(description="When it was made.")
    subject: Node | None = sourced(
        subjects.SUBJECT,
        "What is reported: a Whisper, Story, Chapter or Person. Null if it has been deleted, or you may not see it. "
        "Moderators see its texts as they were reported, whatever its author has written since, and its state (status, mature, "
        "nsfw) as it is; while the report is not resolved, or an appeal is to be judged, also if it is a draft or across a "
        "block from them, which is logged. A chapter that is deleted and restored comes back with its reports.",
    )
    reason: auto = strawberry_django.field(
        description="Why it is reported: in the reporter's words, or what the screening found."
    )
    status: ReportStatus = strawberry_django.field(description="Where it stands.")
    outcome: ReportOutcome | None = strawberry_django.field(description="What became of it; null until it is resolved.")
    claimed_by: Annotated["Person", strawberry.lazy("schema.people")] | None = sourced(
        queries.CLAIMED_BY,
        "The moderator who works on it, or who has settled it. Null for anybody but moderators, and for those who cannot find "
        "the person.",
    )
    reporter: Annotated["Person", strawberry.lazy("schema.people")] | None = sourced(
        queries.REPORTER,
        "Who made it; null if the screening of a whisper did. Null for anybody but moderators, and for those who cannot find the "
        "person.",
    )
    decision: Annotated["Decision", strawberry.lazy("schema.decisions")] | None = sourced(
        queries.DECISION_OF_REPORT,
        "What was decided when it was resolved last, other than DISMISSED. Null for anybody but moderators.",
    )


@strawberry.type(description="A report in a list, with the place where the list can go on.")
class ReportEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this report stands in the list.")
    node: Report = strawberry.field(description="The report.")


@strawberry.type(description="A page of reports.")
class ReportConnection:
    """Relay's connection."""

    edges: list[ReportEdge] = strawberry.field(description="The reports of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


@strawberry.type
class ModerationQuery:
    """Reads of reports."""

    @query(description="Reports, oldest first, but for those about you or something of yours. Moderators only.")
    def reports(
        self,
        status: Annotated[
            ReportStatus | None, strawberry.argument(description="Only those that stand so; all if left out.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> ReportConnection:
        """A page of reports."""
        wanted = None if status is None else models.ReportStatus[status.name]
        part = window(first, after, last, before, oldest_first=True)
        return Bound(queries.REPORTS[wanted], {}, part)  # type: ignore[return-value]


# --- Writes -----------------------------------------------------------------------------------------------------


@strawberry.type(description="The report as it is after the write.")
class ReportSuccess:
    """A report was written."""

    report: Report = strawberry.field(description="The report, with its version.")
    applied: Applied = applied_field()


ReportResult = Annotated[
    ReportSuccess | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("ReportResult", description="What report can answer."),
]
ClaimReportResult = Annotated[
    ReportSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("ClaimReportResult", description="What claimReport can answer."),
]
UnclaimReportResult = Annotated[
    ReportSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("UnclaimReportResult", description="What unclaimReport can answer."),
]
ResolveReportResult = Annotated[
    ReportSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("ResolveReportResult", description="What resolveReport can answer."),
]
ReopenReportResult = Annotated[
    ReportSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("ReopenReportResult", description="What reopenReport can answer."),
]

ReportId = Annotated[strawberry.ID, strawberry.argument(description="The report's id.")]


@strawberry.type
class ModerationMutation:
    """Writes to reports."""

    @mutation(
        description="Ask the moderators to look at something that you can see and that is not your own. Who has a report of it "
        "that is not resolved gets that one back (applied: NOOP). FORBIDDEN beyond a number of reports a day (UTC); it is "
        "50 unless this server says otherwise."
    )
    def report(
        self,
        info: Info,
        subject: Annotated[
            strawberry.ID, strawberry.argument(description="The id of a whisper, a story, a chapter or a person.")
        ],
        reason: Annotated[str, strawberry.argument(description="Why: 1 to 1000 characters, not blank.")],
        key: Key = None,
    ) -> ReportResult:
        """Report something."""
        me, (kind, subject_id) = info.context.me, _subject(subject)
        return _success(moderation.report(me, kind=kind, subject=subject_id, reason=reason, key=key))

    @mutation(
        description="Take on an open report. Moderators only. Of several who try, one has it; the others' conflict says who. "
        "INVALID if you saw that it is not open."
    )
    def claim_report(self, info: Info, id: ReportId, expect: ExpectArgument, key: Key = None) -> ClaimReportResult:
        """Claim a report."""
        me, report = info.context.me, key_of(id, "Report", "id")
        return _success(moderation.claim_report(me, report=report, expect=parse_expect(expect), key=key))

    @mutation(
        description="Let go of a claimed report, your own or another moderator's: it is open again. Moderators only. INVALID if "
        "you saw that it is resolved."
    )
    def unclaim_report(self, info: Info, id: ReportId, expect: ExpectArgument, key: Key = None) -> UnclaimReportResult:
        """Unclaim a report."""
        me, report = info.context.me, key_of(id, "Report", "id")
        return _success(moderation.unclaim_report(me, report=report, expect=parse_expect(expect), key=key))

    @mutation(
        description="Settle a report that you have claimed, or that is open, and do to its subject what the outcome says; both "
        "happen, or neither. Whoever made it is told, and so is the author of the subject, unless it is DISMISSED. Moderators "
        "only. INVALID if you saw that somebody else has claimed it, or that it was settled in another way."
    )
    def resolve_report(
        self,
        info: Info,
        id: ReportId,
        outcome: Annotated[ReportOutcome, strawberry.argument(description="What shall become of it.")],
        expect: ExpectArgument,
        reason: Annotated[
            str,
            strawberry.argument(
                description="Why, for the author of the subject, who is not told who reported it: at most 1000 characters, may "
                "be empty."
            ),
        ] = "",
        days: Annotated[
            int | None,
            strawberry.argument(description="Of SUSPENDED, and of nothing else: for how many days, 1 to 365."),
        ] = None,
        key: Key = None,
    ) -> ResolveReportResult:
        """Resolve a report."""
        done = moderation.resolve_report(
            info.context.me,
            report=key_of(id, "Report", "id"),
            ruling=Ruling(models.ReportOutcome[outcome.name], reason, days),
            expect=parse_expect(expect),
            key=key,
        )
        return _success(done)

    @mutation(
        description="Open a resolved report again; what was done to its subject stays done. Moderators only. INVALID if its "
        "subject has been deleted, or its reporter has made another report of it since."
    )
    def reopen_report(self, info: Info, id: ReportId, expect: ExpectArgument, key: Key = None) -> ReopenReportResult:
        """Reopen a report."""
        me, report = info.context.me, key_of(id, "Report", "id")
        return _success(moderation.reopen_report(me, report=report, expect=parse_expect(expect), key=key))


def _subject(global_id: str) -> tuple[str, Any]:
    """The kind and key of a report's subject. Raises `Invalid` for other ids."""
    found = from_id(global_id)
    if found is None:
        raise Invalid.one("subject", "is not an id that this server handed out.", Wrong.NOT_HANDED_OUT)
    kind = found[0].lower()
    if kind not in models.SUBJECTS or found[0] != kind.title() or len(found[1]) != 1:
        raise Invalid.one("subject", "must be the id of a Whisper, Story, Chapter or Person.", Wrong.WRONG_KIND)
    return kind, found[1][0]


def _success(outcome: Outcome) -> ReportSuccess:
    report: Any = outcome.rows["report"]
    return ReportSuccess(report=report, applied=applied_of(outcome))
