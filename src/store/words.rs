//! Reads words, ids and JSON out of rows; what this program cannot have written becomes an error that names the table.

use std::str::FromStr;

use super::error::StoreError;

/// A word of a closed list, or an id, as a row holds it.
///
/// # Errors
/// [`StoreError::Row`] names the table and what stands there.
pub fn word<T>(table: &'static str, text: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error: T::Err| StoreError::Row { table, what: error.to_string() })
}

/// A word that may be missing.
///
/// # Errors
/// [`StoreError::Row`] names the table and what stands there.
pub fn optional_word<T>(table: &'static str, text: Option<&str>) -> Result<Option<T>, StoreError>
where
    T: FromStr<Err: std::fmt::Display>,
{
    text.map(|text| word(table, text)).transpose()
}

/// A column that holds 0 or 1.
///
/// # Errors
/// [`StoreError::Row`] names the table and what stands there.
pub fn flag(table: &'static str, column: &str, value: i64) -> Result<bool, StoreError> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(StoreError::Row { table, what: format!("{column} is {other}, not 0 or 1") }),
    }
}

/// A column that holds JSON.
///
/// # Errors
/// [`StoreError::Row`] names the table and what stands there.
pub fn json<T: serde::de::DeserializeOwned>(table: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Row { table, what: error.to_string() })
}

/// JSON for a column or a list parameter.
pub fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("rows hold strings and numbers, which always serialise")
}
