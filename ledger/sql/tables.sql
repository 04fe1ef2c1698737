-- The ledger's tables. Amounts are signed minor units: debit above zero, credit below.
-- What single rows must obey is said here; what whole statements must obey is in guards.sql.

CREATE TABLE ledger_account (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT ledger_account_pk PRIMARY KEY,
    code text NOT NULL CONSTRAINT ledger_account_code_is_plain CHECK (code ~ '^[A-Za-z0-9_.%-]+(:[A-Za-z0-9_.%-]+)*$'),
    kind varchar(1) NOT NULL CONSTRAINT ledger_account_kind_is_known CHECK (kind IN ('A', 'L', 'R', 'E', 'Q')),
    currency varchar(3) NOT NULL CONSTRAINT ledger_account_currency_is_iso CHECK (currency ~ '^[A-Z]{3}$'),
    mode varchar(1) NOT NULL CONSTRAINT ledger_account_mode_is_known CHECK (mode IN ('H', 'S')),
    owner_type text NOT NULL DEFAULT '',
    owner_id text NOT NULL DEFAULT '',
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    CONSTRAINT ledger_account_code_once_per_currency UNIQUE (code, currency)
);
CREATE INDEX ledger_account_by_owner ON ledger_account (owner_type, owner_id) WHERE owner_id <> '';

CREATE TABLE ledger_journal (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT ledger_journal_pk PRIMARY KEY,
    -- The first line's id, kept so that a foreign key can insist on a first line at commit.
    first_line_id bigint GENERATED ALWAYS AS (id * 32768 + 1) STORED,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    booked_at timestamptz NOT NULL,
    reverses_id bigint CONSTRAINT ledger_journal_reverses_a_journal REFERENCES ledger_journal (id),
    effective_on date NOT NULL,
    lines smallint NOT NULL CONSTRAINT ledger_journal_has_two_lines_or_more CHECK (lines >= 2),
    reference text NOT NULL CONSTRAINT ledger_journal_reference_is_said CHECK (reference <> ''),
    request_hash bytea NOT NULL CONSTRAINT ledger_journal_hash_is_sha256 CHECK (octet_length(request_hash) = 32),
    event text NOT NULL,
    subject text NOT NULL DEFAULT '',
    order_ref text NOT NULL DEFAULT '',
    actor text NOT NULL,
    reason text NOT NULL DEFAULT '',
    meta jsonb,
    CONSTRAINT ledger_journal_reference_once UNIQUE (reference)
);
CREATE UNIQUE INDEX ledger_journal_reversed_once ON ledger_journal (reverses_id) WHERE reverses_id IS NOT NULL;
CREATE INDEX ledger_journal_by_subject ON ledger_journal (subject) WHERE subject <> '';
CREATE INDEX ledger_journal_by_order_ref ON ledger_journal (order_ref) WHERE order_ref <> '';
CREATE INDEX ledger_journal_by_xid ON ledger_journal (xid);
-- Days of the journal list: a few pages a day, so a range summary is enough and costs nothing to write.
CREATE INDEX ledger_journal_by_time ON ledger_journal USING brin (booked_at) WITH (pages_per_range = 32);

