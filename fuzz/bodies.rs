//! What must hold of any input, one function per door: topic, payload, configuration, registry. Each is given the function
//! that it tries, so that a broken one can show that it would be caught; panics where something does not hold.
//! The fuzz targets call them with what libFuzzer makes up, `tests/it/fuzz.rs` with every committed input.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use liftwatch::app::settings::Settings;
use liftwatch::config::{ConfigError, Document};
use liftwatch::decode::mapping::{Class, Decoded, Fact, Reason, Rejection};
use liftwatch::decode::settings::MappingSettings;
use liftwatch::decode::{Decoder, topic};
use liftwatch::domain::id::RegionCode;
use liftwatch::domain::time::Timestamp;
use liftwatch::domain::unit::Unit;
use liftwatch::registry_csv::{COLUMNS, LineError};

/// Reads one message of the region's session.
pub type Decode<'a> = &'a dyn Fn(&str, &[u8]) -> Result<Decoded, Rejection>;
/// Reads a configuration file; shows what was read of it.
pub type ReadConfig<'a> = &'a dyn Fn(&str) -> Result<String, ConfigError>;
/// Reads a registry file.
pub type ReadRegistry<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<Unit>, Vec<LineError>>;

/// Longest refusal, in characters: a sentence, and at most 64 characters of each of a few values.
const LONGEST_DETAIL: usize = 400;
/// Longest code that no table has, in characters: 64, and the name of the field before it.
const LONGEST_CODE: usize = 96;
/// More of a payload than this in one piece is an echo; one value is shown up to 64 characters, in quotes.
const ECHO: usize = 80;

const MAPPINGS: &str = r#"
[[mapping]]
name = "gb"
family = "gb24476"
topic = "gb/+/+"
publisher = { topic_level = 2 }
unit = { topic_level = 3 }
booleans = "1/2"
running_time = "hours"
utc_offset = "+08:00"
[[mapping]]
name = "gb-levels"
family = "gb24476"
topic = "levels/+/+"
publisher = { topic_level = 2 }
unit = { topic_level = 3 }
booleans = "0/1"
codes_as = "levels"
[[mapping]]
name = "flags"
family = "level_flags"
topic = "flags/+"
publisher = { fixed = "acme" }
unit = { pointer = "/id" }
booleans = "0/1"
flags = "/alarms"
[[mapping]]
name = "own"
family = "canonical"
topic = "own/+/+"
publisher = { topic_level = 2 }
unit = { topic_level = 3 }
class = { pointer = "/class" }
"#;

/// Every class of the canonical form, and every mapping.
const TOPICS: [&str; 8] = [
    "lift/v1/350582/acme/L1/state",
    "lift/v1/350582/acme/L1/event",
    "lift/v1/350582/acme/L1/visit",
    "lift/v1/350582/acme/L1/hazard",
    "gb/acme/L1",
    "levels/acme/L1",
    "flags/x",
    "own/acme/L1",
];

static REGION: LazyLock<RegionCode> = LazyLock::new(|| RegionCode::new("350582").expect("six digits"));

static DECODER: LazyLock<Decoder> = LazyLock::new(|| {
    let mut document = Document::parse(Path::new("mappings"), MAPPINGS.to_owned()).expect("good TOML");
    let mappings: Vec<MappingSettings> = document.list("mapping");
    document.finish().expect("good mappings");
    Decoder::new(&mappings, std::slice::from_ref(&REGION)).expect("mappings that work together")
});

/// The daemon's own.
pub fn decode(topic: &str, payload: &[u8]) -> Result<Decoded, Rejection> {
    DECODER.decode(&REGION, topic, payload)
}

/// The daemon's own.
pub fn read_config(text: &str) -> Result<String, ConfigError> {
    // Of a second installation nothing comes; a sink's client wants one.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let mut document = Document::parse(Path::new("liftwatch.toml"), text.to_owned())?;
    let Settings { store, http, sessions, mappings, rules, names, notify, .. } = Settings::read(&mut document);
    document.finish()?;
    let names: BTreeSet<_> = names.into_iter().collect();
    Ok(format!("{store:?} {http:?} {sessions:?} {mappings:?} {rules:?} {names:?} {notify:?}"))
}

/// The daemon's own.
pub fn read_registry(file: &[u8]) -> Result<Vec<Unit>, Vec<LineError>> {
    liftwatch::registry_csv::parse(file)
}

