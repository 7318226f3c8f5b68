//! Who may see and do what: tokens, sessions, and the walk of every role through every route.

mod browser;
mod fuzzed;
mod operator;
mod renewed;
mod routes;
mod sign_in;
mod walk;

use liftwatch::domain::access::{Access, Role};
use liftwatch::token::{self, Digest};
use serde_json::json;

use crate::city::{City, NOW};

/// Puts a token into a city and gives its secret.
pub async fn token(city: &City, role: Role, scope: &[&str]) -> String {
    token_until(city, role, scope, "null", "null").await
}

/// The same with when it expires and when it was revoked, as SQL.
pub async fn token_until(city: &City, role: Role, scope: &[&str], expires: &str, revoked: &str) -> String {
    let scope: Vec<String> = scope.iter().map(|entry| (*entry).to_owned()).collect();
    let access = Access::new(role, scope, false).unwrap();
    let secret = token::draw();
    let put = format!(
        "insert into token (id, digest, role, scope, personal, name, created_at, expires_at, revoked_at) \
         values ($1, $2, $3, $4, 0, $5, $6, {expires}, {revoked})"
    );
    sqlx::query(sqlx::AssertSqlSafe(put))
        .bind(format!("t-{:08x}", fastrand::u32(..)))
        .bind(Digest::of(&secret).0.as_slice())
        .bind(access.role.as_str())
        .bind(json!(access.scope).to_string())
        .bind(format!("{role} of the test"))
        .bind(NOW.0)
        .execute(&city.writer)
        .await
        .unwrap();
    city.keeper.tokens.load(&city.reader).await.unwrap();
    secret
}

/// An answer as the tests look at it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Asks without following where an answer leads.
pub async fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.as_bytes().to_vec()).unwrap();
    let asked = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(std::time::Duration::from_secs(20)))
            .build()
            .into();
        let mut response = agent.run(request).unwrap();
        let body = response.body_mut().read_to_vec().unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
    });
    asked.await.unwrap()
}

/// Asks with a token.
pub async fn with(city: &City, secret: &str, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {secret}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    ask(method, &format!("{}{path}", city.address), &headers, body).await
}
