"""Disputes: listed, shown, and answered with evidence. Ends and liability are decided in the admin, by two people."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db.models import Prefetch, QuerySet
from rest_framework import exceptions, parsers, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import RequestTooLarge, StrictSerializer
from config.core.pagination import CursorList
from payments.api import docs
from payments.api.shapes import AmountText, TextOrNull
from payments.errors import DisputeNotFound
from payments.models import AttemptEvent, Dispute, DisputeEvidence
from payments.services import dispute_answers, dispute_decisions, evidence
from payments.states import DisputeStatus

TAG = "Disputes"
MAX_BODY: Final = evidence.MAX_BYTES + 64 * 1024
"""One document and its few fields."""
ANSWER = "What the gateway says is in `status` and `answer_state`: `unknown` means that it gave no answer and is asked."


class EvidenceOut(serializers.Serializer[Any]):
    """A document we keep for a dispute."""

    evidence_id = serializers.CharField(source="id")
    purpose = serializers.ChoiceField(choices=DisputeEvidence.Purpose.choices)
    name = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    added_at = serializers.DateTimeField()


class DisputeOut(serializers.Serializer[Any]):
    """Money that a customer's bank takes back, and what we say to it."""

    dispute_id = serializers.CharField(source="id")
    payment_id = TextOrNull()
    gateway = serializers.CharField(source="account.gateway")
    account = serializers.CharField(source="account.code")
    gateway_dispute_id = serializers.CharField()
    amount = serializers.CharField()
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    withdrawn = AmountText("withdrawn_minor", help_text="What the gateway took from us: nothing for an inquiry.")
    reason = serializers.ChoiceField(choices=Dispute.Reason.choices, source="reason_class")
    gateway_reason = TextOrNull(source="reason")
    status = serializers.ChoiceField(choices=DisputeStatus.choices)
    is_inquiry = serializers.BooleanField()
    liability = serializers.ChoiceField(choices=Dispute.Liability.choices)
    respond_by = serializers.DateTimeField(allow_null=True, help_text="The last moment for evidence.")
    answer = TextOrNull(help_text="`contest` or `accept`, once we said something.")
    answer_state = TextOrNull(help_text="`sending`, `unknown`, `given`, or `refused` with `answer_failure`.")
    answer_failure = TextOrNull()
    evidence = EvidenceOut(many=True, source="documents")
    opened_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class DisputeFilters(docs.Filters):
    """What a list of disputes can be narrowed by."""

    payment_id = serializers.CharField(max_length=40, required=False)
    status = serializers.ChoiceField(choices=DisputeStatus.choices, required=False)


class EvidenceIn(StrictSerializer):
    """One document: PDF, PNG or JPEG, 5 MB at most."""

    file = serializers.FileField()
    purpose = serializers.ChoiceField(
        choices=DisputeEvidence.Purpose.choices, default=DisputeEvidence.Purpose.OTHER, help_text="What it shows."
    )


class SubmissionIn(StrictSerializer):
    """What we say against a dispute."""

    text = serializers.CharField(max_length=dispute_answers.MAX_TEXT, help_text="What happened, in plain words.")
    evidence_ids = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        max_length=evidence.MAX_FILES,
        help_text="Which documents to send; all that are kept, if left out.",
    )


class AcceptanceIn(StrictSerializer):
    """Why a dispute is given up."""

    reason = serializers.CharField(max_length=250)


class DocumentParser(parsers.MultiPartParser):
    """A form with one document; a larger body is refused before it is read."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The form. Raises ParseError, RequestTooLarge."""
        length = str((parser_context or {})["request"].META.get("CONTENT_LENGTH") or "0")
        if length.isdigit() and int(length) > MAX_BODY:
            raise RequestTooLarge
        try:
            return super().parse(stream, media_type, parser_context)
        except RequestDataTooBig as error:
            raise RequestTooLarge from error
        except SuspiciousOperation as error:
            raise exceptions.ParseError("The form cannot be read.", code="invalid_form") from error


EXAMPLE = {
    "dispute_id": "dp_06dq0v4q1x8k3hcw3gk4b3ad3v",
    "payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8",
    "gateway": "stripe",
    "account": "stripe",
    "gateway_dispute_id": "du_1QxYzABCDEF",
    "amount": "200000",
    "amount_minor": 200000,
    "currency": "VND",
    "withdrawn": "200000",
    "reason": "fraud",
    "gateway_reason": "fraudulent",
    "status": "needs_response",
    "is_inquiry": False,
    "liability": "shop",
    "respond_by": "2026-11-28T23:59:59Z",
    "answer": None,
    "answer_state": None,
    "answer_failure": None,
    "evidence": [],
    "opened_at": "2026-11-21T06:00:00Z",
    "created_at": "2026-11-21T06:00:02Z",
    "updated_at": "2026-11-21T06:00:02Z",
    "closed_at": None,
}


def shown() -> QuerySet[Dispute]:
    """Disputes as DisputeOut shows them, in two queries; the documents without their content."""
    documents = DisputeEvidence.objects.defer("content").order_by("added_at", "id")
    rows: QuerySet[Dispute] = Dispute.objects.select_related("account")
    return rows.prefetch_related(Prefetch("evidence", documents, to_attr="documents"))


