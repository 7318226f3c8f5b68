//! The canonical form of RFC 8785: spelt from values, and recognised and taken apart where it lies, without parsing.
//!
//! Recognising says yes only when it is certain; what it cannot judge is left to whoever parses and spells anew.

use serde_json::Value;

/// Deeper values are left to the parser, which has its own limit.
const DEEPEST: usize = 32;

/// Decimal digits that every double keeps, so a number of no more is spelt as it stands.
const EXACT_DIGITS: usize = 15;

/// Zeros behind the point up to which a number is spelt without an exponent, with one to spare.
const LEADING_ZEROS: usize = 4;

/// Spells a value in canonical form.
///
/// # Panics
/// Never: a [`Value`] has string keys and finite numbers, which is all that the form asks for.
#[must_use]
pub fn canonical(value: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).expect("a JSON value has string keys and finite numbers")
}

/// Whether a text is certainly one JSON value in canonical form.
#[must_use]
pub fn is_canonical(text: &str) -> bool {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
    scan.value(0).is_some() && scan.at == text.len()
}

/// The members of an object in canonical form, in their order, each value as it is spelt; `None` when it is not certain
/// that the text is one.
#[must_use]
pub fn members(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
    let mut members = Vec::with_capacity(8);
    scan.object(0, &mut |name, value| members.push((&text[name.0..name.1], &text[value.0..value.1])))?;
    (scan.at == text.len()).then_some(members)
}

/// The elements of an array in canonical form, each as it is spelt; `None` when it is not certain that the text is one.
#[must_use]
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
    let mut elements = Vec::new();
    scan.array(0, &mut |value| elements.push(&text[value.0..value.1]))?;
    (scan.at == text.len()).then_some(elements)
}

/// The text that a canonical value spells; `None` for one with escapes, and for what is no text.
#[must_use]
pub fn plain(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('\\'))
}

