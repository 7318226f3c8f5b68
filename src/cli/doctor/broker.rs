//! What the experiments on a region's broker mean, and what to change at it. Pure.

use super::finding::{Finding, Verdict};
use crate::domain::time::{MINUTE, SECOND};
use crate::ingest::connection::SessionSettings;
use crate::ingest::examine::{AWAY, Found, Queue, WINDOW};
use crate::ingest::guest::{Answered, GuestError, Login, Welcome};

/// The least time for which a broker should keep our session: a long weekend.
const SESSION_SECONDS: u32 = 3 * 86_400;

/// A payload of 64 KiB (docs/CONTRACT.md) with its topic and its header.
const PACKET_BYTES: u32 = 66_000;

/// A clock that differs by more than this from what controllers say is looked at; beyond five minutes a controller's time
/// is not believed.
const CLOCK: i64 = MINUTE;

/// The findings of one experiment.
#[must_use]
pub fn judge(settings: &SessionSettings, found: &Found) -> Vec<Finding> {
    let about = format!("region {}", settings.region);
    let line = |verdict, says: String| Finding::new(verdict, &about, says);
    match found {
        Found::Stopped(login, error) => vec![line(Verdict::Failed, stopped(settings, *login, error))],
        Found::NamedByUser(login) => vec![line(Verdict::Untried, named_by_user(*login))],
        Found::Connected(welcome) => connected(settings, *welcome, &line),
        Found::Reading(filters) => filters.iter().map(|(filter, answer)| reading(filter, answer, &line)).collect(),
        Found::Retained(0) => vec![line(Verdict::Good, "no retained messages on its topics".to_owned())],
        Found::Retained(number) => vec![line(
            Verdict::Change,
            format!(
                "{number} retained messages on its topics: they are refused; have publishers not retain, and clear each \
                 with an empty retained message"
            ),
        )],
        Found::Clock(told) => vec![clock(*told, &line)],
        Found::DeviceTopic(topic, Answered::Refused(reason)) => {
            vec![line(Verdict::Good, format!("our login may not publish to controllers' topics ({topic}: {reason})"))]
        }
        Found::DeviceTopic(topic, Answered::Taken) => vec![line(
            Verdict::Change,
            format!(
                "our login may publish to controllers' topics ({topic}): whoever has it can make events up; give it \
                 `topic read lift/v1/#` alone, and each publisher `pattern write lift/v1/+/%u/#`"
            ),
        )],
        Found::AckTopic(topic, answer) => vec![ack_topic(settings, topic, answer, &line)],
        Found::Unheard(topic) => vec![line(
            Verdict::Untried,
            format!(
                "the queue and the window: our login does not hear {topic}; to have them tried, add `topic readwrite \
                 liftack/v1/_doctor/#` to its access rules"
            ),
        )],
        Found::Queue(queue) => vec![kept(*queue, &line), queued(*queue, &line), window(*queue, &line)],
    }
}

type Line<'a> = &'a dyn Fn(Verdict, String) -> Finding;

fn stopped(settings: &SessionSettings, login: Login, error: &GuestError) -> String {
    let (user, file) = match login {
        Login::Acks if settings.ack_username.is_some() => ("ack_username", "ack_password_file"),
        _ => ("username", "password_file"),
    };
    match error {
        GuestError::Login(_) => format!("{}: {error}; look at {user} and {file}", settings.broker),
        GuestError::Line(_) | GuestError::Silent => {
            format!("{}: {error}; look at `broker`, and whether it runs and can be reached", settings.broker)
        }
        GuestError::Settings(_) => error.to_string(),
    }
}

fn named_by_user(login: Login) -> String {
    let user = match login {
        Login::Session => "the session's user",
        Login::Acks => "the user for acks",
    };
    format!(
        "the broker names clients by their user, so that a trial with {user} would pass for the daemon; nothing more was \
         tried, and nothing it kept was touched"
    )
}

fn connected(settings: &SessionSettings, welcome: Welcome, line: Line<'_>) -> Vec<Finding> {
    let user = settings.username.as_deref().map_or("without a user".to_owned(), |user| format!("as {user}"));
    let mut findings = vec![line(Verdict::Good, format!("connects to {} {user}", settings.broker))];
    findings.push(match welcome.session_seconds.filter(|seconds| *seconds < SESSION_SECONDS) {
        Some(seconds) => line(
            Verdict::Change,
            format!(
                "the broker keeps a session for {seconds} s only: what comes while the daemon is away for longer is lost; \
                 allow at least {SESSION_SECONDS} s"
            ),
        ),
        None => line(Verdict::Good, "the broker grants a session long enough".to_owned()),
    });
    findings.push(match welcome.packet_bytes {
        Some(bytes) if bytes < PACKET_BYTES => line(
            Verdict::Change,
            format!("the broker takes packets of at most {bytes} bytes; payloads may have 65536: allow {PACKET_BYTES}"),
        ),
        Some(bytes) => line(Verdict::Good, format!("the broker takes packets of up to {bytes} bytes")),
        None => line(Verdict::Good, "the broker tells of no limit for packets".to_owned()),
    });
    findings
}

fn reading(filter: &str, answer: &Answered, line: Line<'_>) -> Finding {
    match answer {
        Answered::Taken => line(Verdict::Good, format!("may subscribe to {filter}")),
        Answered::Refused(reason) => line(
            Verdict::Failed,
            format!("may not subscribe to {filter} ({reason}): let its user read these topics in the access rules"),
        ),
    }
}

