//! Mail by SMTP: plain text and HTML, over TLS from the first byte or by STARTTLS, never by falling back to neither.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls as Wrapping, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message as Mail, Tokio1Executor};
use serde::Deserialize;

use crate::notify::fill::{self, Values};
use crate::notify::secret;
use crate::notify::sink::{Answer, Parcel, Sending, Sink, SinkError};

/// The longest that one mail may take, from the connection to the server's last word; the contract allows 15 s.
const PATIENCE: Duration = Duration::from_secs(14);

/// How much of a server's answer is shown in the record, in characters.
const SHOWN: usize = 200;

/// How the connection is kept from strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Begins in the open and must turn to TLS before anything is said.
    #[default]
    Starttls,
    /// From the first byte.
    Implicit,
    /// Not at all: for a relay on this machine.
    None,
}

/// One `[[receiver.email]]`. Those in `to` share one fate: a server that refuses one address refuses the mail. Who must
/// not wait for another has a section of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub host: String,
    /// 587, 465 or 25 by default, as `tls` says.
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub tls: Tls,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// `liftwatch <lifts@city.example>`.
    pub from: String,
    /// May hold placeholders.
    pub to: Vec<String>,
    /// Certificates (PEM) that the server's must lead to; the system's own where absent.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// What can be said without the registry and without opening a file.
    #[must_use]
    pub fn problems(&self) -> Vec<SinkError> {
        let mut problems = Vec::new();
        let mut wrong = |key, problem: String| problems.push(SinkError::new(key, problem));
        if self.host.is_empty() || self.host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            wrong("host", "names no host".to_owned());
        }
        if self.port == Some(0) {
            wrong("port", "must be from 1 to 65535".to_owned());
        }
        if let Err(problem) = mailbox(&self.from) {
            wrong("from", problem);
        }
        if self.to.is_empty() {
            wrong("to", "names nobody".to_owned());
        }
        for to in &self.to {
            let names = fill::names(to).map(|names| names.into_iter().map(|name| (name.to_owned(), "x".to_owned())));
            if let Err(problem) = names.and_then(|names| fill::word(to, &names.collect())).and_then(|to| mailbox(&to)) {
                wrong("to", problem);
            }
        }
        match (&self.username, &self.password_file) {
            (None, Some(_)) => wrong("password_file", "needs `username` beside it".to_owned()),
            (Some(_), None) => wrong("username", "needs `password_file` beside it".to_owned()),
            (Some(_), Some(_)) if self.tls == Tls::None => {
                wrong("tls", "none would show the password to the network; use starttls or implicit".to_owned());
            }
            _ => {}
        }
        if self.ca_file.is_some() && self.tls == Tls::None {
            wrong("ca_file", "is of no use without TLS".to_owned());
        }
        problems
    }

    /// Gives every path to `place`, which knows where the configuration stands.
    pub fn resolve(&mut self, place: &dyn Fn(&Path) -> PathBuf) {
        for file in self.password_file.iter_mut().chain(&mut self.ca_file) {
            *file = place(file);
        }
    }

    /// Makes the sink: fills in placeholders, reads the password. Calls nobody.
    ///
    /// # Errors
    /// [`SinkError`] names the key that has to change.
    pub fn connect(&self, values: &Values) -> Result<Email, SinkError> {
        let from = mailbox(&self.from).map_err(|problem| SinkError::new("from", problem))?;
        let to = self.to.iter().map(|to| fill::word(to, values).and_then(|to| mailbox(&to)));
        let to = to.collect::<Result<Vec<_>, _>>().map_err(|problem| SinkError::new("to", problem))?;
        let (wrapping, port) = match self.tls {
            Tls::None => (Wrapping::None, 25),
            Tls::Starttls => (Wrapping::Required(self.tls_parameters()?), 587),
            Tls::Implicit => (Wrapping::Wrapper(self.tls_parameters()?), 465),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .tls(wrapping)
            .port(self.port.unwrap_or(port))
            .timeout(Some(PATIENCE));
        if let (Some(user), Some(file)) = (&self.username, &self.password_file) {
            let password = secret::read("password_file", file, &Values::new())?;
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Email { from, to, transport: builder.build() })
    }

    fn tls_parameters(&self) -> Result<TlsParameters, SinkError> {
        let mut builder = TlsParameters::builder(self.host.clone());
        if let Some(file) = &self.ca_file {
            let wrong = |problem: String| SinkError::new("ca_file", format!("{}: {problem}", file.display()));
            let pem = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
            let authority = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authority);
        }
        builder.build().map_err(|error| SinkError::new("ca_file", error.to_string()))
    }
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|_| format!("{text:?} is no mail address"))
}

