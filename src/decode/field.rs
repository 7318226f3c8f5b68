//! Reads one JSON value as what a canonical field must be, or says what is wrong with it. Strict: nothing is coerced.

use crate::decode::mapping::{Reason, Rejection, shown};
use crate::decode::tree::Node;
use crate::domain::time::Timestamp;

/// Largest whole number that every JSON reader keeps exactly, 2^53 - 1.
pub const LARGEST_WHOLE: u64 = (1 << 53) - 1;

fn wrong_type(field: &str, node: &Node<'_>, expected: &str) -> Rejection {
    Rejection::new(Reason::WrongType, format!("{field}: expected {expected}, found {}", node.kind()))
}

fn bad_value(field: &str, value: &str, expected: &str) -> Rejection {
    Rejection::new(Reason::BadValue, format!("{field}: {} is not {expected}", shown(value)))
}

/// The value of a field that must be there.
///
/// # Errors
/// [`Reason::MissingField`].
pub fn required<T>(field: &str, value: Option<T>) -> Result<T, Rejection> {
    value.ok_or_else(|| Rejection::new(Reason::MissingField, format!("{field}: missing")))
}

/// Text of 1 to `longest` characters without control characters.
///
/// # Errors
/// [`Reason::WrongType`] or [`Reason::BadValue`].
pub fn text<'n>(field: &str, node: &'n Node<'_>, longest: usize) -> Result<&'n str, Rejection> {
    let Node::Text(text) = node else { return Err(wrong_type(field, node, "text")) };
    let good = !text.is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control);
    if good {
        Ok(text)
    } else {
        let expected = format!("text of 1 to {longest} characters without control characters");
        Err(bad_value(field, text, &expected))
    }
}

/// A boot id: `[A-Za-z0-9._-]{1,64}`.
///
/// # Errors
/// [`Reason::WrongType`] or [`Reason::BadValue`].
pub fn boot<'n>(field: &str, node: &'n Node<'_>) -> Result<&'n str, Rejection> {
    let Node::Text(text) = node else { return Err(wrong_type(field, node, "text")) };
    check_boot(field, text)?;
    Ok(text)
}

/// Holds a text against the form of a boot id.
///
/// # Errors
/// [`Reason::BadValue`].
pub fn check_boot(field: &str, text: &str) -> Result<(), Rejection> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(good) {
        Ok(())
    } else {
        Err(bad_value(field, text, "an id of 1 to 64 characters from A-Z a-z 0-9 . _ -"))
    }
}

/// A word of a closed list.
///
/// # Errors
/// [`Reason::WrongType`] or [`Reason::BadValue`], with the words that are known.
pub fn word<T>(field: &str, node: &Node<'_>) -> Result<T, Rejection>
where
    T: std::str::FromStr<Err = crate::domain::vocabulary::UnknownWord>,
{
    let Node::Text(text) = node else { return Err(wrong_type(field, node, "text")) };
    text.parse().map_err(|error: crate::domain::vocabulary::UnknownWord| {
        bad_value(field, text, &format!("a known {}; known: {}", error.list, error.known))
    })
}

/// `true` or `false`.
///
/// # Errors
/// [`Reason::WrongType`].
pub fn boolean(field: &str, node: &Node<'_>) -> Result<bool, Rejection> {
    match node {
        Node::Bool(value) => Ok(*value),
        _ => Err(wrong_type(field, node, "true or false")),
    }
}

/// A whole number from 0 to 2^53 - 1.
///
/// # Errors
/// [`Reason::WrongType`] or [`Reason::BadValue`].
pub fn whole(field: &str, node: &Node<'_>) -> Result<u64, Rejection> {
    let expected = format!("a whole number from 0 to {LARGEST_WHOLE}");
    match node {
        Node::Unsigned(value) if *value <= LARGEST_WHOLE => Ok(*value),
        Node::Unsigned(value) => Err(bad_value(field, &value.to_string(), &expected)),
        Node::Negative(value) => Err(bad_value(field, &value.to_string(), &expected)),
        _ => Err(wrong_type(field, node, &expected)),
    }
}

/// RFC 3339 with a zone, or whole milliseconds since 1970.
///
/// # Errors
/// [`Reason::WrongType`], or [`Reason::BadTime`] when the text has another form or no calendar has the time.
pub fn time(field: &str, node: &Node<'_>) -> Result<Timestamp, Rejection> {
    match node {
        Node::Text(text) => Timestamp::parse(text)
            .map_err(|error| Rejection::new(Reason::BadTime, format!("{field}: {} is {error}", shown(text)))),
        Node::Unsigned(value) => millis(field, i128::from(*value)),
        Node::Negative(value) => millis(field, i128::from(*value)),
        _ => Err(wrong_type(field, node, "RFC 3339 with a zone, or whole milliseconds since 1970")),
    }
}

/// A count of milliseconds since 1970 that a calendar has (the years -9999 to 9999).
///
/// # Errors
/// [`Reason::BadTime`].
pub fn millis(field: &str, value: i128) -> Result<Timestamp, Rejection> {
    i64::try_from(value)
        .ok()
        .filter(|millis| jiff::Timestamp::from_millisecond(*millis).is_ok())
        .map(Timestamp)
        .ok_or_else(|| {
            let detail = format!("{field}: {value} milliseconds since 1970 lie outside the years -9999 to 9999");
            Rejection::new(Reason::BadTime, detail)
        })
}

/// A civil date, yyyy-mm-dd.
///
/// # Errors
/// [`Reason::WrongType`] or [`Reason::BadTime`].
pub fn date(field: &str, node: &Node<'_>) -> Result<(), Rejection> {
    let Node::Text(text) = node else { return Err(wrong_type(field, node, "a date such as 2026-12-08")) };
    // jiff reads more forms than the one we promise.
    let good = text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
    if good {
        Ok(())
    } else {
        Err(Rejection::new(Reason::BadTime, format!("{field}: {} is not a date such as 2026-12-08", shown(text))))
    }
}

/// A list of at most `most` items.
///
/// # Errors
/// [`Reason::WrongType`] or [`Reason::BadValue`].
pub fn list<'n, 'a>(field: &str, node: &'n Node<'a>, most: usize) -> Result<&'n [Node<'a>], Rejection> {
    match node {
        Node::List(items) if items.len() <= most => Ok(items),
        Node::List(items) => {
            let detail = format!("{field}: {} items; at most {most} are read", items.len());
            Err(Rejection::new(Reason::BadValue, detail))
        }
        _ => Err(wrong_type(field, node, "a list")),
    }
}

/// A list of texts.
///
/// # Errors
/// As [`list`] and [`text`]; the field is named with its index.
pub fn texts(field: &str, node: &Node<'_>, most: usize, longest: usize) -> Result<Vec<String>, Rejection> {
    let items = list(field, node, most)?.iter().enumerate();
    items.map(|(index, item)| text(&format!("{field}[{index}]"), item, longest).map(str::to_owned)).collect()
}
