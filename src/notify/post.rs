//! One HTTP POST to a receiver: ten seconds in all, 16 KiB read, no redirects, no proxy, no second try. What a status
//! means is the same for every sink that speaks HTTP.

use std::error::Error;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use tokio::time::{Instant, timeout_at};

use super::guard::{self, Inside, Lookup, Net, Resolver};
use super::sink::{Answer, SinkError};
use crate::domain::time::Timestamp;

/// The longest that one call may take, from the lookup of the name to the last byte that is read.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How much of an answer is read; a receiver has nothing longer to say.
pub const READ: usize = 16 * 1024;

/// How much of an answer is shown in the record, in characters.
const SHOWN: usize = 200;

/// What is shorter is no secret, and taking it out would tear holes into every text.
const SHORTEST_SECRET: usize = 6;

/// The longest that a receiver may ask us to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// At most [`READ`] bytes.
    pub body: Vec<u8>,
    /// Its header Retry-After, as a span from now.
    pub retry_after: Option<Duration>,
}

/// A client for one sink; copies share it. Keeps connections open between calls, and asks for each new one whether it may.
#[derive(Clone)]
pub struct Post {
    client: reqwest::Client,
    allowed: Option<Arc<[Net]>>,
}

impl Post {
    /// A client for addresses that others chose: nothing inside the network is called unless `allowed` lists it.
    ///
    /// # Errors
    /// [`SinkError`] names `ca_file`.
    pub fn guarded(ca_file: Option<&Path>, allowed: &[Net]) -> Result<Self, SinkError> {
        Self::new(ca_file, Some(allowed.into()), guard::system_lookup())
    }

    /// A client for addresses that the operator wrote out in full.
    ///
    /// # Errors
    /// As [`Post::guarded`].
    pub fn trusting(ca_file: Option<&Path>) -> Result<Self, SinkError> {
        Self::new(ca_file, None, guard::system_lookup())
    }

    /// As [`Post::guarded`], with a lookup of its own; `None` allows every address.
    ///
    /// # Errors
    /// As [`Post::guarded`].
    pub fn new(ca_file: Option<&Path>, allowed: Option<Arc<[Net]>>, lookup: Lookup) -> Result<Self, SinkError> {
        let resolver = Resolver { lookup, allowed: allowed.clone() };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("liftwatch/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // A proxy from the environment would be asked for the address instead of our resolver.
            .no_proxy()
            .dns_resolver(resolver)
            .pool_idle_timeout(Duration::from_secs(30))
            .connect_timeout(PATIENCE);
        if let Some(file) = ca_file {
            builder = builder.tls_certs_only(authorities(file)?);
        }
        let client = builder.build().map_err(|error| SinkError::new("ca_file", told(&error)))?;
        Ok(Self { client, allowed })
    }

    /// Posts JSON and reads the answer.
    ///
    /// # Errors
    /// Without an answer from the receiver: what the try came to.
    pub async fn json(&self, url: &Url, headers: HeaderMap, body: Vec<u8>, now: Timestamp) -> Result<Reply, Answer> {
        self.admit(url)?;
        let end = Instant::now() + PATIENCE;
        let call = self.client.post(url.clone()).header(CONTENT_TYPE, "application/json").headers(headers).body(body);
        let mut response = match timeout_at(end, call.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(unanswered(error)),
            Err(_) => return Err(retry(format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| wait(value, now));
        let mut body = Vec::new();
        // The status has said how it went; a body that drips, breaks off or never ends is read as far as it comes.
        while body.len() < READ {
            let Ok(Ok(Some(chunk))) = timeout_at(end, response.chunk()).await else { break };
            body.extend_from_slice(&chunk);
        }
        body.truncate(READ);
        Ok(Reply { status: response.status().as_u16(), body, retry_after })
    }

    /// A host that is an address needs no lookup, so the resolver never sees it.
    fn admit(&self, url: &Url) -> Result<(), Answer> {
        let Some(allowed) = &self.allowed else { return Ok(()) };
        let host = url.host_str().unwrap_or_default();
        let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() else { return Ok(()) };
        guard::admit(host, address, allowed)
            .map_err(|inside| Answer::Refused { status: None, detail: inside.to_string() })
    }
}

impl Reply {
    /// What the status means to a delivery (docs/NOTIFICATIONS.md).
    #[must_use]
    pub fn answer(self, secrets: &[&str]) -> Answer {
        let status = Some(self.status);
        match self.status {
            200..=299 => Answer::Delivered { status },
            300..=399 => Answer::Refused { status, detail: "redirects are not followed".to_owned() },
            410 => Answer::Gone { status, detail: self.shown(secrets) },
            408 | 425 | 429 => Answer::Retry { status, detail: self.shown(secrets), after: self.retry_after },
            400..=499 => Answer::Refused { status, detail: self.shown(secrets) },
            _ => Answer::Retry { status, detail: self.shown(secrets), after: self.retry_after },
        }
    }

    /// The beginning of the body for the record, on one line, without these secrets.
    #[must_use]
    pub fn shown(&self, secrets: &[&str]) -> String {
        let mut text = String::from_utf8_lossy(&self.body).into_owned();
        for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET) {
            text = text.replace(secret, "…");
        }
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
        text.trim().to_owned()
    }
}

/// Reads an address from settings.
///
/// # Errors
/// Says what is wrong with it.
pub fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user or password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must end before the #".to_owned());
    }
    Ok(url)
}

