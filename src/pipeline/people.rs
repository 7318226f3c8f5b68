//! Keeps names and phones out of records: each is replaced by a commitment, so that erasing a person leaves every record
//! and every proof as it was.

use std::collections::BTreeMap;

use crate::decode::strict;
use crate::domain::visit::{Person, Sealed, VisitRecord};
use crate::ledger::commitment::{Salt, of_person};
use crate::store::visits::StoredRecord;

/// The field of a body that holds the commitments, by role.
const FIELD: &str = "people";

/// Seals a record that is to be kept: draws a salt for each person and puts the commitments into the body.
pub fn seal(record: &mut VisitRecord) {
    if record.visit.people.is_empty() {
        return;
    }
    record.sealed = record.visit.people.iter().cloned().map(sealed).collect();
    let commitments: BTreeMap<&str, String> = record
        .sealed
        .iter()
        .map(|sealed| (sealed.person.role.as_str(), of_person(&sealed.person, &sealed.salt)))
        .collect();
    let commitments = serde_json::to_string(&commitments).expect("texts by text always have a JSON form");
    record.visit.body =
        strict::with(&record.visit.body, FIELD, &commitments).expect("a body is the canonical JSON that decoding made");
}

/// A person with a fresh salt.
#[must_use]
pub fn sealed(person: Person) -> Sealed {
    Sealed { person, salt: Salt::draw().0 }
}

/// Whether a record that comes, not sealed, is the stored one. A person who has been erased may be anybody.
#[must_use]
pub fn is_same(stored: &StoredRecord, new: &VisitRecord) -> bool {
    if stored.unit != new.unit {
        return false;
    }
    let (rest, commitments) = apart(&stored.body);
    let people = &new.visit.people;
    rest == new.visit.body
        && commitments.len() == people.len()
        && people.iter().all(|person| match (commitments.get(&person.role), stored.salts.get(&person.role)) {
            (Some(told), Some(salt)) => *told == of_person(person, salt),
            (told, None) => told.is_some(),
            (None, Some(_)) => false,
        })
}

/// A stored body without its commitments, and these by role.
fn apart(body: &str) -> (String, BTreeMap<String, String>) {
    let told = serde_json::from_str::<BTreeMap<String, serde_json::Value>>(body).ok();
    let commitments = told.and_then(|mut fields| serde_json::from_value(fields.remove(FIELD)?).ok());
    match commitments {
        Some(commitments) => {
            let rest = strict::except(body, &|name| name == FIELD).ok().flatten().unwrap_or_default();
            (rest, commitments)
        }
        None => (body.to_owned(), BTreeMap::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_can_be_computed_by_anybody_who_has_person_and_salt() {
        // Computed with Python: hmac.new(bytes(32), b'{"name":"Lin","phone":"1"}', "sha256").hexdigest()
        let person = Person { role: "recorder".into(), name: Some("Lin".into()), phone: Some("1".into()) };
        assert_eq!(of_person(&person, &[0; 32]), "d9b21e41de26035300658b1704f951ed28b7d27fd918cc12064b195580fce8e3");
        let other = Person { phone: None, ..person };
        assert_ne!(of_person(&other, &[0; 32]), "d9b21e41de26035300658b1704f951ed28b7d27fd918cc12064b195580fce8e3");
    }

    #[test]
    fn two_salts_give_two_commitments() {
        let person = Person { role: "recorder".into(), name: Some("Lin".into()), phone: None };
        let of = |sealed: &Sealed| of_person(&sealed.person, &sealed.salt);
        assert_ne!(of(&sealed(person.clone())), of(&sealed(person)));
    }
}