/// A sink with its server. Each mail has a connection of its own.
pub struct Email {
    from: Mailbox,
    to: Vec<Mailbox>,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Sink for Email {
    fn kind(&self) -> &'static str {
        "email"
    }

    fn send<'a>(&'a self, parcel: Parcel<'a>) -> Sending<'a> {
        Box::pin(async move {
            let mail = match self.compose(parcel) {
                Ok(mail) => mail,
                Err(error) => return Answer::Refused { status: None, detail: error.to_string() },
            };
            match tokio::time::timeout(PATIENCE, self.transport.send(mail)).await {
                Ok(Ok(response)) => Answer::Delivered { status: Some(response.code().into()) },
                Ok(Err(error)) => failed(&error),
                Err(_) => {
                    let detail = format!("not taken within {} s", PATIENCE.as_secs());
                    Answer::Retry { status: None, detail, after: None }
                }
            }
        })
    }
}

impl Email {
    /// The same mail at every try: a mailbox that has it already can tell by its Message-ID.
    fn compose(&self, parcel: Parcel<'_>) -> Result<Mail, lettre::error::Error> {
        let made = u64::try_from(parcel.message.created_at).unwrap_or(0);
        let subject: String = parcel.text.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let id = format!("<{}@{}>", fill::percent(parcel.key), self.from.email.domain());
        let mut mail = Mail::builder().from(self.from.clone());
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        // Without it, a mailbox's "out of office" answers the daemon (RFC 3834).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        mail.message_id(Some(id))
            .date(std::time::UNIX_EPOCH + Duration::from_millis(made))
            .subject(subject)
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(parcel.text.plain.clone(), parcel.text.html.clone()))
    }
}

/// 5xx is the server's no; everything else may pass (RFC 5321, 4.2.1).
fn failed(error: &lettre::transport::smtp::Error) -> Answer {
    let status = error.status().map(u16::from);
    let detail = error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    if error.is_permanent() {
        Answer::Refused { status, detail }
    } else {
        Answer::Retry { status, detail, after: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            host: "mail.example".to_owned(),
            port: None,
            tls: Tls::Starttls,
            username: None,
            password_file: None,
            from: "liftwatch <lifts@city.example>".to_owned(),
            to: vec!["{maintainer}@firms.example".to_owned(), "王工 <wang@firms.example>".to_owned()],
            ca_file: None,
        }
    }

    #[test]
    fn says_which_key_is_wrong() {
        assert_eq!(settings().problems(), []);
        let keys = |settings: Settings| settings.problems().iter().map(|problem| problem.key).collect::<Vec<_>>();
        assert_eq!(keys(Settings { host: String::new(), from: "nobody".to_owned(), ..settings() }), ["host", "from"]);
        assert_eq!(keys(Settings { to: Vec::new(), ..settings() }), ["to"]);
        assert_eq!(keys(Settings { to: vec!["a@b, c@d".to_owned()], ..settings() }), ["to"]);
        let login =
            |tls| Settings { username: Some("a".to_owned()), password_file: Some("p".into()), tls, ..settings() };
        assert_eq!(keys(login(Tls::None)), ["tls"]);
        assert_eq!(keys(login(Tls::Implicit)), [""; 0]);
    }

    #[test]
    fn a_firms_name_cannot_send_the_mail_elsewhere() {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let firm = |name: &str| Values::from([("maintainer".to_owned(), name.to_owned())]);
        let connect = |name: &str| Settings { tls: Tls::None, ..settings() }.connect(&firm(name));
        assert_eq!(connect("firm-7").unwrap().to[0].email.to_string(), "firm-7@firms.example");
        for bad in ["a@evil.example,b", "<a@evil.example> ", "a b", "", "a\r\nBcc: b@evil.example"] {
            assert_eq!(connect(bad).err().unwrap().key, "to", "{bad}");
        }
    }
}