/// A header whose value was made by us; `None` leaves it out where HTTP cannot carry it.
pub fn header(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn authorities(file: &Path) -> Result<Vec<reqwest::Certificate>, SinkError> {
    let wrong = |problem: String| SinkError::new("ca_file", format!("{}: {problem}", file.display()));
    let pem = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(told(&error)))?;
    if found.is_empty() { Err(wrong("no PEM certificate in it".to_owned())) } else { Ok(found) }
}

/// Seconds, or a date as HTTP writes it.
fn wait(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let asked = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
            Duration::from_millis(u64::try_from(at - now.0).unwrap_or(0))
        }
    };
    Some(asked.min(LONGEST_WAIT))
}

fn unanswered(error: reqwest::Error) -> Answer {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(inside) = inner.downcast_ref::<Inside>() {
            return Answer::Refused { status: None, detail: inside.to_string() };
        }
        cause = inner.source();
    }
    // The address may be a secret: robots are called by whoever knows theirs.
    retry(told(&error.without_url()))
}

fn retry(detail: String) -> Answer {
    Answer::Retry { status: None, detail, after: None }
}

/// An error with its causes: reqwest alone says only "error sending request".
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.as_bytes().to_vec(), retry_after: Some(Duration::from_secs(7)) }
    }

    #[test]
    fn each_status_means_what_the_page_of_failures_says() {
        for (status, word) in [
            (200, "Delivered"),
            (204, "Delivered"),
            (301, "Refused"),
            (307, "Refused"),
            (400, "Refused"),
            (401, "Refused"),
            (404, "Refused"),
            (408, "Retry"),
            (410, "Gone"),
            (413, "Refused"),
            (425, "Retry"),
            (429, "Retry"),
            (500, "Retry"),
            (503, "Retry"),
            (599, "Retry"),
            (600, "Retry"),
            (101, "Retry"),
        ] {
            let answer = format!("{:?}", reply(status, "").answer(&[]));
            assert!(answer.starts_with(word), "{status}: {answer}");
        }
        let Answer::Retry { after, .. } = reply(429, "").answer(&[]) else { panic!() };
        assert_eq!(after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn the_record_shows_one_line_of_an_answer_without_the_secret() {
        let long = format!("no\r\n\u{1b}[31m token s3cret {}", "x".repeat(500));
        let shown = reply(400, &long).shown(&["s3cret", ""]);
        assert!(shown.starts_with("no   [31m token … xxx"), "{shown}");
        assert_eq!(shown.chars().count(), SHOWN);
    }

    #[test]
    fn reads_how_long_to_wait_as_seconds_and_as_a_date() {
        let now = Timestamp::parse("2026-11-24T10:00:00Z").unwrap();
        let waits = |text: &'static str| wait(&HeaderValue::from_static(text), now);
        assert_eq!(waits("120"), Some(Duration::from_secs(120)));
        assert_eq!(waits("Tue, 24 Nov 2026 10:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(waits("Tue, 24 Nov 2026 09:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(waits("999999999"), Some(LONGEST_WAIT));
        assert_eq!(waits("soon"), None);
    }

    #[test]
    fn an_address_holds_no_password_and_speaks_http() {
        for bad in ["", "hooks.example", "ftp://a", "https://u:p@a", "https://u@a", "https://a/#b", "http://"] {
            assert!(address(bad).is_err(), "{bad}");
        }
        assert_eq!(address("http://0x7f.1/").unwrap().host_str(), Some("127.0.0.1"));
    }
}
