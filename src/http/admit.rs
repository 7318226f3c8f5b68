//! The door: finds out who asks, and lets nobody through whom the table does not name (`permit.rs`).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use tokio::sync::oneshot;

use super::admitted::Admitted;
use super::caller::Caller;
use super::connection::Requests;
use super::handles::Http;
use super::permit::{self, Who};
use super::problem::Problem;
use crate::domain::access::Role;
use crate::domain::time::SECOND;
use crate::pipeline::action::{Action, Asked};

/// The cookie of a session.
pub const COOKIE: &str = "liftwatch_session";

/// Which way into the house this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A listener that only this machine can reach.
    Loopback,
    /// Any other.
    Network,
    /// The operator's socket; the kernel says who may open it.
    Operator,
}

/// What the door works with.
#[derive(Clone)]
pub struct Door {
    pub house: Arc<Http>,
    pub way: Way,
}

/// A request's sender: who it is, and whether a browser says so by a cookie, which it sends along whoever asks it to.
struct Known {
    caller: Caller,
    by_cookie: bool,
}

/// Lets a request in, or says why not.
pub async fn admit(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let known = match door.known(&request) {
        Ok(known) => known,
        Err(refused) => return refused.into_response(),
    };
    if let Some(response) = door.refusal(&known, &request) {
        return response;
    }
    door.note_use(&known.caller);
    request.extensions_mut().insert(Admitted::new(&door.house, known.caller));
    next.run(request).await
}

impl Door {
    /// Whether nobody is asked who it is: no token was ever made, and only this machine reaches us.
    fn is_open(&self) -> bool {
        let keeper = &self.house.keeper;
        self.way == Way::Loopback && !keeper.gate.behind_proxy && keeper.tokens.is_empty()
    }

    fn known(&self, request: &Request) -> Result<Known, Box<Refused>> {
        let caller = |caller| Ok(Known { caller, by_cookie: false });
        if self.way == Way::Operator {
            return caller(Caller::Operator);
        }
        if self.is_open() {
            return caller(Caller::Anybody);
        }
        let (now, keeper) = (self.house.clock.now(), &self.house.keeper);
        if let Some(told) = request.headers().get(header::AUTHORIZATION) {
            let secret = told.to_str().ok().and_then(bearer).unwrap_or("");
            return match keeper.tokens.of_secret(secret, now) {
                Some(token) => caller(Caller::Holder(Arc::new(token))),
                None => Err(Box::new(wrong_token(&self.house, self.peer(request)))),
            };
        }
        let token = session(request.headers()).and_then(|number| keeper.sessions.token_of(number, now));
        match token.and_then(|id| keeper.tokens.of_id(&id, now)) {
            Some(token) => Ok(Known { caller: Caller::Holder(Arc::new(token)), by_cookie: true }),
            None => caller(Caller::Stranger),
        }
    }

    /// What is answered instead, if the caller may not do what it asks for.
    fn refusal(&self, known: &Known, request: &Request) -> Option<Response> {
        if matches!(known.caller, Caller::Anybody | Caller::Operator) {
            return None;
        }
        let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let who = path.and_then(|path| permit::who(request.method().as_str(), path));
        let may = match (who, known.caller.role()) {
            (Some(Who::Everybody), _) => true,
            (Some(Who::Scraper), role) => role == Some(Role::Auditor) || self.is_of_this_machine(request),
            (_, None) => false,
            (Some(Who::Roles(roles)), Some(role)) if !roles.contains(&role) => return Some(forbidden(role)),
            // A route without a decision is nobody's; what is no route at all, the router refuses itself.
            (None, Some(role)) if path.is_some_and(|path| !permit::is_known(path)) => return Some(forbidden(role)),
            (_, Some(_)) => true,
        };
        if !may {
            return Some(who_are_you(request));
        }
        if known.by_cookie && changes(request.method()) && !is_our_page(request.headers()) {
            let detail = "a session of the pages changes something from our own pages only; programs send a token";
            return Some(Problem::new(StatusCode::FORBIDDEN, detail).into_response());
        }
        None
    }

    /// Where a request comes from, as far as it can be believed.
    fn peer(&self, request: &Request) -> Option<IpAddr> {
        peer(&self.house, request.headers(), request.extensions().get::<ConnectInfo<Requests>>())
    }

    fn is_of_this_machine(&self, request: &Request) -> bool {
        !self.house.keeper.gate.behind_proxy && self.peer(request).is_some_and(|peer| peer.to_canonical().is_loopback())
    }

    fn note_use(&self, caller: &Caller) {
        let Caller::Holder(token) = caller else { return };
        if self.house.keeper.tokens.is_to_be_noted(&token.id, self.house.clock.now()) {
            let (reply, _) = oneshot::channel();
            // Where the door of actions is full, this use goes unnoted: the next one is a minute away.
            drop(self.house.actions.try_send(Asked { action: Action::UseToken { id: token.id.clone() }, reply }));
        }
    }
}

/// Where a request comes from. A proxy adds whom it speaks for at the end; what stands before that, anybody can write.
#[must_use]
pub fn peer(house: &Http, headers: &HeaderMap, connection: Option<&ConnectInfo<Requests>>) -> Option<IpAddr> {
    if house.keeper.gate.behind_proxy {
        let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
        return last.rsplit(',').next()?.trim().parse().ok();
    }
    connection.and_then(|ConnectInfo(requests)| requests.peer())
}

/// Counts a wrong token and says so, or that its sender has to wait.
#[must_use]
pub fn wrong_token(house: &Http, peer: Option<IpAddr>) -> Refused {
    let unknown = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    match house.keeper.attempts.count(peer.unwrap_or(unknown), house.clock.now()) {
        None => {
            tracing::warn!(peer = peer.map(tracing::field::display), "a wrong, expired or revoked token");
            Refused { problem: unauthorized("the token is wrong, expired or revoked"), wait: None }
        }
        Some(millis) => {
            let wait = millis.max(0).div_euclid(SECOND) + 1;
            let detail = format!("too many wrong tokens from this address; wait {wait} s");
            Refused { problem: Problem::new(StatusCode::TOO_MANY_REQUESTS, detail), wait: Some(wait) }
        }
    }
}

/// Why a token opens nothing.
#[derive(Debug)]
pub struct Refused {
    pub problem: Problem,
    /// Seconds until another try is looked at.
    wait: Option<i64>,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = self.problem.status;
        let mut response = self.problem.into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED.as_u16() {
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(wait) = self.wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"liftwatch\"");

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}

/// A person is led to the page for signing in, a program is told what is missing.
fn who_are_you(request: &Request) -> Response {
    let path = request.uri().path();
    let page = !["/api/", "/-/", "/ledger/", "/metrics", "/admin/"].iter().any(|part| path.starts_with(part));
    if page && matches!(*request.method(), Method::GET | Method::HEAD) {
        let then = request.uri().path_and_query().map_or("/", |whole| whole.as_str());
        return Redirect::to(&format!("/sign-in?then={}", escaped(then))).into_response();
    }
    let detail = "send a token: Authorization: Bearer lw_…; `liftwatch token add` makes one";
    Refused { problem: unauthorized(detail), wait: None }.into_response()
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn forbidden(role: Role) -> Response {
    Problem::new(StatusCode::FORBIDDEN, format!("a token of role {role} may not do this")).into_response()
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The guard has refused foreign origins; a request that changes something by a cookie must name its own.
fn is_our_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
        || headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() == b"same-origin")
}

fn bearer(told: &str) -> Option<&str> {
    let (scheme, secret) = told.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}

/// The number of the session that a browser shows.
#[must_use]
pub fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}
