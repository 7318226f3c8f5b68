//! A JSON value as a tree that borrows its text wherever it has no escapes. Knows neither grammar nor refusals.

use std::borrow::Cow;

/// Objects up to this size are searched for a duplicate as each key comes; larger ones are sorted at their end, so
/// that a hostile object of thousands of keys costs no quadratic time.
const FEW: usize = 16;

/// One JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    Null,
    Bool(bool),
    /// A whole number from 0 on.
    Unsigned(u64),
    /// A whole number below 0.
    Negative(i64),
    /// Any other number: with a fraction or exponent, or too large for the two above.
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Object<'a>),
}

/// One JSON object without duplicate keys, in the order of the payload.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object<'a> {
    fields: Vec<(Cow<'a, str>, Node<'a>)>,
}

impl Node<'_> {
    /// What this value is, in words for a person.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Unsigned(_) | Self::Negative(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

impl<'a> Object<'a> {
    /// Keys and values in the order of the payload.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Node<'a>)> {
        self.fields.iter().map(|(key, node)| (key.as_ref(), node))
    }

    /// The value of a key; `None` where it is missing.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The value at a JSON pointer (RFC 6901), such as `/data/0/code`.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Node<'a>> {
        let mut steps = pointer.strip_prefix('/')?.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
        let mut node = self.get(&steps.next()?)?;
        for step in steps {
            node = match node {
                Node::Object(object) => object.get(&step)?,
                Node::List(list) => list.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(node)
    }

    /// An empty object with room for what most payloads have.
    pub(super) fn with_room() -> Self {
        Self { fields: Vec::with_capacity(FEW) }
    }

    /// Whether a key that comes now is here already; asked of small objects only.
    pub(super) fn has_twice(&self, key: &str) -> bool {
        self.fields.len() < FEW && self.get(key).is_some()
    }

    pub(super) fn push(&mut self, key: Cow<'a, str>, node: Node<'a>) {
        self.fields.push((key, node));
    }

    /// A key that stands twice in an object too large for [`Object::has_twice`].
    pub(super) fn late_duplicate(&self) -> Option<&str> {
        if self.fields.len() <= FEW {
            return None;
        }
        let mut keys: Vec<&str> = self.fields.iter().map(|(key, _)| key.as_ref()).collect();
        keys.sort_unstable();
        keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}
