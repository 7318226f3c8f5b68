//! Which role may use which route: the one table, which docs/ROLES.md says in words. What does not stand here is nobody's.

use crate::domain::access::Role;

use Role::{Auditor, Inspector, Maintainer, Owner};
use Who::{Everybody, Roles, Scraper};

/// Who may use a route. The operator, and anybody on loopback while there are no tokens, may use all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Without a token.
    Everybody,
    /// An auditor, or a program on this machine.
    Scraper,
    /// Holders of a token of one of these roles; what they see there is cut to their scope.
    Roles(&'static [Role]),
}

const ALL: Who = Roles(&[Auditor, Inspector, Maintainer, Owner]);
const WATCH: Who = Roles(&[Auditor, Inspector]);
const AUDIT: Who = Roles(&[Auditor]);
const INSPECT: Who = Roles(&[Inspector]);
const ATTEND: Who = Roles(&[Inspector, Maintainer]);
const ANSWER: Who = Roles(&[Inspector, Maintainer, Owner]);
const MAINTAIN: Who = Roles(&[Maintainer]);
const CONFIRM: Who = Roles(&[Owner]);
const OPERATE: Who = Roles(&[]);

/// Method, path as the router has it, and who may.
pub const ROUTES: &[(&str, &str, Who)] = &[
    ("GET", "/-/healthy", Everybody),
    ("GET", "/-/ready", Everybody),
    ("GET", "/style.css", Everybody),
    ("GET", "/visit.js", Everybody),
    ("GET", "/sign-in", Everybody),
    ("POST", "/sign-in", Everybody),
    ("POST", "/sign-out", Everybody),
    // The signature in the address is the right to it.
    ("GET", "/r/{delivery}/{signature}", Everybody),
    ("POST", "/r/{delivery}/{signature}", Everybody),
    ("GET", "/metrics", Scraper),
    // Pages.
    ("GET", "/", ALL),
    ("GET", "/alerts", ALL),
    ("GET", "/alerts/{id}", ALL),
    ("GET", "/alerts/{id}/answers", ALL),
    ("POST", "/alerts/{id}/answers", ANSWER),
    ("GET", "/units", ALL),
    ("GET", "/units/{id}", ALL),
    ("GET", "/units/{id}/qr.svg", ALL),
    ("GET", "/units/{id}/visit/new", MAINTAIN),
    ("POST", "/units/{id}/visit/new", MAINTAIN),
    ("GET", "/visits", ALL),
    ("GET", "/visits/{id}", ALL),
    ("GET", "/visits/{id}/confirmation", ALL),
    ("POST", "/visits/{id}/confirmation", CONFIRM),
    ("GET", "/overdue", ALL),
    ("GET", "/areas", WATCH),
    ("GET", "/areas/{id}", WATCH),
    ("GET", "/silences", WATCH),
    ("POST", "/silences", INSPECT),
    ("GET", "/silences/{id}", WATCH),
    ("GET", "/silences/{id}/expire", WATCH),
    ("POST", "/silences/{id}/expire", INSPECT),
    ("GET", "/ledger", WATCH),
    ("GET", "/units/{unit}/report", WATCH),
    ("GET", "/quarantine", WATCH),
    ("GET", "/quarantine/{id}", WATCH),
    // The ledger as files: entries of the whole city.
    ("GET", "/ledger/checkpoint", ALL),
    ("GET", "/ledger/tile/{level}/{*number}", AUDIT),
    // The API.
    ("GET", "/api/v1/openapi.json", ALL),
    ("GET", "/api/v1/alerts", ALL),
    ("GET", "/api/v1/alerts/{id}", ALL),
    ("GET", "/api/v1/alerts/{id}/timeline", ALL),
    ("POST", "/api/v1/alerts/{id}/acknowledge", ATTEND),
    ("POST", "/api/v1/alerts/{id}/arrived", ATTEND),
    ("POST", "/api/v1/alerts/{id}/note", ANSWER),
    ("POST", "/api/v1/alerts/{id}/false-alarm", INSPECT),
    ("POST", "/api/v1/alerts/{id}/release", INSPECT),
    ("GET", "/api/v1/deliveries", ALL),
    ("GET", "/api/v1/deliveries/{id}", ALL),
    ("POST", "/api/v1/deliveries/{id}/resend", OPERATE),
    ("GET", "/api/v1/areas", WATCH),
    ("GET", "/api/v1/areas/{id}", WATCH),
    ("GET", "/api/v1/silences", WATCH),
    ("POST", "/api/v1/silences", INSPECT),
    ("GET", "/api/v1/silences/{id}", WATCH),
    ("POST", "/api/v1/silences/{id}/expire", INSPECT),
    ("GET", "/api/v1/events", ALL),
    ("GET", "/api/v1/gaps", ALL),
    ("GET", "/api/v1/units", ALL),
    ("POST", "/api/v1/units", OPERATE),
    ("GET", "/api/v1/units/{id}", ALL),
    ("POST", "/api/v1/units/{id}/visits", MAINTAIN),
    ("GET", "/api/v1/visits", ALL),
    ("GET", "/api/v1/visits.zip", ALL),
    ("GET", "/api/v1/visits/{id}", ALL),
    ("POST", "/api/v1/visits/{id}/confirmation", CONFIRM),
    // Who is forgotten for good is decided by nobody's token: personal data of others is not theirs to erase.
    ("POST", "/api/v1/visits/{id}/people/{role}/erase", OPERATE),
    ("GET", "/api/v1/maintenance/overdue", ALL),
    ("GET", "/api/v1/unregistered", WATCH),
    ("GET", "/api/v1/quarantine", WATCH),
    ("GET", "/api/v1/quarantine/export", WATCH),
    ("GET", "/api/v1/quarantine/{id}", WATCH),
    ("GET", "/api/v1/ledger/checkpoint", ALL),
    ("GET", "/api/v1/ledger/checkpoints", ALL),
    ("GET", "/api/v1/ledger/consistency", ALL),
    ("GET", "/api/v1/ledger/entries", WATCH),
    ("GET", "/api/v1/ledger/entries/{index}", WATCH),
    ("GET", "/api/v1/ledger/entries/{index}/proof", WATCH),
    ("GET", "/api/v1/units/{unit}/ledger.zip", WATCH),
    // Only on the operator's socket.
    ("GET", "/admin/tokens", OPERATE),
    ("POST", "/admin/tokens", OPERATE),
    ("POST", "/admin/tokens/{id}/revoke", OPERATE),
];

/// Who may use a route with a method; `None` for a method that the path does not take, which the router refuses.
#[must_use]
pub fn who(method: &str, path: &str) -> Option<Who> {
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES.iter().find(|(its, of, _)| *its == method && *of == path).map(|(_, _, who)| *who)
}

/// Whether some method of the path stands in the table.
#[must_use]
pub fn is_known(path: &str) -> bool {
    ROUTES.iter().any(|(_, of, _)| *of == path)
}

/// Whether a role may use a route; `None`, for those without a token, may.
#[must_use]
pub fn may(role: Option<Role>, method: &str, path: &str) -> bool {
    let Some(role) = role else { return true };
    matches!(who(method, path), Some(Roles(roles)) if roles.contains(&role))
}
