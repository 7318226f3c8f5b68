//! The rules of good dashboards, each a function from a file to what is wrong with it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::board::{Board, text};

/// Panels of this kind ask nothing.
const SILENT: &str = "text";

/// Everything that is wrong with a dashboard.
pub fn faults(board: &Board) -> Vec<String> {
    let mut faults = Vec::new();
    whole(board, &mut faults);
    places(board, &mut faults);
    for panel in board.panels() {
        let name = format!("{}, {}", board.name, text(&panel["title"]));
        let mut say = |what: String| faults.push(format!("{name}: {what}"));
        words(panel, &mut say);
        looks(panel, &mut say);
        queries(panel, &mut say);
    }
    faults
}

/// Has Chinese and Latin letters.
fn bilingual(words: &str) -> bool {
    words.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)) && words.chars().any(|c| c.is_ascii_alphabetic())
}

fn whole(board: &Board, faults: &mut Vec<String>) {
    let json = &board.json;
    let mut need = |holds: bool, what: &str| {
        if !holds {
            faults.push(format!("{} {what}", board.name));
        }
    };
    need(json.get("id").is_none(), "has an id");
    need(json["editable"] == Value::Bool(false), "is editable");
    need(text(&json["uid"]).starts_with("liftwatch-"), "has no fixed uid");
    need([41, 42].contains(&json["schemaVersion"].as_u64().unwrap_or(0)), "has another schemaVersion than 41 or 42");
    need(bilingual(text(&json["title"])), "title is not bilingual");
    need(bilingual(text(&json["description"])), "description is not bilingual");
    need((1..=20).contains(&board.panels().len()), "has not 1 to 20 panels");
    need(json["tags"].as_array().is_some_and(|tags| tags.contains(&"liftwatch".into())), "has no tag liftwatch");
    let links = json["links"].as_array().map_or(&[][..], Vec::as_slice);
    need(links.iter().any(|link| link["type"] == "dashboards" && link["includeVars"] == true), "has no links by tag");
    let sources: Vec<&Value> = board.variables().iter().filter(|variable| variable["type"] == "datasource").collect();
    need(sources.len() == 1 && sources[0]["name"] == "datasource", "has no variable datasource, or more than one");
    for variable in board.variables() {
        let name = text(&variable["name"]);
        need(bilingual(text(&variable["label"])), &format!("variable {name} has no bilingual label"));
        let asks = variable["type"] == "query";
        need(
            !asks || variable["datasource"]["uid"] == "${datasource}",
            &format!("variable {name} does not use ${{datasource}}"),
        );
    }
}

fn places(board: &Board, faults: &mut Vec<String>) {
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in board.panels() {
        let name = format!("{}, {}", board.name, text(&panel["title"]));
        let id = panel["id"].as_u64().unwrap_or(0);
        if id == 0 || !ids.insert(id) {
            faults.push(format!("{name}: id {id} stands twice, or is none"));
        }
        let side = |key: &str| panel["gridPos"][key].as_u64().unwrap_or(0);
        let (x, y, w, h) = (side("x"), side("y"), side("w"), side("h"));
        if w == 0 || h == 0 || x + w > 24 {
            faults.push(format!("{name}: leaves the 24 columns"));
        }
        let cells: BTreeSet<(u64, u64)> = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))).collect();
        let overlaps = cells.iter().any(|cell| taken.contains(cell));
        taken.extend(cells);
        if overlaps {
            faults.push(format!("{name}: overlaps another panel"));
        }
    }
}

fn words(panel: &Value, say: &mut impl FnMut(String)) {
    if !bilingual(text(&panel["title"])) {
        say("title is not bilingual".to_owned());
    }
    if !bilingual(text(&panel["description"])) {
        say("description is not bilingual".to_owned());
    }
}

/// Thresholds with more than one colour.
fn colours(thresholds: &Value) -> bool {
    thresholds["steps"].as_array().is_some_and(|steps| steps.len() > 1)
}

fn looks(panel: &Value, say: &mut impl FnMut(String)) {
    if panel["type"] == SILENT {
        return;
    }
    let defaults = &panel["fieldConfig"]["defaults"];
    if text(&defaults["unit"]).is_empty() {
        say("has no unit".to_owned());
    }
    // A number stands beside the colour of a stat; where the colour is all that tells good from bad, a word must too.
    let worded = |settings: &Value| settings["mappings"].as_array().is_some_and(|mappings| !mappings.is_empty());
    let numbered = ["percentunit", "s", "dtdurations", "bytes"].contains(&text(&defaults["unit"]));
    if colours(&defaults["thresholds"]) && panel["type"] == "stat" && !worded(defaults) && !numbered {
        say("tells by its colour alone".to_owned());
    }
    for part in panel["fieldConfig"]["overrides"].as_array().map_or(&[][..], Vec::as_slice) {
        let property = |id: &str| {
            part["properties"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|property| property["id"] == id)
                .map(|p| &p["value"])
        };
        if property("thresholds").is_some_and(colours) && property("mappings").is_none() && property("unit").is_none() {
            say(format!("column {} tells by its colour alone", part["matcher"]["options"]));
        }
    }
}

fn queries(panel: &Value, say: &mut impl FnMut(String)) {
    let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
    if targets.is_empty() && panel["type"] != SILENT {
        say("asks nothing".to_owned());
    }
    for target in targets {
        if target["datasource"]["uid"] != "${datasource}" || panel["datasource"]["uid"] != "${datasource}" {
            say("does not use ${datasource}".to_owned());
        }
        let expr = text(&target["expr"]);
        for fault in of_expression(expr) {
            say(format!("{expr}: {fault}"));
        }
    }
}

/// What is wrong with one expression.
fn of_expression(expr: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, _) in expr.match_indices("liftwatch_") {
        let name: String = expr[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let counts = name.ends_with("_total") || name.ends_with("_bucket");
        let rated = expr[..at].ends_with("rate(") || expr[..at].ends_with("increase(");
        if counts && !rated {
            faults.push(format!("{name} is not under rate or increase"));
        }
    }
    for (at, function) in ["rate(", "increase("].iter().flat_map(|name| expr.match_indices(name)) {
        let behind = &expr[at + function.len()..];
        let window: String = behind.chars().skip_while(|c| *c != '[').take_while(|c| *c != ']').collect();
        if window != "[$__rate_interval" {
            faults.push(format!("{window}] where [$__rate_interval] belongs"));
        }
    }
    faults
}
