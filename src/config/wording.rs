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

/// `; did you mean "x"? known: a, b` in the form that fits; empty when nothing is known.
pub fn known_names(name: &str, known: &[String]) -> String {
    if known.is_empty() {
        return String::new();
    }
    let near = known.iter().map(|other| (distance(name, other), other)).min();
    // A third of the letters wrong is a slip of the hand; more is another word.
    let hint = match near {
        Some((far, other)) if far * 3 <= name.chars().count().max(other.chars().count()) => {
            format!("; did you mean `{other}`?")
        }
        _ => ";".to_owned(),
    };
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
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
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

/// Edit distance: insertions, deletions and replacements of one character.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_slips_of_the_hand() {
        assert_eq!(distance("borker", "broker"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn names_the_nearest_key() {
        let told = in_plain_words("unknown field `paht`, expected `path`");
        assert_eq!(told.message, "unknown key; known: path");
        let told = in_plain_words("unknown field `treshold`, expected one of `enabled`, `threshold`");
        assert_eq!(told.message, "unknown key; did you mean `threshold`? known: enabled, threshold");
    }

    #[test]
    fn points_a_secret_to_its_file() {
        let told = in_plain_words("unknown field `password`, expected one of `username`, `password_file`");
        assert!(told.message.contains("`password_file`"), "{}", told.message);
    }
}
