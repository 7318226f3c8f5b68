//! Strict JSON: one pass from text into a `tree` that refuses duplicate keys, depth, size and numbers without a value.
//!
//! The grammar is `serde_json`'s; this file adds what it lets pass. Text is borrowed wherever it has no escapes.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::decode::mapping::{Reason, Rejection, shown};
use crate::decode::tree::{Node, Object};

/// Largest payload that is read, in bytes (docs/CONTRACT.md).
pub const LARGEST: usize = 64 * 1024;

/// Deepest nesting that is read; the canonical payloads need 3.
pub const DEEPEST: usize = 16;

/// The payload as text, if it is short enough and UTF-8.
///
/// # Errors
/// [`Reason::TooLarge`] or [`Reason::NotUtf8`], with the size or the place.
pub fn text(payload: &[u8]) -> Result<&str, Rejection> {
    if payload.len() > LARGEST {
        let detail = format!("payload of {} bytes; at most {LARGEST} are read", payload.len());
        return Err(Rejection::new(Reason::TooLarge, detail));
    }
    std::str::from_utf8(payload).map_err(|error| {
        Rejection::new(Reason::NotUtf8, format!("payload is not UTF-8 at byte {}", error.valid_up_to()))
    })
}

/// Reads one JSON object.
///
/// # Errors
/// [`Reason::BadJson`], [`Reason::DuplicateKey`] or [`Reason::TooDeep`], with the place in bytes.
pub fn parse(text: &str) -> Result<Object<'_>, Rejection> {
    let trouble = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = NodeSeed { depth: 0, trouble: &trouble };
    let parsed = seed.deserialize(&mut deserializer).and_then(|node| deserializer.end().map(|()| node));
    match parsed {
        Ok(Node::Object(object)) => Ok(object),
        Ok(other) => Err(Rejection::new(Reason::BadJson, format!("payload is {}, not a JSON object", other.kind()))),
        Err(error) => Err(refusal(text, &error, trouble.get())),
    }
}

/// The payload's fields other than `known`, as a JSON object with sorted keys; `None` when there are none.
/// Numbers keep the digits that they came with.
///
/// # Errors
/// [`Reason::BadJson`], if the text was not read by [`parse`] before.
pub fn except(text: &str, known: &dyn Fn(&str) -> bool) -> Result<Option<String>, Rejection> {
    let mut fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| refusal(text, &error, None))?;
    fields.retain(|key, _| !known(key));
    if fields.is_empty() {
        return Ok(None);
    }
    let mut out = String::new();
    write_object(&fields, &mut out).map_err(|error| refusal(text, &error, None))?;
    Ok(Some(out))
}

/// A canonical object with one more field, whose value is `value`'s canonical JSON; the field was not there before.
///
/// # Errors
/// [`Reason::BadJson`], if one of the texts is not JSON.
pub fn with(text: &str, name: &str, value: &str) -> Result<String, Rejection> {
    let mut fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| refusal(text, &error, None))?;
    fields.insert(name.to_owned(), serde_json::from_str(value).map_err(|error| refusal(value, &error, None))?);
    let mut out = String::new();
    write_object(&fields, &mut out).map_err(|error| refusal(text, &error, None))?;
    Ok(out)
}

/// The whole payload with sorted keys and no spaces: what "the same content" is judged by.
/// Numbers keep the digits that they came with, so a 20-digit code given as a number survives.
///
/// # Errors
/// [`Reason::BadJson`], if the text was not read by [`parse`] before.
pub fn sorted(text: &str) -> Result<String, Rejection> {
    let mut out = String::with_capacity(text.len());
    write_sorted(text, &mut out).map_err(|error| refusal(text, &error, None))?;
    Ok(out)
}

fn write_sorted(raw: &str, out: &mut String) -> Result<(), serde_json::Error> {
    let raw = raw.trim_matches([' ', '\t', '\n', '\r']);
    match raw.as_bytes().first() {
        Some(b'{') => write_object(&serde_json::from_str(raw)?, out)?,
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw)?;
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_sorted(item.get(), out)?;
            }
            out.push(']');
        }
        // One spelling for one text: the sender may escape it or not.
        Some(b'"') => out.push_str(&serde_json::to_string(&serde_json::from_str::<String>(raw)?)?),
        _ => out.push_str(raw),
    }
    Ok(())
}

fn write_object(fields: &BTreeMap<String, &RawValue>, out: &mut String) -> Result<(), serde_json::Error> {
    out.push('{');
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::to_string(key)?);
        out.push(':');
        write_sorted(value.get(), out)?;
    }
    out.push('}');
    Ok(())
}

fn refusal(text: &str, error: &serde_json::Error, trouble: Option<Reason>) -> Rejection {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let byte = before + error.column();
    let said = error.to_string();
    let what = said.split(" at line ").next().unwrap_or(&said);
    Rejection::new(trouble.unwrap_or(Reason::BadJson), format!("{what}, at byte {byte}"))
}

#[derive(Clone, Copy)]
struct NodeSeed<'t> {
    depth: usize,
    /// Why the reading stopped, where it was not the grammar.
    trouble: &'t Cell<Option<Reason>>,
}

impl NodeSeed<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= DEEPEST {
            self.trouble.set(Some(Reason::TooDeep));
            return Err(E::custom(format_args!("nested deeper than {DEEPEST}")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn twice<E: serde::de::Error>(self, key: &str) -> E {
        self.trouble.set(Some(Reason::DuplicateKey));
        E::custom(format_args!("key {} stands twice in one object", shown(key)))
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(u64::try_from(value).map_or(Node::Negative(value), Node::Unsigned))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node<'de>, E> {
        Ok(Node::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node<'de>, A::Error> {
        let inner = self.deeper()?;
        // Room ahead for the payload alone: thousands of small objects in one message must stay small.
        let mut object = if self.depth == 0 { Object::with_room() } else { Object::default() };
        while let Some(key) = entries.next_key_seed(KeySeed)? {
            if object.has_twice(&key) {
                return Err(self.twice(&key));
            }
            let value = entries.next_value_seed(inner)?;
            object.push(key, value);
        }
        match object.late_duplicate() {
            Some(key) => Err(self.twice(key)),
            None => Ok(Node::Object(object)),
        }
    }
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}
