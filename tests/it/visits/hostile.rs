//! Hostile texts through form and API.
