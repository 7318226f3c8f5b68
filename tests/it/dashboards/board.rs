//! The dashboards' files as a test reads them.

use std::path::Path;

use serde_json::Value;

/// One file.
pub struct Board {
    pub name: String,
    pub json: Value,
}

/// Every dashboard, in order of name.
pub fn boards() -> Vec<Board> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |path: std::path::PathBuf| Board {
        name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
        json: serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap(),
    };
    files.into_iter().map(read).collect()
}

/// One query of a panel, or of an annotation.
pub struct Query {
    /// Dashboard, panel and letter.
    pub name: String,
    pub panel: String,
    pub expr: String,
    /// For now, and not for a range.
    pub instant: bool,
}

impl Board {
    pub fn panels(&self) -> &[Value] {
        self.json["panels"].as_array().map_or(&[], Vec::as_slice)
    }

    pub fn variables(&self) -> &[Value] {
        self.json["templating"]["list"].as_array().map_or(&[], Vec::as_slice)
    }

    pub fn queries(&self) -> Vec<Query> {
        let of = |panel: &Value| {
            let title = text(&panel["title"]).to_owned();
            let targets = panel["targets"].as_array().cloned().unwrap_or_default();
            let query = move |target: Value| Query {
                name: format!("{} / {title} / {}", self.name, text(&target["refId"])),
                panel: title.clone(),
                expr: text(&target["expr"]).to_owned(),
                instant: target["instant"] == Value::Bool(true),
            };
            targets.into_iter().map(query).collect::<Vec<_>>()
        };
        let annotation = |one: &Value| Query {
            name: format!("{} / annotation {}", self.name, text(&one["name"])),
            panel: String::new(),
            expr: text(&one["target"]["expr"]).to_owned(),
            instant: false,
        };
        let annotations = self.json["annotations"]["list"].as_array().map_or(&[][..], Vec::as_slice);
        self.panels().iter().flat_map(of).chain(annotations.iter().map(annotation)).collect()
    }
}

/// A text, or nothing.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