def _shown(dispute_id: str) -> Response:
    found = shown().filter(id=dispute_id).first()
    if found is None:
        raise DisputeNotFound("There is no such dispute.")
    return Response(DisputeOut(found).data)


class DisputeList(APIView):
    """All disputes."""

    permission_classes = [auth.scopes("disputes:read")]

    @docs.operation(
        tag=TAG,
        summary="List disputes",
        about="Newest first.",
        answer=docs.page_of(DisputeOut),
        query=[DisputeFilters, *docs.PAGE],
        name="disputes_list",
    )
    def get(self, request: Request) -> Response:
        """A page of disputes."""
        rows = shown().filter(**DisputeFilters.read(request.GET))
        return CursorList().answer(rows, request, lambda page: DisputeOut(page, many=True).data)


class DisputeDetail(APIView):
    """One dispute."""

    permission_classes = [auth.scopes("disputes:read")]

    @docs.operation(
        tag=TAG,
        summary="Show a dispute",
        answer=DisputeOut,
        examples=[docs.answered("Waits for evidence", EXAMPLE)],
        name="disputes_show",
    )
    def get(self, request: Request, dispute_id: str) -> Response:
        """The dispute."""
        return _shown(dispute_id)


class AddEvidence(APIView):
    """Takes a document."""

    permission_classes = [auth.scopes("disputes:write")]
    parser_classes = [DocumentParser]

    @docs.operation(
        tag=TAG,
        summary="Add a document to a dispute",
        about=(
            "A form (multipart/form-data) with one file: PDF, PNG or JPEG by its content, 5 MB at most, 20 a dispute. "
            "It is kept encrypted and goes to the gateway with the submission. The same bytes again are the same document."
        ),
        body={"multipart/form-data": EvidenceIn},
        answer=EvidenceOut,
        status=201,
        name="disputes_add_evidence",
    )
    def post(self, request: Request, dispute_id: str) -> Response:
        """Keep it."""
        body = EvidenceIn(data=request.data)
        body.is_valid(raise_exception=True)
        file = body.validated_data["file"]
        if file.size > evidence.MAX_BYTES:
            raise RequestTooLarge
        kept = evidence.add(
            dispute_id=dispute_id,
            name=file.name,
            content=file.read(),
            purpose=DisputeEvidence.Purpose(body.validated_data["purpose"]),
            source=AttemptEvent.Source.API,
            actor=auth.caller_of(request).actor,
            at=clock.now(),
        )
        return Response(EvidenceOut(kept).data, status=201)


class SubmitDispute(APIView):
    """Contests a dispute."""

    permission_classes = [auth.scopes("disputes:write")]

    @docs.operation(
        tag=TAG,
        summary="Contest a dispute",
        about=(
            "Sends the text and the documents to the gateway, once and for all. Where the gateway has no calls for it, "
            f"this says that they went by e-mail or portal. The same text again finds the first submission. {ANSWER}"
        ),
        body=SubmissionIn,
        answer=DisputeOut,
        examples=[
            docs.sent("It arrived", {"text": "Delivered on 2 November and signed for; see the carrier's proof."}),
            docs.answered(
                "Under review", {**EXAMPLE, "status": "under_review", "answer": "contest", "answer_state": "given"}
            ),
        ],
        name="disputes_submit",
    )
    def post(self, request: Request, dispute_id: str) -> Response:
        """Send it."""
        body = SubmissionIn(data=request.data)
        body.is_valid(raise_exception=True)
        dispute_answers.submit(
            dispute_id=dispute_id,
            text=body.validated_data["text"],
            evidence_ids=body.validated_data.get("evidence_ids"),
            source=AttemptEvent.Source.API,
            actor=auth.caller_of(request).actor,
            at=clock.now(),
        )
        return _shown(dispute_id)


class AcceptDispute(APIView):
    """Gives a dispute up."""

    permission_classes = [auth.scopes("disputes:write")]

    @docs.operation(
        tag=TAG,
        summary="Give a dispute up",
        about=(
            "The loss is ours. Above the amount from which refunds need a second person, the dispute stays as it is until "
            f"somebody has agreed in the admin. A dispute that was given up stays so however often this is called. {ANSWER}"
        ),
        body=AcceptanceIn,
        answer=DisputeOut,
        examples=[
            docs.sent("Nothing to show", {"reason": "the parcel was lost"}),
            docs.answered("Given up", {**EXAMPLE, "status": "accepted", "answer": "accept", "answer_state": "given"}),
        ],
        name="disputes_accept",
    )
    def post(self, request: Request, dispute_id: str) -> Response:
        """Give it up."""
        body = AcceptanceIn(data=request.data)
        body.is_valid(raise_exception=True)
        dispute_decisions.accept(
            dispute_id=dispute_id,
            reason=body.validated_data["reason"],
            maker=None,
            actor=auth.caller_of(request).actor,
            source=AttemptEvent.Source.API,
            at=clock.now(),
        )
        return _shown(dispute_id)
