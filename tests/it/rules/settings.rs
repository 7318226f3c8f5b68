//! The rules' settings: the shipped file and the page about the rules say what the code does without a file.

use std::path::Path;

use liftwatch::detect::{Rules, Settings};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Section, key and value of every setting, as TOML writes them.
fn defaults() -> Vec<(String, String, toml::Value)> {
    let table = toml::Table::try_from(Settings::default()).unwrap();
    let section = |(name, value): (String, toml::Value)| {
        let toml::Value::Table(keys) = value else { panic!("{name} is no section") };
        keys.into_iter().map(move |(key, value)| (name.clone(), key, value)).collect::<Vec<_>>()
    };
    table.into_iter().flat_map(section).collect()
}

#[test]
fn the_shipped_file_has_every_setting_with_its_default() {
    let shipped: toml::Table = read("config/liftwatch.toml").parse().unwrap();
    for (section, key, value) in defaults() {
        let told = shipped["rules"].get(&section).and_then(|section| section.get(&key));
        assert_eq!(told, Some(&value), "[rules.{section}] {key}");
    }
}

#[test]
fn the_page_about_the_rules_has_a_chapter_for_each_with_every_setting_and_its_default() {
    let page = read("docs/RULES.md");
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (section, key, value) in defaults() {
        let heading = if section == "incident" { "\n## Incidents\n".to_owned() } else { format!("\n## {section}\n") };
        let (_, rest) = page.split_once(&heading).unwrap_or_else(|| panic!("no chapter {section}"));
        let chapter = flat(rest.split("\n## ").next().unwrap());
        let told = if key == "enabled" { flat(&page) } else { chapter };
        assert!(told.contains(&format!("`{key} = {value}`")), "{section}: `{key} = {value}`");
    }
    let zone = jiff::tz::TimeZone::UTC;
    for rule in Rules::new(&Settings::default(), &zone).iter() {
        assert!(page.contains(&format!("| [`{0}`](#{0}) |", rule.name())), "{} is not in the table", rule.name());
    }
}
