-- Views for auditors and BI: columns may be added, never changed. Each app adds its own to this schema.
CREATE SCHEMA IF NOT EXISTS audit_v1;

CREATE VIEW audit_v1.event AS
SELECT event_id, type, aggregate_id, sequence, created_at, published_at, partition, "offset" FROM core_outboxevent;

CREATE VIEW audit_v1.approval AS
SELECT a.id, a.action, a.object_type, a.object_id, a.maker_name AS maker, u.email AS checker, a.status, a.created_at,
       a.decided_at
FROM core_approval a LEFT JOIN core_user u ON u.id = a.checker_id;

CREATE VIEW audit_v1.audit_event AS
SELECT id, actor, action, object_type, object_id, reason, request_id, trace_id, created_at FROM core_auditentry;

CREATE VIEW audit_v1.dead_letter AS
SELECT id, source, topic, key, error, attempts, status FROM core_deadletter;
