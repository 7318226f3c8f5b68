//! What several answers of the API have in common: a page, a time, JSON that is passed on as it is kept.

use crate::domain::time::Timestamp;
use crate::store::read::Page;

/// One page of a list.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct PageWire<T> {
    pub items: Vec<T>,
    /// Hand it in as `after` to go on; null on the last page.
    #[schema(required)]
    pub next: Option<String>,
}

impl<T> PageWire<T> {
    /// Turns rows into their wire form.
    pub fn of<R>(page: Page<R>, wire: impl Fn(R) -> T) -> Self {
        Self { items: page.items.into_iter().map(wire).collect(), next: page.next }
    }

    /// The same where a row may be past understanding.
    ///
    /// # Errors
    /// The first row's error.
    pub fn try_of<R, E>(page: Page<R>, wire: impl Fn(R) -> Result<T, E>) -> Result<Self, E> {
        let items = page.items.into_iter().map(wire).collect::<Result<_, E>>()?;
        Ok(Self { items, next: page.next })
    }
}

/// Milliseconds as RFC 3339 in UTC with three decimals.
#[must_use]
pub fn time(at: i64) -> String {
    Timestamp(at).to_string()
}

/// Stored JSON as JSON; what does not parse is passed on as a text, never dropped.
#[must_use]
pub fn json(text: Option<String>) -> Option<serde_json::Value> {
    text.map(|text| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)))
}
