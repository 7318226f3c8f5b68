//! JSON objects spelt in canonical form member by member, without a tree of values between.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

use crate::domain::time::Timestamp;

use super::canonical::{canonical, is_canonical};

/// The members of an object, each spelt in the canonical form of RFC 8785.
#[derive(Debug, Clone, Default)]
pub struct Members {
    /// The values, one after another.
    spelt: String,
    members: Vec<(Cow<'static, str>, Range<usize>)>,
}

impl Members {
    /// The members of an object that is made of values; nothing for a value of another kind.
    #[must_use]
    pub fn of(value: Value) -> Self {
        let mut members = Self::default();
        if let Value::Object(object) = value {
            for (name, value) in object {
                members.put(Cow::Owned(name), |spelt| append(spelt, &canonical(&value)));
            }
        }
        members
    }

    /// Adds a text.
    pub fn text(&mut self, name: &'static str, text: &str) {
        self.put(Cow::Borrowed(name), |spelt| spell(text, spelt));
    }

    /// Adds a text, or null.
    pub fn maybe(&mut self, name: &'static str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.put(Cow::Borrowed(name), |spelt| spelt.push_str("null")),
        }
    }

    /// Adds what is in canonical form already.
    pub fn raw(&mut self, name: &'static str, json: &str) {
        self.put(Cow::Borrowed(name), |spelt| spelt.push_str(json));
    }

    /// Adds a time, or null.
    pub fn time(&mut self, name: &'static str, at: Option<Timestamp>) {
        use std::fmt::Write;
        self.put(Cow::Borrowed(name), |spelt| match at {
            Some(at) => write!(spelt, "\"{at}\"").expect("a string takes everything"),
            None => spelt.push_str("null"),
        });
    }

    /// Adds what JSON text says; text that is none stands as text.
    pub fn json(&mut self, name: &'static str, text: &str) {
        self.put(Cow::Borrowed(name), |spelt| {
            if is_canonical(text) {
                spelt.push_str(text);
                return;
            }
            match serde_json::from_str::<Value>(text) {
                Ok(value) => append(spelt, &canonical(&value)),
                Err(_) => spell(text, spelt),
            }
        });
    }

    /// Adds texts as an object of its own.
    pub fn texts(&mut self, name: &'static str, texts: &[(&'static str, &str)]) {
        let mut object = Self::default();
        texts.iter().for_each(|(name, text)| object.text(name, text));
        self.put(Cow::Borrowed(name), |spelt| spelt.push_str(&object.object()));
    }

    fn put(&mut self, name: Cow<'static, str>, spell: impl FnOnce(&mut String)) {
        let start = self.spelt.len();
        spell(&mut self.spelt);
        self.members.push((name, start..self.spelt.len()));
    }

    /// How a member is spelt.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.members.iter().find(|(own, _)| own == name).map(|(_, place)| &self.spelt[place.clone()])
    }

    /// The names of all members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_ref())
    }

    /// The object in canonical form.
    #[must_use]
    pub fn object(&self) -> String {
        let mut order: Vec<&(Cow<'static, str>, Range<usize>)> = self.members.iter().collect();
        // Every name is of this program and ASCII, for which the order of UTF-16 is that of bytes.
        order.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let mut object = String::with_capacity(self.spelt.len() + 32 * order.len() + 2);
        for (name, place) in order {
            object.push(if object.is_empty() { '{' } else { ',' });
            object.push('"');
            object.push_str(name);
            object.push_str("\":");
            object.push_str(&self.spelt[place.clone()]);
        }
        if object.is_empty() {
            object.push('{');
        }
        object.push('}');
        object
    }
}

/// Spells a text: only what must be escaped is.
pub fn spell(text: &str, spelt: &mut String) {
    let simple = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(simple) {
        spelt.push('"');
        spelt.push_str(text);
        spelt.push('"');
    } else {
        append(spelt, &canonical(&Value::String(text.to_owned())));
    }
}

fn append(spelt: &mut String, json: &[u8]) {
    spelt.push_str(std::str::from_utf8(json).expect("JSON is UTF-8"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn members_stand_in_order_however_they_came() {
        let mut members = Members::of(json!({ "z": 1.0, "b": ["x", null] }));
        members.text("quote", "\"\n晋江");
        members.maybe("none", None);
        members.maybe("some", Some("s"));
        members.time("at", Some(Timestamp(0)));
        members.time("end", None);
        members.json("a", r#"{ "y": 1.50, "x": 2 }"#);
        members.json("broken", "{");
        members.texts("unit", &[("site", "s"), ("owner", "o")]);
        let expected = r#"{"a":{"x":2,"y":1.5},"at":"1970-01-01T00:00:00.000Z","b":["x",null],"broken":"{","end":null,"none":null,"quote":"\"\n晋江","some":"s","unit":{"owner":"o","site":"s"},"z":1}"#;
        assert_eq!(members.object(), expected);
        assert_eq!(members.get("b"), Some(r#"["x",null]"#));
        assert_eq!(Members::default().object(), "{}");
    }

    proptest! {
        #[test]
        fn a_text_is_spelt_as_the_canonicalizer_spells_it(text in any::<String>()) {
            let mut spelt = String::new();
            spell(&text, &mut spelt);
            prop_assert_eq!(spelt.into_bytes(), canonical(&Value::String(text)));
        }
    }
}
