"""The tables of the ledger, as steps: a new file takes all of them, an older one those that it lacks.

A step that was released never changes.
"""

from __future__ import annotations

__all__ = ["STEPS"]

_SCHEMA = """
CREATE TABLE calls (
    conversation TEXT PRIMARY KEY,
    day      TEXT NOT NULL,
    state    TEXT NOT NULL,
    facts    BLOB NOT NULL,
    details  BLOB,
    hint     BLOB,
    due      INTEGER,
    tries    INTEGER NOT NULL DEFAULT 0,
    owner    TEXT,
    leased   INTEGER,
    dirty    INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX calls_due ON calls (due) WHERE due IS NOT NULL;
CREATE INDEX calls_dirty ON calls (day) WHERE dirty;
CREATE INDEX calls_state ON calls (state);
CREATE INDEX calls_owner ON calls (owner) WHERE owner IS NOT NULL;
CREATE TABLE windows (
    name TEXT NOT NULL, start TEXT NOT NULL, stop TEXT NOT NULL,
    PRIMARY KEY (name, start, stop)
) WITHOUT ROWID;
CREATE TABLE days (day TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_PROVEN_LISTINGS = """
DELETE FROM windows;
ALTER TABLE calls ADD COLUMN unread_audio INTEGER NOT NULL DEFAULT 0;
CREATE INDEX calls_unread_audio ON calls (conversation) WHERE unread_audio;
CREATE INDEX calls_tries ON calls (conversation) WHERE tries > 0;
"""
"""The versions before closed a window on any answer, so each of theirs is listed once more. ``unread_audio`` marks
conversations with a recording that cannot be read."""

_ROWS_APART = """
CREATE TABLE calls_apart (
    conversation TEXT PRIMARY KEY,
    day      TEXT NOT NULL,
    state    TEXT NOT NULL,
    due      INTEGER,
    tries    INTEGER NOT NULL DEFAULT 0,
    owner    TEXT,
    leased   INTEGER,
    dirty    INTEGER NOT NULL DEFAULT 0,
    audio    TEXT NOT NULL DEFAULT '',
    facts    BLOB NOT NULL,
    hint     BLOB,
    details  BLOB
);
INSERT INTO calls_apart (conversation, day, state, due, tries, owner, leased, dirty, audio, facts, hint, details)
    SELECT conversation, day, state, due, tries, owner, leased, dirty, audio_of(facts), facts, hint, details FROM calls;
DROP TABLE calls;
ALTER TABLE calls_apart RENAME TO calls;
CREATE INDEX calls_due ON calls (due) WHERE due IS NOT NULL;
CREATE INDEX calls_dirty ON calls (day) WHERE dirty;
CREATE INDEX calls_state ON calls (state, due);
CREATE INDEX calls_owner ON calls (owner) WHERE owner IS NOT NULL;
CREATE INDEX calls_audio ON calls (audio, state);
CREATE INDEX calls_tries ON calls (conversation) WHERE tries > 0;
CREATE TABLE chores (name TEXT PRIMARY KEY, day TEXT NOT NULL) WITHOUT ROWID;
"""
"""In a table without rowids SQLite keeps the blobs within the tree that is searched: with 200,000 calls that wait,
counting what is due took two seconds. The blobs come last in a row, so that nothing else is read past them. ``audio``
says how the leg ``AUDIO`` stands (``ledger``)."""

STEPS = (_SCHEMA, _PROVEN_LISTINGS, _ROWS_APART)
