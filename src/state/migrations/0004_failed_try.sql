-- What the last try of a model that failed was made of: its SQL, and what it read. While both are the same
-- and the failure is none that heals, a schedule does not try again.
alter table amalgam.model_state
    add column failed_checksum text,
    add column failed_versions jsonb;
