//! The dashboards against Grafana's own schemas, as far as they can be had without a Grafana: the TypeScript types that
//! Grafana generates out of them, from its packages in npm. Each part of a dashboard becomes a constant of its type
//! (`tests/schema/classic.ts`), and the compiler says what is unknown, missing, or of a wrong kind.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::Spoiler;
use super::board::{boards, text};

/// The constants of one dashboard, each with the type that it must have.
struct Constants {
    text: String,
}

impl Constants {
    fn of(json: &Value) -> String {
        let mut made = Self { text: "import type * as grafana from \"./classic\";\n".to_owned() };
        let mut json = json.clone();
        for panel in taken(&mut json["panels"]) {
            made.panel(panel);
        }
        for variable in taken(&mut json["templating"]["list"]) {
            made.add(text(&variable["name"]), &format!("Variable<{}>", variable["type"]), &variable);
        }
        for annotation in taken(&mut json["annotations"]["list"]) {
            made.add(text(&annotation["name"]), "Annotation", &annotation);
        }
        made.add("dashboard", "Dashboard", &json);
        made.text
    }

    fn add(&mut self, place: &str, kind: &str, value: &Value) {
        let number = self.text.lines().count();
        write!(self.text, "// {place}\nexport const c{number}: grafana.{kind} =\n{value};\n").unwrap();
    }

    fn panel(&mut self, mut panel: Value) {
        let place = text(&panel["title"]).to_owned();
        let kind = panel["type"].clone();
        for transformation in taken(&mut panel["transformations"]) {
            self.add(&place, &format!("Transformation<{}>", transformation["id"]), &transformation);
        }
        self.mappings(&place, taken(&mut panel["fieldConfig"]["defaults"]["mappings"]));
        for part in panel["fieldConfig"]["overrides"].as_array_mut().into_iter().flatten() {
            let place = format!("{place}, {}", text(&part["matcher"]["options"]));
            for mut property in taken(&mut part["properties"]) {
                if property["id"] == "mappings" {
                    self.mappings(&place, taken(&mut property["value"]));
                } else {
                    self.add(&place, &format!("Property<{kind}, {}>", property["id"]), &property);
                }
            }
        }
        self.add(&place, &format!("Panel<{kind}>"), &panel);
    }

    fn mappings(&mut self, place: &str, mappings: Vec<Value>) {
        for mapping in mappings {
            self.add(place, &format!("Mapping<{}>", mapping["type"]), &mapping);
        }
    }
}

/// The elements of a list, which is empty afterwards.
fn taken(list: &mut Value) -> Vec<Value> {
    list.as_array_mut().map(std::mem::take).unwrap_or_default()
}

/// Grafana's names of units, as the type of a text.
fn units(packages: &Path) -> String {
    let file = packages.join("@grafana/data/dist/esm/valueFormats/categories.mjs");
    let file = std::fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("{}: {error}; tests/run installs it", file.display());
    });
    let ids: Vec<&str> = file.lines().filter_map(|line| line.trim().strip_prefix("id: ")).collect();
    assert!(ids.len() > 100, "{} units are known", ids.len());
    format!("export type UnitId = {};\n", ids.join("").trim_end_matches(',').replace(',', " | "))
}

/// What the compiler says of these dashboards: the dashboard's name, the place, the message.
fn faults(dashboards: &[(String, Value)]) -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join("target/tools/grafana/node_modules");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::os::unix::fs::symlink(&packages, folder.path().join("node_modules")).unwrap();
    write("classic.ts", include_str!("../../schema/classic.ts"));
    write("tsconfig.json", include_str!("../../schema/tsconfig.json"));
    write("units.ts", &units(&packages));
    for (name, json) in dashboards {
        write(&format!("{name}.ts"), &Constants::of(json));
    }
    let compiler = packages.join("typescript/lib/tsc.js");
    let said = Command::new("node").arg(&compiler).args(["--pretty", "false", "-p"]).arg(folder.path()).output();
    let said = said.expect("node: tests/run installs it");
    let said = String::from_utf8(said.stdout).unwrap() + &String::from_utf8(said.stderr).unwrap();
    // Continuation lines of a message begin with a blank.
    said.lines().filter(|line| !line.starts_with(' ')).map(|line| placed(folder.path(), line)).collect()
}

