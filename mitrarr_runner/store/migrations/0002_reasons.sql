-- Why somebody asked for a run, or for its end. A run that nobody asked for has no reason.
ALTER TABLE requests ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN asked_reason TEXT NOT NULL DEFAULT '';
