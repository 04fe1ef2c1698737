"""Every path of payments' API, exactly, without a slash at the end. Fixed words stand before `{id}`."""

from __future__ import annotations

from django.urls import path

from payments.api import (
    authorizations,
    cases,
    cod,
    disputes,
    events,
    ipn,
    ledger,
    methods,
    orders,
    otp,
    payments,
    progress,
    refunds,
    transfers,
    webhook_deliveries,
    webhook_endpoints,
)
from payments.api.compat import ledger as reference_ledger
from payments.api.compat import payment as reference
from payments.api.compat import seamless, statistics, stripe_cards, stripe_refunds, transactions
from payments.api.compat import stripe as reference_stripe

urlpatterns = [
    # --- the reference systems' paths --------------------------------------------------------------------------------
    path("v1/payment-method", reference.MethodList.as_view()),
    path("v1/payment-method/<str:method>", reference.MethodDetail.as_view()),
    path("v1/payment/init", reference.Init.as_view()),
    path("v1/payment/get-url-again", reference.GetUrlAgain.as_view()),
    path("v1/transaction/callback", ipn.momo_callback),
    path("v1/payments/xendit/webhook", ipn.xendit_webhook),
    path("api/v1/stripe/webhook", ipn.stripe_webhook),
    path("v1/admin/transactions", transactions.Transactions.as_view()),
    path("v1/admin/ledger", reference_ledger.Ledger.as_view()),
    path("v1/admin/statistics", statistics.Statistics.as_view()),
    path("api/v1/stripe/validate-card", stripe_cards.ValidateCard.as_view()),
    path("api/v1/stripe/payment", reference_stripe.PayByCard.as_view()),
    path("api/v1/stripe/payment/<str:payment>", reference_stripe.ShowCardPayment.as_view()),
    path("api/v1/stripe/refund", stripe_refunds.RefundCard.as_view()),
    # --- payments ----------------------------------------------------------------------------------------------------
    path("api/v1/payments", payments.PaymentList.as_view()),
    path("api/v1/payments/process", payments.ProcessPayment.as_view()),
    path("api/v1/payments/OTP", otp.AskForOtp.as_view()),
    path("api/v1/payments/validate", otp.ValidateOtp.as_view()),
    path("api/v1/payments/seamless/config", seamless.SeamlessConfig.as_view()),
    path("api/v1/payments/<own_id:payment_id>", payments.PaymentDetail.as_view()),
    path("api/v1/payments/<own_id:payment_id>/status", progress.PaymentStatusView.as_view()),
    path("api/v1/payments/<own_id:payment_id>/attempts", progress.PaymentAttempts.as_view()),
    path("api/v1/payments/<own_id:payment_id>/events", progress.PaymentEvents.as_view()),
    path("api/v1/payments/<own_id:payment_id>/cancel", authorizations.CancelPayment.as_view()),
    path("api/v1/payments/<own_id:payment_id>/capture", authorizations.CapturePayment.as_view()),
    path("api/v1/payments/<own_id:payment_id>/refund", refunds.RefundPayment.as_view()),
    path("api/v1/payments/<own_id:payment_id>/cod", cod.CodResult.as_view()),
    path("api/v1/payments/<own_id:payment_id>/transfer", transfers.ConfirmTransfer.as_view()),
    path("api/v1/refunds", refunds.RefundList.as_view()),
    path("api/v1/refunds/<own_id:refund_id>", refunds.RefundDetail.as_view()),
    path("api/v1/disputes", disputes.DisputeList.as_view()),
    path("api/v1/disputes/<own_id:dispute_id>", disputes.DisputeDetail.as_view()),
    path("api/v1/disputes/<own_id:dispute_id>/evidence", disputes.AddEvidence.as_view()),
    path("api/v1/disputes/<own_id:dispute_id>/submit", disputes.SubmitDispute.as_view()),
    path("api/v1/disputes/<own_id:dispute_id>/accept", disputes.AcceptDispute.as_view()),
    path("api/v1/payment-methods", methods.MethodList.as_view()),
    path("api/v1/payment-methods/<str:code>", methods.MethodDetail.as_view()),
    path("api/v1/orders", orders.OrderList.as_view()),
    path("api/v1/orders/<str:order_id>/cancel", orders.CancelOrder.as_view()),
    path("api/v1/shop-orders/<str:shop_order_id>/cancel", orders.CancelShopOrder.as_view()),
    path("api/v1/money-cases", cases.CaseList.as_view()),
    path("api/v1/money-cases/<own_id:case_id>", cases.CaseDetail.as_view()),
    path("api/v1/events", events.EventList.as_view()),
    # --- webhooks out ------------------------------------------------------------------------------------------------
    path("api/v1/webhook-endpoints", webhook_endpoints.EndpointList.as_view()),
    path("api/v1/webhook-endpoints/<own_id:endpoint_id>", webhook_endpoints.EndpointDetail.as_view()),
    path("api/v1/webhook-endpoints/<own_id:endpoint_id>/rotate-secret", webhook_endpoints.RotateSecret.as_view()),
    path("api/v1/webhook-endpoints/<own_id:endpoint_id>/disable", webhook_endpoints.DisableEndpoint.as_view()),
    path("api/v1/webhook-endpoints/<own_id:endpoint_id>/enable", webhook_endpoints.EnableEndpoint.as_view()),
    path("api/v1/webhook-endpoints/<own_id:endpoint_id>/test", webhook_endpoints.TestEndpoint.as_view()),
    path("api/v1/webhook-deliveries", webhook_deliveries.DeliveryList.as_view()),
    path("api/v1/webhook-deliveries/<own_id:delivery_id>", webhook_deliveries.DeliveryDetail.as_view()),
    path("api/v1/webhook-deliveries/<own_id:delivery_id>/retry", webhook_deliveries.RetryDelivery.as_view()),
    # --- the books ---------------------------------------------------------------------------------------------------
    path("api/v1/ledger/accounts", ledger.AccountList.as_view()),
    path("api/v1/ledger/accounts/<str:code>", ledger.AccountDetail.as_view()),
    path("api/v1/ledger/accounts/<str:code>/statement", ledger.AccountStatement.as_view()),
    path("api/v1/ledger/journals", ledger.JournalList.as_view()),
    path("api/v1/ledger/journals/<int:journal_id>", ledger.JournalDetail.as_view()),
    # --- gateways tell us --------------------------------------------------------------------------------------------
    path("api/v1/webhooks/fiuu", ipn.fiuu_webhook),
    path("api/v1/webhooks/<slug:gateway>/<slug:account>", ipn.webhook),
]