/// A topic, and behind a line break a filter.
pub fn topic(decode: Decode<'_>, input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // A file ends with a line break that is not part of its topic.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let (name, filter) = text.split_once('\n').unwrap_or((text, ""));
    for payload in [r#"{"ts":"2026-11-23T04:00:00Z","type":"alarm_pressed"}"#, "{"] {
        let found = decode(name, payload.as_bytes());
        assert_eq!(found, decode(name, payload.as_bytes()), "one message, two answers");
        match found {
            Ok(decoded) => {
                understood(&decoded);
                let Decoded { address, class, .. } = &decoded;
                if topic::is_canonical(name) {
                    let written = format!("lift/v1/{}/{}/{}/{class}", address.region, address.publisher, address.unit);
                    assert_eq!(written, name, "an accepted topic is written as it was read");
                } else {
                    let taker = DECODER.taker(&REGION, name);
                    assert!(taker.is_some(), "{name:?} is read by no mapping");
                }
            }
            Err(rejection) => refused(&rejection, name),
        }
    }
    let taken = |filter: &str| topic::matches(filter, name);
    let takers = DECODER.filters(&REGION).iter().filter(|filter| taken(filter)).count();
    assert!(takers <= 1, "{name:?} would be delivered {takers} times");
    filters(name, filter);
}

fn filters(name: &str, filter: &str) {
    assert_eq!(topic::overlap(name, filter), topic::overlap(filter, name), "{name:?} and {filter:?}");
    let literal = !name.contains(['+', '#']);
    if literal && topic::check_filter(filter).is_ok() {
        assert_eq!(topic::overlap(filter, name), topic::matches(filter, name), "{filter:?} and {name:?}");
    }
}

/// A payload, under every class of the canonical form and every mapping.
pub fn payload(decode: Decode<'_>, input: &[u8]) {
    let raw = String::from_utf8_lossy(input);
    for topic in TOPICS {
        let found = decode(topic, input);
        assert_eq!(found, decode(topic, input), "one message, two answers");
        match found {
            Ok(decoded) => {
                understood(&decoded);
                kept_records_read_again(decode, topic, &decoded);
            }
            Err(rejection) => refused(&rejection, &raw),
        }
    }
}

fn understood(decoded: &Decoded) {
    let Decoded { address, facts, unknown_codes, class } = decoded;
    assert!(is_id(address.publisher.as_str()) && is_id(address.unit.as_str()), "{address:?}");
    assert_eq!(address.region, *REGION);
    assert!(!facts.is_empty(), "neither refused nor anything told");
    for code in unknown_codes {
        assert!(code.chars().count() <= LONGEST_CODE, "{code:?} is kept whole");
    }
    let record = matches!(class, Class::Visit | Class::Hazard);
    for fact in facts {
        assert_eq!(record, matches!(fact, Fact::Visit(_) | Fact::Hazard(_)), "{class} tells {fact:?}");
        match fact {
            Fact::State(state) => {
                time(state.ts);
                numbered(state.boot.as_deref(), state.last_seq);
            }
            Fact::Event(event) => {
                time(event.ts);
                if let Some(sequence) = &event.sequence {
                    numbered(Some(&sequence.boot), Some(sequence.seq));
                }
            }
            Fact::Visit(visit) => {
                time(visit.ts);
                time(visit.started_at);
                visit.ended_at.into_iter().for_each(time);
                assert!(visit.ended_at.is_none_or(|end| end >= visit.started_at));
            }
            Fact::Hazard(report) => time(report.ts),
        }
    }
}

/// The file keeps a record as text, and audits read it again.
fn kept_records_read_again(decode: Decode<'_>, topic: &str, decoded: &Decoded) {
    for fact in &decoded.facts {
        let (Fact::Visit(_) | Fact::Hazard(_)) = fact else { continue };
        let body = match fact {
            Fact::Visit(visit) => &visit.body,
            Fact::Hazard(report) => &report.body,
            _ => continue,
        };
        let again = decode(topic, body.as_bytes());
        assert_eq!(again.as_ref().ok().map(|again| &again.facts), Some(&decoded.facts), "{body} became {again:?}");
    }
}

/// What people see of a time is that time.
fn time(at: Timestamp) {
    let shown = at.to_string();
    assert_eq!(Timestamp::parse(&shown).ok(), Some(at), "{shown}");
}

