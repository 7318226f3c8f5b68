//! The configuration: a folder of bad files each with its exact message, and the shipped file against the defaults.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use liftwatch::app;
use liftwatch::broker::BrokerUrl;
use liftwatch::checklists;
use liftwatch::config::sections::{Display, Http, Region, Settings, Store};
use liftwatch::config::{ConfigError, Document};
use liftwatch::decode::settings::MappingSettings;
use liftwatch::detect;
use liftwatch::notify;
use liftwatch::notify::escalation::Ladder;
use liftwatch::notify::receiver::{self, Receiver};
use liftwatch::notify::route::Route;
use liftwatch::notify::settings::Notify;
use liftwatch::notify::sinks::{alertmanager, dingtalk, email, mqtt, webhook, wecom};

fn here(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Reads a file as the daemon does.
fn read_all(mut document: Document) -> Result<app::settings::Settings, ConfigError> {
    // Of a second installation nothing comes; a sink's client wants one.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let settings = app::settings::Settings::read(&mut document);
    document.finish().map(|()| settings)
}

/// Reads the sections that no single room owns.
fn read(mut document: Document) -> Result<Settings, ConfigError> {
    let settings = Settings::read(&mut document);
    let _: toml::Table = document.section("rules");
    let _: toml::Table = document.section("maintenance");
    let _: Vec<toml::Table> = document.list("mapping");
    let _: toml::Table = document.section("ledger");
    let _: toml::Table = document.section("retention");
    let _ = notify::settings::Settings::read(&mut document);
    document.finish().map(|()| settings)
}

fn parse(text: &str) -> Result<Settings, ConfigError> {
    read(Document::parse(Path::new("liftwatch.toml"), text.to_owned())?)
}

/// `BLESS=1 cargo test` writes the messages anew; read the difference before committing it.
#[test]
fn each_bad_file_gets_its_exact_message() {
    let folder = here("tests/config/bad");
    let bless = std::env::var_os("BLESS").is_some();
    let mut tried = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        tried += 1;
        let told = match Document::load(&path).and_then(read_all) {
            Ok(_) => "no message at all".to_owned(),
            Err(error) => error.to_string().replace(&format!("{}/", folder.display()), ""),
        };
        let message = path.with_extension("txt");
        if bless {
            std::fs::write(&message, format!("{told}\n")).unwrap();
        }
        let expected = std::fs::read_to_string(&message).unwrap_or_default();
        if expected.trim_end() != told {
            wrong.push(format!("{}\n  expected: {}\n  told:     {told}", path.display(), expected.trim_end()));
        }
    }
    assert!(tried >= 25, "only {tried} bad files found in {}", folder.display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What ships is what the code does without a file: each section of it equals the section's default.
fn section_equals_default<T>(name: &str)
where
    T: serde::de::DeserializeOwned + Default + PartialEq + std::fmt::Debug,
{
    let mut document = Document::load(&here("config/liftwatch.toml")).unwrap();
    assert!(document.has(name), "config/liftwatch.toml has no [{name}]");
    let shipped: T = document.section(name);
    assert_eq!(shipped, T::default(), "[{name}] in config/liftwatch.toml is not the default of the code");
    assert_keys_shown::<T>(name);
}

/// Every key that `T` knows stands in the shipped file, in use or as `#key = …`.
fn assert_keys_shown<T: serde::de::DeserializeOwned>(name: &str) {
    let all: toml::Table = uncommented().parse().unwrap();
    let mut found = vec![toml::Value::Table(all)];
    for step in name.split('.') {
        found = found.iter().flat_map(entries).filter_map(|value| value.get(step).cloned()).collect();
    }
    let sections: Vec<toml::Value> = found.iter().flat_map(entries).collect();
    let shown: BTreeSet<&String> =
        sections.iter().filter_map(toml::Value::as_table).flat_map(toml::Table::keys).collect();
    for key in keys_of::<T>() {
        assert!(shown.contains(&key), "config/liftwatch.toml does not show {name}.{key}; it shows {shown:?}");
    }
}

/// A section itself, or every `[[…]]` of a list of them.
fn entries(value: &toml::Value) -> Vec<toml::Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

/// The shipped file with every `#key = …` in use.
fn uncommented() -> String {
    let text = std::fs::read_to_string(here("config/liftwatch.toml")).unwrap();
    let used = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(used).collect::<Vec<_>>().join("\n")
}

/// The keys of a section type, as its `deny_unknown_fields` tells them.
fn keys_of<T: serde::de::DeserializeOwned>() -> Vec<String> {
    let Err(error) = toml::from_str::<T>("no_such_key = 1") else {
        panic!("{} takes any key", std::any::type_name::<T>())
    };
    let keys: Vec<String> = error.message().split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert!(!keys.is_empty(), "no keys in {}", error.message());
    keys
}

#[test]
fn the_shipped_file_is_good_and_shows_the_defaults() {
    let shipped = read(Document::load(&here("config/liftwatch.toml")).unwrap()).unwrap();
    assert_eq!(shipped.store.path, here("config/liftwatch.db"));
    assert_eq!(shipped.http, Http::default());
    assert_eq!(shipped.display, Display::default());
    section_equals_default::<Store>("store");
    section_equals_default::<Http>("http");
    section_equals_default::<Display>("display");
    section_equals_default::<liftwatch::signer::Settings>("ledger");
    section_equals_default::<liftwatch::pipeline::retention::Settings>("retention");

    section_equals_default::<detect::IncidentSettings>("rules.incident");
    section_equals_default::<detect::repeated_fault::Settings>("rules.repeated_fault");
    section_equals_default::<detect::repeated_fault_watch::Settings>("rules.repeated_fault_watch");
    section_equals_default::<detect::repeated_entrapment::Settings>("rules.repeated_entrapment");
    section_equals_default::<detect::fault_after_repair::Settings>("rules.fault_after_repair");
    section_equals_default::<detect::critical_fault::Settings>("rules.critical_fault");
    section_equals_default::<detect::entrapment::Settings>("rules.entrapment");
    section_equals_default::<detect::over_age::Settings>("rules.over_age");
    section_equals_default::<detect::silent_unit::Settings>("rules.silent_unit");
    section_equals_default::<detect::evidence_gap::Settings>("rules.evidence_gap");
    section_equals_default::<detect::maintenance_overdue::Settings>("rules.maintenance_overdue");
    section_equals_default::<detect::visit_without_trace::Settings>("rules.visit_without_trace");
    section_equals_default::<detect::worker_in_two_places::Settings>("rules.worker_in_two_places");
    section_equals_default::<detect::visit_too_short::Settings>("rules.visit_too_short");
    section_equals_default::<checklists::Settings>("maintenance");
    let whole = read_all(Document::load(&here("config/liftwatch.toml")).unwrap()).unwrap();
    assert_eq!(whole.rules, detect::Settings::default(), "every rule stands in the shipped file");

    let least = parse("[[region]]\ncode = \"350582\"\nname = \"晋江\"\nbroker = \"mqtt://127.0.0.1\"").unwrap();
    assert_eq!(shipped.regions, least.regions);
    assert_keys_shown::<Region>("region");
    section_equals_default::<Notify>("notify");
    assert_keys_shown::<Receiver>("receiver");
    assert_keys_shown::<webhook::Settings>("receiver.webhook");
    assert_keys_shown::<alertmanager::Settings>("receiver.alertmanager");
    assert_keys_shown::<mqtt::Settings>("receiver.mqtt");
    assert_keys_shown::<email::Settings>("receiver.email");
    assert_keys_shown::<wecom::Settings>("receiver.wecom");
    assert_keys_shown::<dingtalk::Settings>("receiver.dingtalk");
    assert_keys_shown::<Route>("route");
    assert_keys_shown::<Ladder>("escalation");
}

/// What the shipped file shows of telling people is an example with every key: put to use, the daemon takes it.
#[test]
fn the_shipped_receivers_and_routes_work_when_they_are_put_to_use() {
    let text = uncommented();
    let example = &text[text.find("\n[notify]").unwrap()..text.find("\n[[mapping]]").unwrap()];
    let folder = tempfile::tempdir().unwrap();
    let secrets = ["alertmanager.password", "alerts.password", "mail.password", "wecom.key", "dingtalk.token"];
    for file in secrets {
        std::fs::write(folder.path().join(file), "p").unwrap();
    }
    std::fs::write(folder.path().join("notify.key"), [7; 32]).unwrap();
    std::fs::write(folder.path().join("dingtalk.secret"), "SECp").unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    // Certificates are another test's matter.
    let certificates = ["ca_file = \"ca.pem\"", "cert_file = \"liftwatch.pem\"", "key_file = \"liftwatch.key\""];
    let example: String =
        example.lines().filter(|line| !certificates.contains(line)).map(|line| format!("{line}\n")).collect();
    let settings = read_all(Document::parse(&folder.path().join("liftwatch.toml"), example).unwrap()).unwrap().notify;
    assert_eq!(settings.key(), Ok(Some(vec![7; 32])));
    assert_eq!(settings.notify.public_url.as_deref(), Some("https://lifts.example"));
    let names: Vec<String> = settings.receivers.iter().map(|receiver| receiver.name.to_string()).collect();
    assert_eq!(names, ["duty", "maintainer:{maintainer}"]);
    let sinks: Vec<String> = settings.receivers[0].sinks().iter().map(ToString::to_string).collect();
    assert_eq!(sinks, ["alertmanager-0", "mqtt-0", "email-0", "wecom-0", "dingtalk-0"]);
    let shown = Route { matchers: Vec::new(), ..settings.routes[0].clone() };
    let least: Route = toml::from_str("receiver = \"maintainer:{maintainer}\"\ngroup_by = [\"site\"]").unwrap();
    assert_eq!(shown, least, "what is shown is the default");
    assert_eq!(settings.ladders[0].steps.len(), 2);
}

#[test]
fn a_receiver_that_is_called_exactly_so_goes_before_one_with_a_placeholder() {
    let sink = "[[receiver.alertmanager]]\nurls = [\"http://127.0.0.1:1\"]\n";
    let names = ["firm:{maintainer}", "firm:b", "{site}"];
    let text: String = names.iter().map(|name| format!("[[receiver]]\nname = \"{name}\"\n{sink}")).collect();
    let settings = read_all(Document::parse(Path::new("x.toml"), text).unwrap()).unwrap().notify;
    for (asked, name, value) in [
        ("firm:a", "firm:{maintainer}", Some(("maintainer", "a"))),
        ("firm:b", "firm:b", None),
        ("firm:", "{site}", Some(("site", "firm:"))),
        ("other", "{site}", Some(("site", "other"))),
    ] {
        let found = receiver::find(&settings.receivers, asked).unwrap();
        assert_eq!(found.receiver.name.to_string(), name, "{asked}");
        let values = value.map(|(label, value)| (label.to_owned(), value.to_owned())).into_iter().collect();
        assert_eq!(found.values, values, "{asked}");
    }
    assert_eq!(receiver::find(&settings.receivers[..2], "other"), None);
}

/// The mapping that the shipped file shows is an example with every key: with its `#` taken away, the daemon takes it.
#[test]
fn the_shipped_mapping_works_when_it_is_put_to_use() {
    let text = uncommented();
    let example = &text[text.find("\n[[mapping]]").unwrap()..];
    for key in keys_of::<MappingSettings>() {
        assert!(example.contains(&format!("{key} = ")), "the example does not show {key}");
    }
    let region = "[[region]]\ncode = \"350582\"\nbroker = \"mqtt://127.0.0.1\"\n";
    let document = Document::parse(Path::new("liftwatch.toml"), format!("{region}{example}")).unwrap();
    let settings = read_all(document).unwrap();
    assert_eq!(settings.mappings.len(), 1);
}

#[test]
fn an_empty_file_is_the_defaults() {
    let settings = parse("").unwrap();
    assert_eq!(settings.store.path, PathBuf::from("liftwatch.db"));
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8080");
    assert!(settings.regions.is_empty());
    assert_eq!(settings.display.zone().unwrap().iana_name().unwrap_or("+08:00"), "Asia/Shanghai");
}

#[test]
fn a_broker_without_a_port_gets_the_usual_one() {
    for (text, shown) in [
        ("mqtt://broker", "mqtt://broker:1883"),
        ("mqtts://broker", "mqtts://broker:8883"),
        ("mqtts://broker:443/", "mqtts://broker:443"),
        ("mqtt://[::1]", "mqtt://[::1]:1883"),
        ("mqtts://[fe80::1]:8884", "mqtts://[fe80::1]:8884"),
    ] {
        assert_eq!(text.parse::<BrokerUrl>().unwrap().to_string(), shown);
    }
}

/// Found by `tests/fuzz config`: the parser says of this fault alone not where it is.
#[test]
fn what_is_nested_too_deep_names_its_line() {
    let dotted = vec!["a"; 500].join(".");
    let brackets = "[".repeat(500);
    for (text, line) in [
        (format!("[store]\npath = \"x\"\n[rules.{dotted}]\nx = 1\n"), 3),
        (format!("{dotted} = 1\n[store]\n"), 1),
        (format!("[store]\n\n\nx = {brackets}\n"), 4),
    ] {
        let error = parse(&text).unwrap_err();
        assert_eq!(error.problems[0].line, Some(line), "{error}");
        assert!(error.problems.iter().all(|problem| problem.line.is_some()), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_said_plainly() {
    let error = Document::load(Path::new("no/such.toml")).unwrap_err();
    assert_eq!(error.to_string(), "no/such.toml: cannot be read: No such file or directory (os error 2)");
}

#[test]
fn a_file_that_is_not_utf8_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gbk.toml");
    std::fs::write(&path, b"[store]\npath = \"\xbd\xfa\xbd\xad\"\n").unwrap();
    let error = Document::load(&path).unwrap_err().to_string();
    assert!(error.ends_with("gbk.toml:2: not UTF-8; save the file in that encoding"), "{error}");
}

/// A part that is not here yet may be a subsection: its name alone is taken, and its neighbours are refused.
#[test]
fn an_unknown_subsection_is_refused_with_the_nearest_name() {
    let text = "[rules.over_agee]\nenabled = true\n[rules.over_age]\nenabled = true\n".to_owned();
    let mut document = Document::parse(Path::new("liftwatch.toml"), text).unwrap();
    let _: toml::Table = document.section("rules.over_age");
    let error = document.finish().unwrap_err();
    assert_eq!(
        error.to_string(),
        "liftwatch.toml:1: rules.over_agee: unknown section; did you mean `over_age`? known: over_age"
    );
}

#[test]
fn a_part_refuses_its_own_key_at_the_keys_line() {
    let text = "[rules.over_age]\nenabled = true\nlimit_years = 0\n".to_owned();
    let mut document = Document::parse(Path::new("liftwatch.toml"), text).unwrap();
    let _: toml::Table = document.section("rules.over_age");
    document.refuse("rules.over_age.limit_years", "must be at least 1");
    document.refuse("rules.over_age.notice_years", "must stand below the limit");
    assert_eq!(
        document.finish().unwrap_err().to_string(),
        "liftwatch.toml:1: rules.over_age.notice_years: must stand below the limit\n\
         liftwatch.toml:3: rules.over_age.limit_years: must be at least 1"
    );
}

proptest::proptest! {
    /// However the shipped file is damaged, reading it ends, and every line that is told is one of the file's.
    #[test]
    fn a_damaged_file_is_refused_within_its_lines(at in 0.0..1.0, length in 0_usize..40, put in ".{0,12}") {
        let text = std::fs::read_to_string(here("config/liftwatch.toml")).unwrap();
        let chars: Vec<char> = text.chars().collect();
        let start = (at * chars.len() as f64) as usize;
        let end = (start + length).min(chars.len());
        let damaged: String = chars[..start].iter().copied().chain(put.chars()).chain(chars[end..].iter().copied()).collect();
        let lines = damaged.matches('\n').count() + 1;
        if let Err(error) = Document::parse(Path::new("liftwatch.toml"), damaged).and_then(read_all) {
            proptest::prop_assert!(!error.problems.is_empty());
            for problem in error.problems {
                proptest::prop_assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem:?}");
            }
        }
    }
}
