//! Serde's messages in the words of somebody who edits the file, with the nearest name that would have been right.

/// What to tell of a deserializer's message.
pub struct Told {
    /// In plain words.
    pub message: String,
    /// The key that is not there, for a message about one.
    pub missing: Option<String>,
}

/// Rewrites the messages that serde's derive makes; every other message is a part's own and stays as it is.
pub fn in_plain_words(message: &str) -> Told {
    let message = message.trim_end();
    if let Some(key) = message.strip_prefix("missing field ").map(|rest| rest.trim_matches('`')) {
        return Told { message: "missing, and there is no default".to_owned(), missing: Some(key.to_owned()) };
    }
    let told = if let Some(rest) = message.strip_prefix("unknown field ") {
        let mut names = quoted(rest);
        let name = if names.is_empty() { String::new() } else { names.remove(0) };
        unknown_key(&name, &names)
    } else if let Some(rest) = message.strip_prefix("unknown variant ") {
        let mut names = quoted(rest);
        let name = if names.is_empty() { String::new() } else { names.remove(0) };
        format!("unknown word {name:?}{}", known_names(&name, &names))
    } else if let Some(rest) = message.strip_prefix("invalid type: ") {
        mismatch(rest)
    } else if let Some(rest) = message.strip_prefix("invalid value: ") {
        mismatch(rest)
    } else {
        message.to_owned()
    };
    Told { message: told, missing: None }
}

/// The parser's message; where it knows nothing that could stand there, most often quotation marks are missing.
pub fn broken_toml(message: &str) -> String {
    match message.strip_suffix(", expected nothing") {
        Some(what) => format!("not TOML: {what}; a text needs quotation marks"),
        None => format!("not TOML: {message}"),
    }
}

/// `; did you mean "x"? known: a, b` in the form that fits; empty when nothing is known.
pub fn known_names(name: &str, known: &[String]) -> String {
    if known.is_empty() {
        return String::new();
    }
    // A third of the letters wrong is a slip of the hand, a part of the word an abbreviation; more is another word.
    let near = known
        .iter()
        .map(|other| (distance(name, other), other))
        .filter(|(far, other)| far * 3 <= name.chars().count().max(other.chars().count()))
        .min()
        .map(|(_, other)| other)
        .or_else(|| known.iter().find(|other| name.len() >= 3 && other.starts_with(name)));
    let hint = near.map_or(";".to_owned(), |other| format!("; did you mean `{other}`?"));
    format!("{hint} known: {}", known.join(", "))
}

fn unknown_key(name: &str, known: &[String]) -> String {
    let file_key = format!("{name}_file");
    if known.contains(&file_key) {
        return format!(
            "a secret or certificate never stands in this file; put it into a file of its own and name that file with `{file_key}`"
        );
    }
    format!("unknown key{}", known_names(name, known))
}

/// `string "x", expected u32` becomes `expected a whole number from 0, found string "x"`.
fn mismatch(rest: &str) -> String {
    let Some((found, expected)) = rest.rsplit_once(", expected ") else { return rest.to_owned() };
    let expected = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string" | "path string" => "a text in quotation marks",
        "a sequence" => "a list, [ … ]",
        other if other.starts_with("struct ") => "a section with keys",
        other => other,
    };
    format!("expected {expected}, found {found}")
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Edit distance: insertions, deletions, replacements, and swaps of two neighbours.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            table[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let replaced = table[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
                    let best = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    let swapped = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
                    if swapped { best.min(table[i - 2][j - 2] + 1) } else { best }
                }
            };
        }
    }
    table[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_slips_of_the_hand() {
        assert_eq!(distance("borker", "broker"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn names_the_nearest_key() {
        let told = in_plain_words("unknown field `paht`, expected `path`");
        assert_eq!(told.message, "unknown key; did you mean `path`? known: path");
        let told = in_plain_words("unknown field `treshold`, expected one of `enabled`, `threshold`");
        assert_eq!(told.message, "unknown key; did you mean `threshold`? known: enabled, threshold");
    }

    #[test]
    fn points_a_secret_to_its_file() {
        let told = in_plain_words("unknown field `password`, expected one of `username`, `password_file`");
        assert!(told.message.contains("`password_file`"), "{}", told.message);
    }
}