/// A message of the compiler with the place in the dashboard in place of a line's number.
fn placed(folder: &Path, line: &str) -> (String, String) {
    let split = || {
        let (file, rest) = line.split_once('(')?;
        let (at, message) = rest.split_once("): ")?;
        let at: usize = at.split_once(',')?.0.parse().ok()?;
        let name = file.rsplit_once('/').map_or(file, |(_, name)| name).strip_suffix(".ts")?;
        let source = std::fs::read_to_string(folder.join(format!("{name}.ts"))).ok()?;
        let place = source.lines().take(at).filter_map(|line| line.strip_prefix("// ")).last()?.to_owned();
        Some((name.to_owned(), format!("{place}: {message}")))
    };
    split().unwrap_or_else(|| panic!("not a finding: {line}"))
}

#[test]
fn every_dashboard_is_what_grafanas_schemas_say() {
    let faults = faults(&boards().into_iter().map(|board| (board.name, board.json)).collect::<Vec<_>>());
    let told: Vec<String> = faults.iter().map(|(name, fault)| format!("{name}, {fault}")).collect();
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), told.join("\n  "));
}

#[test]
fn the_schemas_see_a_wrong_member_and_a_wrong_word() {
    let spoilers: [Spoiler; 14] = [
        (|json| json["colour"] = 1.into(), "'\"colour\"' does not exist"),
        (|json| json["graphTooltip"] = 3.into(), "Type '3' is not assignable"),
        (|json| json["panels"][0]["type"] = "singlestat".into(), "'\"singlestat\"' does not satisfy"),
        (|json| json["panels"][0]["options"]["sparkline"] = true.into(), "'\"sparkline\"' does not exist"),
        (|json| json["panels"][0]["options"]["graphMode"] = "bars".into(), "Type '\"bars\"'"),
        (|json| json["panels"][0]["options"]["reduceOptions"]["calcs"][0] = "latest".into(), "Type '\"latest\"'"),
        (|json| json["panels"][0]["gridPos"]["width"] = 6.into(), "'\"width\"' does not exist"),
        (|json| json["panels"][0]["targets"][0]["query"] = "up".into(), "'\"query\"' does not exist"),
        (|json| json["panels"][0]["fieldConfig"]["defaults"]["unit"] = "seconds".into(), "Type '\"seconds\"'"),
        (|json| json["panels"][0]["fieldConfig"]["defaults"]["mappings"][0]["type"] = "values".into(), "\"values\""),
        (|json| json["panels"][4]["fieldConfig"]["overrides"][0]["properties"][0]["id"] = "width".into(), "\"width\""),
        (|json| json["panels"][4]["transformations"][1]["options"]["hide"] = true.into(), "'\"hide\"' does not exist"),
        (|json| json["panels"][5]["fieldConfig"]["defaults"]["custom"]["drawStyle"] = "lines".into(), "\"lines\""),
        (|json| json["templating"]["list"][1]["hide"] = 4.into(), "Type '4' is not assignable"),
    ];
    let good = boards().into_iter().find(|board| board.name == "city").unwrap();
    let spoil = |(at, (spoil, _)): (usize, &Spoiler)| {
        let mut json = good.json.clone();
        spoil(&mut json);
        (format!("spoilt{at}"), json)
    };
    let faults = faults(&spoilers.iter().enumerate().map(spoil).collect::<Vec<_>>());
    for (at, (_, expected)) in spoilers.iter().enumerate() {
        let own = faults.iter().filter(|(name, _)| *name == format!("spoilt{at}")).collect::<Vec<_>>();
        assert!(own.iter().any(|(_, fault)| fault.contains(expected)), "{expected} is not among {own:?}");
    }
}
