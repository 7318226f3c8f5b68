//! Where in a TOML file something stands: from a dotted key to its line, and from a span back to its key.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The line, counted from 1, of a byte offset; an offset past the end is the last line.
pub fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// The line, counted from 1, up to which a text must be read for `fault` to be there, for a fault that does not say where
/// it is. Asks of ever shorter beginnings of the text, as many times as its number of lines has binary digits.
pub fn line_that_brings(text: &str, fault: impl Fn(&str) -> bool) -> usize {
    let mut end = 0;
    let ends = text.split_inclusive('\n').map(|line| {
        end += line.len();
        end
    });
    let ends: Vec<usize> = ends.collect();
    1 + ends.partition_point(|end| !fault(&text[..*end])).min(ends.len().saturating_sub(1))
}

/// A path as people write it: without the positions in lists.
pub fn dotted(path: &[String]) -> String {
    let names: Vec<&str> = path.iter().map(String::as_str).filter(|step| step.parse::<usize>().is_err()).collect();
    names.join(".")
}

/// The value at a path; numbers are positions in lists, from 0.
pub fn find<'t, 'i>(root: &'t DeTable<'i>, path: &[String]) -> Option<&'t Spanned<DeValue<'i>>> {
    let (first, rest) = path.split_first()?;
    let mut value = root.get(first.as_str())?;
    for step in rest {
        value = match value.get_ref() {
            DeValue::Table(table) => table.get(step.as_str())?,
            DeValue::Array(entries) => entries.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// The line of a key, or of the nearest section around it that the file has; `None` when it has none of them.
pub fn line_of_key(root: &DeTable<'_>, text: &str, path: &[String]) -> Option<usize> {
    (1..=path.len()).rev().find_map(|depth| find(root, &path[..depth])).map(|value| line_of(text, value.span().start))
}

/// The path below `value` of the key or value that has exactly this span; empty for `value` itself.
pub fn path_of(value: &DeValue<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    match value {
        DeValue::Table(table) => table.iter().find_map(|(key, inner)| {
            let name = key.get_ref().to_string();
            if key.span() == *span {
                return Some(vec![name]);
            }
            below(name, inner, span)
        }),
        DeValue::Array(entries) => {
            entries.iter().enumerate().find_map(|(position, inner)| below(position.to_string(), inner, span))
        }
        _ => None,
    }
}

/// Deepest first: the table of `[a.b]` may bear the same span as the table `a` that it implies.
fn below(name: String, inner: &Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<Vec<String>> {
    if let Some(mut rest) = path_of(inner.get_ref(), span) {
        rest.insert(0, name);
        return Some(rest);
    }
    (inner.span() == *span).then(|| vec![name])
}

/// Takes the key at `path` out of the tables below `value`; says whether there was one.
/// An entry of a list takes the whole list with it, so that the positions of the others stay true.
pub fn remove(value: &mut DeValue<'_>, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    let DeValue::Table(table) = value else { return false };
    if let Some(inner) = table.get_mut(first.as_str())
        && remove(inner.get_mut(), rest)
    {
        return true;
    }
    table.remove(first.as_str()).is_some()
}

/// A section that nobody took: where it stands, its dotted name, and the names that its level knows.
type Untaken = (Range<usize>, String, Vec<String>);

/// Every section that was neither taken nor stands around one that was.
pub fn untaken(table: &DeTable<'_>, taken: &BTreeSet<String>, prefix: &str, found: &mut Vec<Untaken>) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        if taken.contains(&name) {
            continue;
        }
        let inside = format!("{name}.");
        match value.get_ref() {
            DeValue::Table(inner) if taken.iter().any(|other| other.starts_with(&inside)) => {
                untaken(inner, taken, &inside, found);
            }
            _ => {
                let known: BTreeSet<String> = taken
                    .iter()
                    .filter_map(|other| other.strip_prefix(prefix))
                    .map(|rest| rest.split('.').next().unwrap_or(rest).to_owned())
                    .collect();
                found.push((key.span(), name, known.into_iter().collect()));
            }
        }
    }
}
