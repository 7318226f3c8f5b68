//! Keeps names and phones out of records: each is replaced by a commitment, so that erasing a person leaves every record
//! and every proof as it was.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::decode::strict;
use crate::domain::visit::{Person, Sealed, VisitRecord};
use crate::store::visits::StoredRecord;

use super::identity::hex;

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
        .map(|sealed| (sealed.person.role.as_str(), commitment(&sealed.person, &sealed.salt)))
        .collect();
    let commitments = serde_json::to_string(&commitments).expect("texts by text always have a JSON form");
    record.visit.body =
        strict::with(&record.visit.body, FIELD, &commitments).expect("a body is the canonical JSON that decoding made");
}

/// A person with a fresh salt.
#[must_use]
pub fn sealed(person: Person) -> Sealed {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).expect("a system that has started gives random numbers");
    Sealed { person, salt }
}

/// HMAC-SHA256 under the salt over the person's canonical JSON, in hex.
#[must_use]
pub fn commitment(person: &Person, salt: &[u8]) -> String {
    let fields = [("name", &person.name), ("phone", &person.phone)];
    let given: BTreeMap<&str, &str> =
        fields.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?))).collect();
    let text = serde_json::to_string(&given).expect("texts by text always have a JSON form");
    let mut mac = Hmac::<Sha256>::new_from_slice(salt).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    hex(&mac.finalize().into_bytes())
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
            (Some(told), Some(salt)) => *told == commitment(person, salt),
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
        assert_eq!(commitment(&person, &[0; 32]), "d9b21e41de26035300658b1704f951ed28b7d27fd918cc12064b195580fce8e3");
        let other = Person { phone: None, ..person };
        assert_ne!(commitment(&other, &[0; 32]), "d9b21e41de26035300658b1704f951ed28b7d27fd918cc12064b195580fce8e3");
    }

    #[test]
    fn two_salts_give_two_commitments() {
        let person = Person { role: "recorder".into(), name: Some("Lin".into()), phone: None };
        let of = |sealed: &Sealed| commitment(&sealed.person, &sealed.salt);
        assert_ne!(of(&sealed(person.clone())), of(&sealed(person)));
    }
}
