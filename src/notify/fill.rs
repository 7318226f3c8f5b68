//! Placeholders in settings, such as `{maintainer}`: one receiver for fifty firms. What the registry says is not trusted:
//! it is written so that it stays inside the place that it fills.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each placeholder stands for; empty where the receiver's name has none.
pub type Values = BTreeMap<String, String>;

/// The names in braces, in order.
///
/// # Errors
/// Says what is wrong with the braces.
pub fn names(text: &str) -> Result<Vec<&str>, String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            return Err("a { without its }".to_owned());
        };
        if before.contains('}') {
            return Err("a } without its {".to_owned());
        }
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            return Err(format!("{{{name}}} is no placeholder; they look like {{maintainer}}"));
        }
        names.push(name);
        rest = behind;
    }
    if rest.contains('}') { Err("a } without its {".to_owned()) } else { Ok(names) }
}

/// A text with its placeholders filled in as they are; only for what no program reads.
///
/// # Errors
/// A placeholder that has no value here.
pub fn plain(text: &str, values: &Values) -> Result<String, String> {
    fill(text, values, |value| Ok(value.to_owned()))
}

/// An address: a value can add no slash, no host, no query.
///
/// # Errors
/// A placeholder that has no value here.
pub fn url(text: &str, values: &Values) -> Result<String, String> {
    fill(text, values, |value| Ok(percent(value)))
}

/// A word of letters, digits and `. _ -`, as in the part of a mail address before the @.
///
/// # Errors
/// A placeholder without a value here, or a value with other characters.
pub fn word(text: &str, values: &Values) -> Result<String, String> {
    fill(text, values, |value| {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !value.is_empty() && value.bytes().all(good) {
            Ok(value.to_owned())
        } else {
            Err(format!("{value:?} cannot stand here: only A-Z a-z 0-9 . _ - can"))
        }
    })
}

/// A file's path: a value can neither climb nor descend.
///
/// # Errors
/// A placeholder without a value here, or a value that is no file's name.
pub fn path(path: &Path, values: &Values) -> Result<PathBuf, String> {
    let Some(text) = path.to_str() else { return Ok(path.to_owned()) };
    let filled = fill(text, values, |value| {
        if value.is_empty() || value.starts_with('.') || value.contains(['/', '\\', '\0']) {
            Err(format!("{value:?} cannot be part of a file's name"))
        } else {
            Ok(value.to_owned())
        }
    })?;
    Ok(PathBuf::from(filled))
}

/// Everything but letters, digits and `. _ - ~` as `%XX`; a lone `.` or `..` too, which would climb in an address.
#[must_use]
pub fn percent(value: &str) -> String {
    let climbs = value.bytes().all(|b| b == b'.');
    let mut written = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'~') || (byte == b'.' && !climbs) {
            written.push(char::from(byte));
        } else {
            written.push_str(&format!("%{byte:02X}"));
        }
    }
    written
}

fn fill(text: &str, values: &Values, write: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
    let mut filled = text.to_owned();
    for name in names(text)? {
        let Some(value) = values.get(name) else {
            return Err(format!("{{{name}}} stands for nothing here: the receiver's name does not have it"));
        };
        // The value is written without braces, so that it cannot be taken for a placeholder.
        let value = write(value)?.replace(['{', '}'], "_");
        filled = filled.replace(&format!("{{{name}}}"), &value);
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(value: &str) -> Values {
        [("maintainer".to_owned(), value.to_owned())].into()
    }

    #[test]
    fn a_firms_name_stays_inside_the_place_that_it_fills() {
        let address = "https://hooks.example/{maintainer}/in";
        assert_eq!(url(address, &values("a/../b?c#d@e")).unwrap(), "https://hooks.example/a%2F..%2Fb%3Fc%23d%40e/in");
        assert_eq!(url(address, &values("..")).unwrap(), "https://hooks.example/%2E%2E/in");
        assert_eq!(url(address, &values("闽")).unwrap(), "https://hooks.example/%E9%97%BD/in");
        assert!(path(Path::new("keys/{maintainer}.key"), &values("../../etc/passwd")).is_err());
        assert!(word("{maintainer}@firms.example", &values("a@b.example,c")).is_err());
        assert_eq!(plain("{maintainer}", &values("{owner}")).unwrap(), "_owner_");
    }

    #[test]
    fn braces_are_checked_and_a_placeholder_without_a_value_is_told() {
        assert_eq!(names("a{maintainer}b{site}").unwrap(), ["maintainer", "site"]);
        for bad in ["{", "}", "a}b{c}", "{}", "{A b}"] {
            assert!(names(bad).is_err(), "{bad}");
        }
        assert!(plain("{owner}", &values("a")).unwrap_err().contains("{owner} stands for nothing"));
    }
}