/// Numbers are stored as signed, and the next one is counted on.
fn numbered(boot: Option<&str>, seq: Option<u64>) {
    assert!(boot.is_none_or(is_id), "{boot:?}");
    assert!(seq.is_none_or(|seq| seq < i64::MAX as u64), "{seq:?}");
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn refused(rejection: &Rejection, raw: &str) {
    let Rejection { reason, detail, publisher, unit } = rejection;
    assert!(!detail.is_empty() && detail.chars().count() <= LONGEST_DETAIL, "{detail:?}");
    assert!(!detail.chars().any(char::is_control), "{detail:?} shows a control character");
    // Values are shown in quotes; our own words around them may stand in what was sent by chance.
    for part in detail.split('"') {
        let chars: Vec<char> = part.chars().collect();
        let echo = chars.windows(ECHO).map(String::from_iter).find(|piece: &String| raw.contains(piece.as_str()));
        assert_eq!(echo, None, "{detail:?} shows too much of what was sent");
    }
    assert!(publisher.as_ref().is_none_or(|publisher| is_id(publisher.as_str())));
    assert!(unit.as_ref().is_none_or(|unit| is_id(unit.as_str())));
    // Those of the pipeline, which knows the registry and the file.
    let later =
        [Reason::Retained, Reason::ForeignUnit, Reason::UnknownUnit, Reason::UnregisteredOverflow, Reason::Conflict];
    assert!(!later.contains(reason), "{reason}");
}

/// A configuration file.
pub fn config(read: ReadConfig<'_>, input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Certificates and passwords are read from where the file says; a device would never end.
    if ["/dev", "/proc", "/sys"].iter().any(|place| text.contains(place)) {
        return;
    }
    let found = read(text);
    assert_eq!(found, read(text), "one file, two answers");
    let Err(error) = found else { return };
    assert!(!error.problems.is_empty(), "refused, and nothing is wrong");
    let lines = text.matches('\n').count() + 1;
    for problem in &error.problems {
        assert!(problem.line.is_some() || !problem.key.is_empty(), "{problem:?} names neither a line nor a key");
        assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem:?} of {lines} lines");
        assert!(!problem.message.is_empty(), "{problem:?}");
    }
    assert!(error.problems.is_sorted_by_key(|problem| problem.line), "{error}");
    let said = error.to_string();
    assert_eq!(said.split('\n').count(), error.problems.len(), "one line for each problem: {said:?}");
    assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?} shows a control character");
}

/// A registry file.
pub fn registry(read: ReadRegistry<'_>, input: &[u8]) {
    let found = read(input);
    assert_eq!(found, read(input), "one file, two answers");
    // A quoted cell may hold line breaks, and a lone carriage return ends a row but no line.
    let lone = |at: usize| input[at] == b'\r' && input.get(at + 1) != Some(&b'\n');
    let plain = !input.contains(&b'"') && !(0..input.len()).any(lone);
    match found {
        Ok(units) => {
            assert!(!plain || units.len() + 1 == lines(input).len(), "as many units as lines below the header");
            written_reads_again(read, &units);
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused, and nothing is wrong");
            let last = input.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            for error in &errors {
                assert!((1..=last).contains(&error.line), "{error} of {last} lines");
                assert!(error.column.as_deref().is_none_or(|column| COLUMNS.contains(&column)), "{error}");
                assert!(!error.to_string().chars().any(char::is_control), "{error:?} shows a control character");
            }
            assert!(errors.is_sorted_by_key(|error| error.line), "in the order of the lines");
            let header =
                1 + input.iter().take_while(|byte| b"\r\n".contains(byte)).filter(|byte| **byte == b'\n').count();
            if plain && errors.iter().all(|error| error.line > header as u64) {
                told_is_all_that_is_wrong(read, input, &errors);
            }
        }
    }
}

/// Lines that are not empty.
fn lines(file: &[u8]) -> Vec<&[u8]> {
    let lines = file.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty()).collect()
}

/// Without the lines that were told, the file is good: units and bad lines are all lines.
fn told_is_all_that_is_wrong(read: ReadRegistry<'_>, file: &[u8], errors: &[LineError]) {
    let bad: BTreeSet<u64> = errors.iter().map(|error| error.line).collect();
    let good = |(number, _): &(usize, &[u8])| !bad.contains(&(*number as u64 + 1));
    let rest: Vec<&[u8]> = file.split(|byte| *byte == b'\n').enumerate().filter(good).map(|(_, line)| line).collect();
    let rest = rest.join(&b'\n');
    let units = read(&rest).unwrap_or_else(|errors| panic!("without its bad lines: {errors:?}"));
    assert_eq!(units.len() + bad.len() + 1, lines(file).len(), "units, bad lines and the header are all lines");
}

/// A registry that is written from what was read is the same registry, but for the seventh decimal of a position.
fn written_reads_again(read: ReadRegistry<'_>, units: &[Unit]) {
    let mut file = Vec::new();
    liftwatch::simulate::registry_csv::write(units, &mut file).expect("memory takes everything");
    let again = read(&file).unwrap_or_else(|errors| panic!("{}: {errors:?}", String::from_utf8_lossy(&file)));
    let rounded = |unit: &Unit| {
        let round = |degrees: f64| (degrees * 1e6).round() as i64;
        let position = unit.position.map(|(latitude, longitude)| (round(latitude), round(longitude)));
        (Unit { position: None, ..unit.clone() }, position)
    };
    assert_eq!(units.iter().map(rounded).collect::<Vec<_>>(), again.iter().map(rounded).collect::<Vec<_>>());
}
