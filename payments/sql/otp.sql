-- What auditors read of one-time codes: never the code, nor its hash.
CREATE VIEW audit_v1.otp_challenge AS
SELECT id, payment_id, channel, amount_minor, currency, status, tries, created_at, expires_at, ended_at
FROM payments_otpchallenge;
