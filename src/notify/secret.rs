//! Secrets are files: read once, when a sink is connected, and never shown.

use std::path::Path;

use super::fill::{self, Values};
use super::sink::SinkError;

/// The longest that a secret may be, in bytes: a file that is longer is another file.
const LONGEST: usize = 4096;

/// The file's text without the line end that editors leave; its path may hold placeholders.
///
/// # Errors
/// [`SinkError`] names the key and the file.
pub fn read(key: &'static str, file: &Path, values: &Values) -> Result<String, SinkError> {
    let file = fill::path(file, values).map_err(|problem| SinkError::new(key, problem))?;
    let wrong = |problem: String| SinkError::new(key, format!("{}: {problem}", file.display()));
    let text = std::fs::read(&file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let text = String::from_utf8(text).map_err(|_| wrong("is not text".to_owned()))?;
    let secret = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.is_empty() {
        return Err(wrong("is empty".to_owned()));
    }
    if secret.len() > LONGEST || secret.contains(['\n', '\r', '\0']) {
        return Err(wrong("must hold the secret alone, on one line".to_owned()));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_and_a_wrong_file_is_told_without_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        for (written, is) in
            [("a b\n", Some("a b")), ("a\r\n", Some("a")), ("a", Some("a")), ("", None), ("s\nt\n", None)]
        {
            std::fs::write(&file, written).unwrap();
            assert_eq!(read("key_file", &file, &Values::new()).ok().as_deref(), is, "{written:?}");
        }
        let told = read("key_file", &dir.path().join("absent"), &Values::new()).unwrap_err();
        assert!(told.to_string().starts_with("key_file: "), "{told}");
        let told = read("key_file", &file, &Values::new()).unwrap_err();
        assert!(!told.problem.contains("s\nt"));
    }
}
