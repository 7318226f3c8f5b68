-- Who may see and do what: tokens, by the hash of their secret.

create table token (
    id text primary key,                 -- t-, then time-ordered
    digest blob not null unique,         -- SHA-256 of the secret, which nobody keeps
    role text not null,                  -- src/domain/access.rs
    scope text not null,                 -- JSON list of regions' first digits, or of names in the registry
    personal integer not null,           -- whether personal data is shown
    name text not null,                  -- whose it is, for people
    created_at integer not null,
    expires_at integer,                  -- null: never
    revoked_at integer,
    last_used_at integer                 -- to the minute
) without rowid;
