"""What can go wrong with a payment, in words a caller can act on."""

from __future__ import annotations

from config.core.errors import Conflict, DomainError, Forbidden, InvalidInput, NotFound


class PaymentError(DomainError):
    """The root of this app's errors."""

    code, status = "payment_error", 409


class IllegalTransition(PaymentError):
    """The thing cannot go from where it is to where it was told to go."""

    code, status = "illegal_transition", 409

    @classmethod
    def between(cls, kind: str, identifier: str, start: str, end: str) -> IllegalTransition:
        """The refusal of one step of one thing."""
        return cls(f"A {kind} that is {start} cannot become {end}.", facts={"id": identifier, "status": str(start)})


class PaymentNotFound(NotFound):
    """No such payment, or not the caller's."""

    code, status = "payment_not_found", 404


class OrderNotFound(NotFound):
    """We do not know this order, or it is not the caller's."""

    code, status = "order_not_found", 404


class CustomerNotFound(NotFound):
    """No order of this customer is known."""

    code, status = "customer_not_found", 404


class CustomerBusy(Conflict):
    """Something of the customer's is still under way."""

    code, status = "customer_busy", 409


class NotificationPurged(Conflict):
    """Retention has emptied the message: there is nothing to apply or show any more."""

    code, status = "notification_purged", 409


class MethodNotFound(NotFound):
    """No such payment method."""

    code, status = "payment_method_not_found", 404


class MethodUnusable(InvalidInput):
    """The method is switched off, or does not take this amount or currency."""

    code, status = "payment_method_unusable", 422


class AmountMismatch(InvalidInput):
    """The amount sent is not the amount owed."""

    code, status = "amount_mismatch", 422


class OrderInvalid(InvalidInput):
    """The parts of an order do not add up."""

    code, status = "order_invalid", 422


class ReturnUrlRefused(InvalidInput):
    """The return address is not one of the hosts we send customers to."""

    code, status = "return_url_refused", 400


class AlreadyPaid(Conflict):
    """The order has been paid."""

    code, status = "already_paid", 409


class PaymentExpired(Conflict):
    """The time to pay is over."""

    code, status = "payment_expired", 410


class NotPayable(Conflict):
    """The order or payment has ended otherwise."""

    code, status = "not_payable", 409


class OtpChannelUnavailable(InvalidInput):
    """One-time codes are not sent this way."""

    code, status = "otp_channel_unavailable", 422


class OtpInvalid(InvalidInput):
    """The code is wrong, was used, is too old or was tried too often: from outside all look the same."""

    code, status = "otp_invalid", 422


class OtpRequired(Forbidden):
    """Paying this much needs a one-time code; the payment waits for it."""

    code, status = "otp_required", 403


class AttemptUndecided(Conflict):
    """The last attempt's outcome is not known yet; a second one could charge twice."""

    code, status, retryable = "attempt_undecided", 409, True


class TooManyAttempts(Conflict):
    """The payment has used up its attempts."""

    code, status = "too_many_attempts", 409


class OrderConflict(Conflict):
    """Another order under this id, with other contents."""

    code, status = "order_conflict", 409


class GatewayTrouble(DomainError):
    """The gateway does not answer; the payment stays and may be tried again with the same key."""

    code, status, retryable = "gateway_unavailable", 503, True


class GatewayTimeout(GatewayTrouble):
    """The gateway may have taken the request; we ask it before anything else is tried."""

    code, status, retryable = "gateway_timeout", 504, True


class GatewayRefused(DomainError):
    """The gateway refused the request for good."""

    code, status = "gateway_refused", 502


class CardDeclined(PaymentError):
    """The card was refused; the payment waits for another one. `decline` says what its holder may know."""

    code, status = "card_declined", 402


class CardInvalid(InvalidInput):
    """The card's own digits say that it cannot be charged."""

    code, status = "card_invalid", 400


class CardTokenInvalid(InvalidInput):
    """The gateway knows no card by this token."""

    code, status = "card_token_invalid", 400


class RawCardRefused(InvalidInput):
    """Card numbers are not taken here; the gateway's own form makes a token of them."""

    code, status = "raw_card_data_not_allowed", 400


class RefundRefused(Conflict):
    """This payment cannot be refunded so."""

    code, status = "refund_refused", 409


class PaymentDisputed(RefundRefused):
    """Money of this payment is disputed; a refund now could pay the customer twice."""

    code, status = "payment_disputed", 409


class RefundTooMuch(InvalidInput):
    """More than is left to refund."""

    code, status = "refund_too_much", 422


class RefundNotFound(NotFound):
    """No such refund."""

    code, status = "refund_not_found", 404


class DisputeNotFound(NotFound):
    """No such dispute."""

    code, status = "dispute_not_found", 404


class DisputeRefused(Conflict):
    """This dispute cannot be answered or decided so."""

    code, status = "dispute_refused", 409


class EvidenceRefused(InvalidInput):
    """A document that is no evidence we can send: its kind, its size, or there are too many."""

    code, status = "evidence_refused", 422


class CaseNotFound(NotFound):
    """No such money case."""

    code, status = "case_not_found", 404


class CaseRefused(Conflict):
    """This case cannot be resolved so."""

    code, status = "case_refused", 409


class EmailRefused(Conflict):
    """This e-mail cannot be sent: it would not be true, or has no recipient."""

    code, status = "email_refused", 409


class WebhookEndpointNotFound(NotFound):
    """No such webhook endpoint."""

    code, status = "webhook_endpoint_not_found", 404


class WebhookDeliveryNotFound(NotFound):
    """No such webhook delivery."""

    code, status = "webhook_delivery_not_found", 404


class WebhookRefused(Conflict):
    """This cannot be done with this endpoint or delivery as it is."""

    code, status = "webhook_refused", 409


class TransferKnown(Conflict):
    """This transfer was booked before: for another payment, as nobody's, or with another amount."""

    code, status = "transfer_known", 409


class StatementUnreadable(InvalidInput):
    """A bank statement that is not what it claims to be; the message names row and column."""

    code, status = "statement_unreadable", 422


class SettlementRefused(InvalidInput):
    """A settlement file that is not what it claims to be, or an account whose gateway has none we can read."""

    code, status = "settlement_refused", 422
