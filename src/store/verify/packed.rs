//! Many rows in one: a row that the engine hands over costs more than most that is checked of it.
//!
//! Each value stands with its type and its length before it, both told by the engine, so that no value can stand for
//! others, whatever it holds.

/// An expression of SQL that spells the values of these columns.
#[must_use]
pub fn spelt(columns: &[&str]) -> String {
    let column = |name: &&str| {
        format!(
            "case typeof({name}) when 'text' then concat('t', octet_length({name}), ':', {name}) \
             when 'blob' then concat('b', length({name}), ':', cast({name} as text)) \
             when 'integer' then concat('i', {name}, ':') when 'null' then 'n:' else 'x' end"
        )
    };
    format!("concat({})", columns.iter().map(column).collect::<Vec<_>>().join(", "))
}

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Text(&'a [u8]),
    Blob(&'a [u8]),
    Integer(i64),
    Null,
}

/// Values that [`spelt`] has spelt, one after another. Each question gives `None` where something else stands.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a>(pub &'a [u8]);

impl<'a> Packed<'a> {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value.
    pub fn value(&mut self) -> Option<Value<'a>> {
        let (kind, rest) = self.0.split_first()?;
        let colon = rest.iter().take(24).position(|byte| *byte == b':')?;
        let (head, rest) = (std::str::from_utf8(&rest[..colon]).ok()?, &rest[colon + 1..]);
        let length = if matches!(kind, b't' | b'b') { head.parse().ok()? } else { 0 };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        match kind {
            b't' => Some(Value::Text(content)),
            b'b' => Some(Value::Blob(content)),
            b'i' => Some(Value::Integer(head.parse().ok()?)),
            b'n' if head.is_empty() => Some(Value::Null),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&mut self) -> Option<&'a str> {
        self.maybe_text()?
    }

    /// A text, or nothing.
    pub fn maybe_text(&mut self) -> Option<Option<&'a str>> {
        match self.value()? {
            Value::Text(text) => Some(Some(std::str::from_utf8(text).ok()?)),
            Value::Null => Some(None),
            _ => None,
        }
    }

    /// A whole number.
    pub fn integer(&mut self) -> Option<i64> {
        self.maybe_integer()?
    }

    /// A whole number, or nothing.
    pub fn maybe_integer(&mut self) -> Option<Option<i64>> {
        match self.value()? {
            Value::Integer(number) => Some(Some(number)),
            Value::Null => Some(None),
            _ => None,
        }
    }

    /// Bytes.
    pub fn blob(&mut self) -> Option<&'a [u8]> {
        self.maybe_blob()?
    }

    /// Bytes, or nothing.
    pub fn maybe_blob(&mut self) -> Option<Option<&'a [u8]>> {
        match self.value()? {
            Value::Blob(bytes) => Some(Some(bytes)),
            Value::Null => Some(None),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

    #[tokio::test]
    async fn what_the_engine_spells_is_read_back_whatever_it_holds() {
        let mut memory = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let rows =
            "values ('a:b', x'00ff3a', -5, null, 'n:t1:x'), ('', x'', 9223372036854775807, 'i1:', char(0) || '晋')";
        let expression = spelt(&["column1", "column2", "column3", "column4", "column5"]);
        let query = format!("select group_concat({expression}, '') from ({rows})");
        let bytes: Vec<u8> = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut memory).await.unwrap();
        let mut packed = Packed(&bytes);
        assert_eq!((packed.text(), packed.blob(), packed.integer()), (Some("a:b"), Some(&b"\0\xff:"[..]), Some(-5)));
        assert_eq!((packed.maybe_text(), packed.text()), (Some(None), Some("n:t1:x")));
        assert_eq!((packed.maybe_text(), packed.maybe_blob()), (Some(Some("")), Some(Some(&b""[..]))));
        assert_eq!((packed.maybe_integer(), packed.text()), (Some(Some(i64::MAX)), Some("i1:")));
        assert_eq!((packed.text(), packed.is_empty(), packed.value()), (Some("\0晋"), true, None));
    }

    #[tokio::test]
    async fn another_type_than_is_asked_for_is_not_read() {
        let mut memory = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let query = format!("select {} from (values (1.5, x'41', 'A'))", spelt(&["column1", "column2", "column3"]));
        let bytes: Vec<u8> = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut memory).await.unwrap();
        assert_eq!(Packed(&bytes).value(), None);
        let mut packed = Packed(&bytes[1..]);
        assert_eq!(packed.text(), None);
        assert_eq!(packed.blob(), None);
        assert_eq!(Packed(b"t5:abc").value(), None);
    }
}