CREATE TABLE ledger_line (
    -- The key is made of journal and line number, so no second index is needed to find a journal's lines.
    id bigint GENERATED ALWAYS AS (journal_id * 32768 + line) STORED CONSTRAINT ledger_line_pk PRIMARY KEY,
    journal_id bigint NOT NULL,
    account_id bigint NOT NULL,
    amount bigint NOT NULL CONSTRAINT ledger_line_is_not_zero CHECK (amount <> 0),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    booked_at timestamptz NOT NULL,
    effective_on date NOT NULL,
    line smallint NOT NULL CONSTRAINT ledger_line_is_numbered CHECK (line >= 1),
    currency varchar(3) NOT NULL,
    mode varchar(1) NOT NULL,
    seq bigint,
    prev_seq bigint,
    prev_bal bigint,
    bal_after bigint,
    CONSTRAINT ledger_line_runs_on_strict_accounts CHECK (
        (mode = 'S' AND seq IS NOT NULL AND prev_seq IS NOT NULL AND prev_bal IS NOT NULL AND bal_after IS NOT NULL)
        OR (mode = 'H' AND seq IS NULL AND prev_seq IS NULL AND prev_bal IS NULL AND bal_after IS NULL)
    ),
    CONSTRAINT ledger_line_follows_the_one_before CHECK (seq = prev_seq + 1 AND bal_after = prev_bal + amount),
    CONSTRAINT ledger_line_chain_has_a_start CHECK (prev_seq > 0 OR (prev_seq = 0 AND prev_bal = 0))
);
CREATE UNIQUE INDEX ledger_line_seq_once ON ledger_line (account_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX ledger_line_by_xid ON ledger_line (account_id, xid);
CREATE INDEX ledger_line_by_time ON ledger_line (account_id, booked_at);

ALTER TABLE ledger_journal ADD CONSTRAINT ledger_journal_has_its_lines
    FOREIGN KEY (first_line_id) REFERENCES ledger_line (id) DEFERRABLE INITIALLY DEFERRED;

-- One row per strict account: its last line, its reservations, its limits.
CREATE TABLE ledger_balance (
    account_id bigint CONSTRAINT ledger_balance_pk PRIMARY KEY
        CONSTRAINT ledger_balance_is_of_an_account REFERENCES ledger_account (id),
    bal bigint NOT NULL DEFAULT 0,
    seq bigint NOT NULL DEFAULT 0,
    last_at timestamptz NOT NULL DEFAULT '-infinity',
    hold_debit bigint NOT NULL DEFAULT 0 CONSTRAINT ledger_balance_hold_debit_is_positive CHECK (hold_debit >= 0),
    hold_credit bigint NOT NULL DEFAULT 0 CONSTRAINT ledger_balance_hold_credit_is_positive CHECK (hold_credit >= 0),
    min_bal bigint NOT NULL,
    max_bal bigint NOT NULL,
    CONSTRAINT ledger_balance_starts_at_nothing CHECK (seq > 0 OR (seq = 0 AND bal = 0)),
    CONSTRAINT ledger_balance_is_not_overdrawn CHECK (bal + hold_debit <= max_bal AND bal - hold_credit >= min_bal)
) WITH (fillfactor = 50);

-- Folded sums of insert-only accounts: every line of a transaction below `upto`.
CREATE TABLE ledger_rollup (
    account_id bigint CONSTRAINT ledger_rollup_pk PRIMARY KEY
        CONSTRAINT ledger_rollup_is_of_an_account REFERENCES ledger_account (id),
    debit numeric(30) NOT NULL,
    credit numeric(30) NOT NULL,
    upto xid8 NOT NULL
) WITH (fillfactor = 70);

-- Folded sums by time, all accounts: basis E is the effective date (year, month, day), B the booking time in UTC
-- (year, month, day, hour). `start` is the first moment of the span.
CREATE TABLE ledger_period_balance (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT ledger_period_balance_pk PRIMARY KEY,
    account_id bigint NOT NULL CONSTRAINT ledger_period_balance_is_of_an_account REFERENCES ledger_account (id),
    basis varchar(1) NOT NULL,
    grain varchar(1) NOT NULL,
    start timestamptz NOT NULL,
    debit numeric(30) NOT NULL,
    credit numeric(30) NOT NULL,
    CONSTRAINT ledger_period_balance_grain_is_known CHECK (
        (basis = 'E' AND grain IN ('y', 'm', 'd')) OR (basis = 'B' AND grain IN ('y', 'm', 'd', 'h'))
    ),
    CONSTRAINT ledger_period_balance_once UNIQUE (account_id, basis, grain, start)
) WITH (fillfactor = 70);
CREATE INDEX ledger_period_balance_by_start ON ledger_period_balance (grain, start) WHERE basis = 'E';

-- How far the fold has come, and in which cluster: transaction ids mean nothing in another one.
CREATE TABLE ledger_horizon (
    id smallint CONSTRAINT ledger_horizon_pk PRIMARY KEY CONSTRAINT ledger_horizon_is_one_row CHECK (id = 1),
    upto xid8 NOT NULL,
    system_identifier bigint NOT NULL,
    folded_at timestamptz NOT NULL
);

CREATE TABLE ledger_hold (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT ledger_hold_pk PRIMARY KEY,
    reference text NOT NULL CONSTRAINT ledger_hold_reference_is_said CHECK (reference <> ''),
    account_id bigint NOT NULL CONSTRAINT ledger_hold_is_on_a_strict_account REFERENCES ledger_balance (account_id),
    side varchar(1) NOT NULL CONSTRAINT ledger_hold_side_is_known CHECK (side IN ('D', 'C')),
    amount bigint NOT NULL CONSTRAINT ledger_hold_amount_is_positive CHECK (amount > 0),
    remaining bigint NOT NULL,
    placed_at timestamptz NOT NULL,
    CONSTRAINT ledger_hold_remaining_is_part_of_amount CHECK (remaining >= 0 AND remaining <= amount),
    CONSTRAINT ledger_hold_reference_once UNIQUE (reference)
);
CREATE INDEX ledger_hold_open ON ledger_hold (account_id) WHERE remaining > 0;

CREATE TABLE ledger_hold_event (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT ledger_hold_event_pk PRIMARY KEY,
    hold_id bigint NOT NULL CONSTRAINT ledger_hold_event_is_of_a_hold REFERENCES ledger_hold (id),
    kind varchar(8) NOT NULL CONSTRAINT ledger_hold_event_kind_is_known CHECK (kind IN ('placed', 'released', 'consumed')),
    amount bigint NOT NULL CONSTRAINT ledger_hold_event_amount_is_positive CHECK (amount > 0),
    journal_reference text NOT NULL DEFAULT '',
    actor text NOT NULL,
    reason text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    CONSTRAINT ledger_hold_event_consumed_by_a_journal CHECK ((kind = 'consumed') = (journal_reference <> ''))
);
CREATE UNIQUE INDEX ledger_hold_event_placed_once ON ledger_hold_event (hold_id) WHERE kind = 'placed';
CREATE UNIQUE INDEX ledger_hold_event_consumed_once ON ledger_hold_event (hold_id, journal_reference) WHERE kind = 'consumed';
CREATE INDEX ledger_hold_event_by_hold ON ledger_hold_event (hold_id);

CREATE TABLE ledger_period (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT ledger_period_pk PRIMARY KEY,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    state varchar(8) NOT NULL DEFAULT 'open' CONSTRAINT ledger_period_state_is_known CHECK (state IN ('open', 'closing', 'closed')),
    closing_by text NOT NULL DEFAULT '',
    closed_at timestamptz,
    horizon xid8,
    totals jsonb,
    CONSTRAINT ledger_period_has_days CHECK (starts_on <= ends_on),
    CONSTRAINT ledger_period_closed_with_totals CHECK ((state = 'closed') = (closed_at IS NOT NULL AND totals IS NOT NULL)),
    CONSTRAINT ledger_period_does_not_overlap EXCLUDE USING gist (daterange(starts_on, ends_on, '[]') WITH &&)
);
CREATE INDEX ledger_period_not_open ON ledger_period (ends_on) WHERE state <> 'open';

-- Daily proof: a Merkle tree over the day's journals, its head chained to the day before.
CREATE TABLE ledger_seal (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT ledger_seal_pk PRIMARY KEY,
    day date NOT NULL CONSTRAINT ledger_seal_once_per_day UNIQUE,
    upto xid8 NOT NULL,
    leaves bigint NOT NULL CONSTRAINT ledger_seal_counts_its_leaves CHECK (leaves >= 0),
    root bytea NOT NULL CONSTRAINT ledger_seal_root_is_sha256 CHECK (octet_length(root) = 32),
    previous_head bytea NOT NULL CONSTRAINT ledger_seal_follows_a_head CHECK (octet_length(previous_head) = 32),
    head bytea NOT NULL CONSTRAINT ledger_seal_head_is_sha256 CHECK (octet_length(head) = 32),
    signature bytea,
    sealed_at timestamptz NOT NULL,
    CONSTRAINT ledger_seal_chain_does_not_fork UNIQUE (previous_head)
);

CREATE TABLE ledger_seal_leaf (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT ledger_seal_leaf_pk PRIMARY KEY,
    seal_id bigint NOT NULL CONSTRAINT ledger_seal_leaf_is_of_a_seal REFERENCES ledger_seal (id),
    position bigint NOT NULL CONSTRAINT ledger_seal_leaf_is_numbered CHECK (position >= 0),
    kind varchar(8) NOT NULL,
    object_id text NOT NULL,
    hash bytea NOT NULL CONSTRAINT ledger_seal_leaf_is_sha256 CHECK (octet_length(hash) = 32),
    CONSTRAINT ledger_seal_leaf_position_once UNIQUE (seal_id, position),
    CONSTRAINT ledger_seal_leaf_object_once UNIQUE (kind, object_id)
);