/// From where to where something stands.
type Span = (usize, usize);

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => self.object(depth, &mut |_, _| {}),
            b'[' => self.array(depth, &mut |_| {}),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    /// Names must ascend, so none stands twice. Their order is that of UTF-16, which is that of bytes for ASCII alone.
    fn object(&mut self, depth: usize, take: &mut impl FnMut(Span, Span)) -> Option<()> {
        self.eat(b'{')?;
        if depth == DEEPEST {
            return None;
        }
        if self.eat(b'}').is_some() {
            return Some(());
        }
        let mut before: Option<Span> = None;
        loop {
            let start = self.at + 1;
            if !self.string()? {
                return None;
            }
            let name = (start, self.at - 1);
            if before.is_some_and(|before| self.bytes[before.0..before.1] >= self.bytes[name.0..name.1]) {
                return None;
            }
            before = Some(name);
            self.eat(b':')?;
            let start = self.at;
            self.value(depth + 1)?;
            take(name, (start, self.at));
            if self.eat(b',').is_none() {
                return self.eat(b'}');
            }
        }
    }

    fn array(&mut self, depth: usize, take: &mut impl FnMut(Span)) -> Option<()> {
        self.eat(b'[')?;
        if depth == DEEPEST {
            return None;
        }
        if self.eat(b']').is_some() {
            return Some(());
        }
        loop {
            let start = self.at;
            self.value(depth + 1)?;
            take((start, self.at));
            if self.eat(b',').is_none() {
                return self.eat(b']');
            }
        }
    }

    /// Goes past a string; says whether all of it is ASCII without an escape.
    fn string(&mut self) -> Option<bool> {
        self.eat(b'"')?;
        let mut simple = true;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(simple);
                }
                b'\\' => {
                    simple = false;
                    self.escape()?;
                }
                0..0x20 => return None,
                byte => {
                    simple &= byte.is_ascii();
                    self.at += 1;
                }
            }
        }
    }

    /// Only what must be escaped is, each in its shortest form.
    fn escape(&mut self) -> Option<()> {
        let rest = &self.bytes[self.at + 1..];
        self.at += match rest {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f', ..]
            | [b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => 6,
            _ => return None,
        };
        Some(())
    }

    /// Goes past digits, and says from where to where they stood.
    fn digits(&mut self) -> Span {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (start, self.at)
    }

    fn number(&mut self) -> Option<()> {
        let negative = self.eat(b'-').is_some();
        let (from, until) = self.digits();
        let whole = &self.bytes[from..until];
        let zero = whole == b"0";
        if whole.is_empty() || (whole[0] == b'0' && !zero) {
            return None;
        }
        let mut length = whole.len();
        if self.eat(b'.').is_some() {
            let (from, until) = self.digits();
            let part = &self.bytes[from..until];
            let zeros = part.iter().take_while(|digit| **digit == b'0').count();
            if part.last().is_none_or(|last| *last == b'0') || (zero && zeros > LEADING_ZEROS) {
                return None;
            }
            length += part.len();
        } else if negative && zero {
            return None;
        }
        let exponent = matches!(self.peek(), Some(b'e' | b'E'));
        (length <= EXACT_DIGITS && !exponent).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// What the slow way says.
    fn truly(text: &str) -> bool {
        serde_json::from_str::<Value>(text).is_ok_and(|value| canonical(&value) == text.as_bytes())
    }

    #[test]
    fn what_records_are_made_of_is_recognised() {
        for text in [
            r#"{"a":[1,-2.5,0.001,true,false,null],"b":{},"c":"晋江 \"\\\n\u001f","d":[],"workers":["w-1","w-2"]}"#,
            "0",
            "999999999999999",
            r#""""#,
        ] {
            assert!(is_canonical(text) && truly(text), "{text}");
        }
    }

    #[test]
    fn other_spellings_of_the_same_are_not() {
        for text in [
            "",
            " 1",
            "1 ",
            "-0",
            "01",
            "1.0",
            "1.50",
            "1e3",
            "0.0000001",
            "9007199254740993",
            "{\"a\":1,\"a\":1}",
            "{\"b\":1,\"a\":1}",
            "{\"a\":1,}",
            "{\"a\" :1}",
            "[1,]",
            "[1 ,2]",
            "\"\\/\"",
            "\"\\u0041\"",
            "\"\\u000a\"",
            "\"\\u001F\"",
            "\"\t\"",
            "\"open",
            "{\"a\":1",
            "[",
            "tru",
            "nul",
            "{\"a\":1}x",
            "1,2",
            ".5",
            "5.",
            "-",
        ] {
            assert!(!is_canonical(text), "{text}");
        }
        assert!(!is_canonical(&("[".repeat(40) + &"]".repeat(40))), "what is too deep is left to the parser");
    }

    #[test]
    fn an_object_is_taken_apart_where_it_lies() {
        let text = r#"{"a":{"x":[1]},"b":"t","c":["w\n",2]}"#;
        let found = members(text).unwrap();
        assert_eq!(found, [("a", r#"{"x":[1]}"#), ("b", r#""t""#), ("c", r#"["w\n",2]"#)]);
        assert_eq!(elements(found[2].1).unwrap(), [r#""w\n""#, "2"]);
        assert_eq!((plain(r#""t""#), plain(r#""w\n""#), plain("2")), (Some("t"), None, None));
        assert_eq!((members("[1]"), elements("{}"), members("{} ")), (None, None, None));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-100_000i64..100_000, 0u32..8)
                .prop_map(|(digits, places)| json!(digits as f64 / 10f64.powi(places as i32))),
            any::<f64>().prop_map(|number| json!(number)),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map("[a-z]{0,3}|.{0,3}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// A yes is never wrong, whatever one byte of a canonical text is changed to, or how it is spelt.
        #[test]
        fn a_yes_is_a_yes(value in any_json(), at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
            let spelt = String::from_utf8(canonical(&value)).unwrap();
            let loose = value.to_string();
            for text in [&spelt, &loose] {
                prop_assert!(!is_canonical(text) || truly(text), "{text}");
                let mut bytes = text.clone().into_bytes();
                let at = at.index(bytes.len());
                bytes[at] = byte;
                if let Ok(edited) = String::from_utf8(bytes) {
                    prop_assert!(!is_canonical(&edited) || truly(&edited), "{edited}");
                }
            }
        }
    }
}