fn clock(told: Option<(i64, usize)>, line: Line<'_>) -> Finding {
    let Some((ahead, messages)) = told else {
        return line(Verdict::Untried, "our clock: no message came to compare it with".to_owned());
    };
    let seconds = ahead as f64 / SECOND as f64;
    if ahead.abs() <= CLOCK {
        return line(Verdict::Good, format!("our clock and that of {messages} messages differ by {seconds:.1} s"));
    }
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    line(
        Verdict::Change,
        format!(
            "our clock is {:.0} s {way} that of {messages} messages: keep this machine's clock in step (chrony), then look \
             at the controllers'",
            seconds.abs()
        ),
    )
}

fn ack_topic(settings: &SessionSettings, topic: &str, answer: &Answered, line: Line<'_>) -> Finding {
    match answer {
        Answered::Taken => line(Verdict::Good, format!("may publish acks ({topic})")),
        Answered::Refused(reason) if settings.application_ack => line(
            Verdict::Change,
            format!(
                "may not publish acks ({topic}: {reason}), so controllers keep every event: add `topic write \
                 liftack/v1/#` to the access rules of the user who publishes them; the queue was not tried"
            ),
        ),
        Answered::Refused(reason) => {
            line(Verdict::Untried, format!("the queue and the window: our login may not publish to {topic} ({reason})"))
        }
    }
}

fn kept(queue: Queue, line: Line<'_>) -> Finding {
    if queue.session_kept {
        line(Verdict::Good, "the broker keeps a session while its client is away".to_owned())
    } else {
        let says = "the broker forgets a session at once: what comes while the daemon restarts is lost; allow persistent \
                    sessions";
        line(Verdict::Change, says.to_owned())
    }
}

fn queued(queue: Queue, line: Line<'_>) -> Finding {
    let Queue { sent, received, .. } = queue;
    if received >= AWAY {
        return line(Verdict::Good, format!("all of {AWAY} messages waited for a client that was away"));
    }
    let from = if sent < AWAY { format!(" (it refused {} of them openly)", AWAY - sent) } else { String::new() };
    line(
        Verdict::Change,
        format!(
            "only {received} of {AWAY} messages waited for a client that was away{from}: the rest is lost, without a word \
             to its sender; mosquitto: max_queued_messages 0"
        ),
    )
}

fn window(queue: Queue, line: Line<'_>) -> Finding {
    let Queue { live_at_once, at_once, received, .. } = queue;
    let allowed = usize::from(WINDOW);
    let most = live_at_once.max(at_once);
    if most > allowed {
        return line(
            Verdict::Change,
            format!(
                "the broker sent {most} messages at once to a client that allowed {WINDOW}: it does not keep to the \
                 receive maximum, so the daemon's memory is in its hands; use one that does"
            ),
        );
    }
    // What it did not have it could not send.
    let least = if received > at_once { live_at_once.min(at_once) } else { live_at_once };
    if least < allowed {
        return line(
            Verdict::Change,
            format!(
                "the broker sends {least} messages and waits, where {WINDOW} are allowed: it slows the daemon down; \
                 mosquitto: max_inflight_messages 0"
            ),
        );
    }
    line(Verdict::Good, format!("{WINDOW} messages come at once where so many are allowed, and no more"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::RegionCode;

    fn verdicts(found: &Found) -> Vec<Verdict> {
        let region = RegionCode::new("350582").unwrap();
        let settings = SessionSettings::new(region, "mqtt://localhost".parse().unwrap(), "test".to_owned());
        judge(&settings, found).iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn a_window_is_good_only_where_it_is_filled_and_not_exceeded() {
        let good = Queue { session_kept: true, sent: 1500, live_at_once: 500, at_once: 500, received: 1500 };
        for (live_at_once, at_once, received, window) in [
            (500, 500, 1500, Verdict::Good),
            (20, 500, 1500, Verdict::Change),
            (500, 20, 1500, Verdict::Change),
            (501, 500, 1500, Verdict::Change),
            // It had only a hundred left to send.
            (500, 100, 100, Verdict::Good),
        ] {
            let queue = Queue { live_at_once, at_once, received, ..good };
            assert_eq!(verdicts(&Found::Queue(queue))[2], window, "{queue:?}");
        }
    }

    #[test]
    fn what_a_broker_says_of_its_limits_is_held_against_what_the_daemon_needs() {
        let welcome = |session_seconds, packet_bytes| {
            Found::Connected(Welcome { session_present: false, session_seconds, packet_bytes })
        };
        assert_eq!(verdicts(&welcome(None, None)), [Verdict::Good; 3]);
        assert_eq!(verdicts(&welcome(Some(1_209_600), Some(268_435_456))), [Verdict::Good; 3]);
        assert_eq!(verdicts(&welcome(Some(7200), None))[1], Verdict::Change);
        assert_eq!(verdicts(&welcome(None, Some(1024)))[2], Verdict::Change);
    }

    #[test]
    fn a_minute_between_clocks_is_let_pass() {
        assert_eq!(verdicts(&Found::Clock(Some((60_000, 9)))), [Verdict::Good]);
        assert_eq!(verdicts(&Found::Clock(Some((60_001, 9)))), [Verdict::Change]);
        assert_eq!(verdicts(&Found::Clock(Some((-60_001, 9)))), [Verdict::Change]);
        assert_eq!(verdicts(&Found::Clock(None)), [Verdict::Untried]);
    }
}
