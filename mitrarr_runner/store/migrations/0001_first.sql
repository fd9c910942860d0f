-- The whole first schema. One subset of SQL for SQLite and PostgreSQL: INTEGER, BIGINT, TEXT, REAL.
-- Instants are whole seconds since 1970 in UTC (BIGINT). Ids of people stand in `registry` only.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- What the planner remembers of a job: slots at or before `floor` are not looked at.
CREATE TABLE jobs (
    manifest TEXT NOT NULL,
    job TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    floor BIGINT NOT NULL,
    last_slot BIGINT,
    run_now INTEGER NOT NULL DEFAULT 0,
    first_seen BIGINT NOT NULL,
    PRIMARY KEY (manifest, job)
);

-- A slot is one planned instant of one job; inserting its row is the claim.
-- state: claimed | queued | missed | missed_range | skipped | paused | blocked
CREATE TABLE slots (
    manifest TEXT NOT NULL,
    job TEXT NOT NULL,
    slot BIGINT NOT NULL,
    until BIGINT,
    state TEXT NOT NULL,
    code TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    run BIGINT,
    at BIGINT NOT NULL,
    PRIMARY KEY (manifest, job, slot)
);

-- state: started | finished. outcome: see store/runs.py. result: JSON, counts and step results.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    manifest TEXT NOT NULL,
    job TEXT NOT NULL,
    slot BIGINT,
    cause TEXT NOT NULL,
    missed INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    outcome TEXT,
    code TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    pid_started TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    actor TEXT NOT NULL DEFAULT '',
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    seconds REAL,
    result TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX runs_by_job ON runs (manifest, job, id);
CREATE INDEX runs_started ON runs (state, manifest);

CREATE TABLE pauses (
    manifest TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    at BIGINT NOT NULL,
    until BIGINT,
    PRIMARY KEY (manifest, kind, name)
);

-- kind: run | stop | drain. Rows with who and when; apply consumes them.
CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    manifest TEXT NOT NULL,
    job TEXT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    at BIGINT NOT NULL,
    run BIGINT,
    done_at BIGINT
);

-- Files of people: one row per (source, person, revision), and one per refused file.
-- state: registered | no_face | quarantined | superseded (a refused file whose bytes were taken in
-- under another handle). The only table that holds ids of people.
CREATE TABLE registry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    handle TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    person TEXT NOT NULL,
    tcn TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1,
    state TEXT NOT NULL,
    code TEXT NOT NULL DEFAULT '',
    findings TEXT NOT NULL DEFAULT '[]',
    run BIGINT,
    actor TEXT NOT NULL DEFAULT '',
    at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX registry_identity ON registry (source, person, sha256);
CREATE INDEX registry_state ON registry (state, id);
CREATE INDEX registry_sha256 ON registry (sha256);
CREATE INDEX registry_run ON registry (run);
CREATE INDEX registry_tcn ON registry (source, tcn);
CREATE INDEX registry_changed ON registry (changed_at);

-- Content-addressed originals; place: store | quarantine. Rows of `registry` refer by sha256.
CREATE TABLE blobs (
    sha256 TEXT PRIMARY KEY,
    bytes BIGINT NOT NULL,
    place TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- Files left in a spool (after: keep) and files not settled yet, known by inode, size, mtime and
-- ctime. state: arriving | truncated | done. `at`: the first look at which it was as it is now.
CREATE TABLE spool (
    source TEXT NOT NULL,
    inode BIGINT NOT NULL,
    size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    ctime_ns BIGINT NOT NULL,
    state TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (source, inode)
);

-- One row per person and destination. token is the lookup token, an HMAC: no id of a person.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    registry BIGINT NOT NULL,
    source TEXT NOT NULL,
    token TEXT NOT NULL,
    at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX deliveries_token ON deliveries (destination, token);
CREATE INDEX deliveries_registry ON deliveries (registry, destination);
CREATE INDEX deliveries_changed ON deliveries (changed_at);

-- The two creates of a person, each with its own state machine (FINDFACE section 3).
-- part: card | face. state: pending | sending | sent | parked.
CREATE TABLE creates (
    delivery BIGINT NOT NULL,
    part TEXT NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    at BIGINT NOT NULL,
    boot_seconds REAL NOT NULL DEFAULT 0,
    boot_id TEXT NOT NULL DEFAULT '',
    not_before BIGINT NOT NULL DEFAULT 0,
    remote_id TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (delivery, part)
);
CREATE INDEX creates_state ON creates (state, delivery);

-- What a check_volume step read, one row per run: a retried run cannot count twice.
CREATE TABLE volumes (
    manifest TEXT NOT NULL,
    label TEXT NOT NULL,
    run BIGINT NOT NULL,
    at BIGINT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (manifest, label, run)
);
CREATE INDEX volumes_by_time ON volumes (manifest, label, at);

-- The latest verdict of each check (volume, heartbeat, destination ...); rules read them.
CREATE TABLE verdicts (
    manifest TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    code TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT '{}',
    since BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (manifest, kind, subject)
);

-- state: pending | firing | closed. At most one open row per (manifest, rule, subject).
CREATE TABLE incidents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    manifest TEXT NOT NULL,
    rule TEXT NOT NULL,
    subject TEXT NOT NULL,
    severity TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '{}',
    since BIGINT NOT NULL,
    fired_at BIGINT,
    last_notice_at BIGINT,
    ack_by TEXT NOT NULL DEFAULT '',
    ack_reason TEXT NOT NULL DEFAULT '',
    ack_at BIGINT,
    closed_at BIGINT
);
CREATE UNIQUE INDEX incidents_open ON incidents (manifest, rule, subject) WHERE state <> 'closed';

-- The outbox: committed before sending, sent at least once, known by a stable id.
-- kind: opened | repeated | worsened | recovered | withdrawn | acknowledged | manual.
-- given_up_at: the channel refused it for good; neither sent nor to be tried again.
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    manifest TEXT NOT NULL,
    incident BIGINT,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    stable_id TEXT NOT NULL UNIQUE,
    payload TEXT NOT NULL,
    at BIGINT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before BIGINT NOT NULL DEFAULT 0,
    sent_at BIGINT,
    given_up_at BIGINT,
    error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX notices_unsent ON notices (manifest, sent_at, not_before);
CREATE INDEX notices_by_incident ON notices (incident);

-- Who did what: a chain of hashes, each over the row and the hash before it.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '{}',
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
