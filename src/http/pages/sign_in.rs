//! `/sign-in` and `/sign-out`: a browser shows a token once, and a cookie from then on, which is not the token.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use super::frame::{Frame, Reading, page};
use crate::http::admit::{COOKIE, Refused, peer, session, wrong_token};
use crate::http::connection::Requests;
use crate::http::form::Filled;
use crate::http::handles::Http;
use crate::http::problem::Problem;
use crate::http::query::Params;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    then: String,
    /// Why the token that was sent opens nothing; empty if none was.
    wrong: String,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInForm {
    token: String,
    #[serde(default)]
    then: String,
}

/// The routes of this file.
pub fn routes() -> Router<Arc<Http>> {
    Router::new().route("/sign-in", get(show).post(enter)).route("/sign-out", post(leave))
}

async fn show(reading: Reading, mut params: Params) -> Result<Response, Problem> {
    params.text("lang")?;
    let then = params.text("then")?.unwrap_or_default();
    params.finish()?;
    form(&reading, then, String::new())
}

fn form(reading: &Reading, then: String, wrong: String) -> Result<Response, Problem> {
    page(&SignInPage { frame: reading.frame(reading.language.phrases().sign_in, ""), then: own(then), wrong })
}

/// Only a page of ours: a link from elsewhere must not lead on to anywhere.
fn own(then: String) -> String {
    let plain = then.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    if plain && then.starts_with('/') && !then.starts_with("//") { then } else { "/".to_owned() }
}

async fn enter(
    State(house): State<Arc<Http>>,
    reading: Reading,
    headers: HeaderMap,
    extensions: Extensions,
    Filled(filled): Filled<SignInForm>,
) -> Result<Response, Problem> {
    let now = house.clock.now();
    let Some(token) = house.keeper.tokens.of_secret(filled.token.trim(), now) else {
        let peer = peer(&house, &headers, extensions.get::<ConnectInfo<Requests>>());
        let refused: Refused = wrong_token(&house, peer);
        if refused.problem.status == StatusCode::TOO_MANY_REQUESTS.as_u16() {
            return Ok(refused.into_response());
        }
        let shown = form(&reading, filled.then, reading.language.phrases().wrong_token.to_owned())?;
        return Ok((StatusCode::UNAUTHORIZED, shown).into_response());
    };
    tracing::info!(token = token.id, "signed in");
    let number = house.keeper.sessions.begin(&token.id, now);
    let cookie = format!("{COOKIE}={number}; Path=/; HttpOnly; SameSite=Lax{}", secure(&house, &headers));
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&own(filled.then))).into_response())
}

async fn leave(State(house): State<Arc<Http>>, headers: HeaderMap, Filled(_): Filled<Nothing>) -> Response {
    if let Some(number) = session(&headers) {
        house.keeper.sessions.end(number);
    }
    let cookie = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{}", secure(&house, &headers));
    ([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response()
}

/// A form that says nothing but that it was sent.
#[derive(Debug, serde::Deserialize)]
struct Nothing {}

/// Over TLS, ours or a proxy's, the cookie must never leave it.
fn secure(house: &Http, headers: &HeaderMap) -> &'static str {
    let gate = &house.keeper.gate;
    let plain = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes() == b"http");
    if gate.tls.is_some() || (gate.behind_proxy && !plain) { "; Secure" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_signed_in_is_led_to_our_own_pages_only() {
        for good in ["/", "/alerts?state=firing", "/units/u-1"] {
            assert_eq!(own(good.to_owned()), good);
        }
        for bad in ["", "//evil.example/", "/\\evil.example", "https://evil.example", "/a\r\nb", "/ä", "/\t/x"] {
            assert_eq!(own(bad.to_owned()), "/", "{bad}");
        }
    }
}
