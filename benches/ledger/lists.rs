//! Checklists as long as those of the regulation, which the built-in starter lists are not (docs/MAINTENANCE.md).

use liftwatch::checklists::Checklists;

/// Kinds of unit with the items of TSG T5002-2017 that a half-month's, a quarter's, half a year's and a year's visit has.
const LENGTHS: [(&str, [usize; 4]); 4] = [
    ("traction", [31, 44, 59, 76]),
    ("hydraulic", [30, 43, 52, 66]),
    ("dumbwaiter", [20, 28, 38, 52]),
    ("escalator", [33, 38, 50, 63]),
];

/// The lists; every eighth item asks for a number.
pub fn of_the_regulation() -> Checklists {
    let folder = tempfile::tempdir().unwrap();
    for (kind, lengths) in LENGTHS {
        let mut text = format!("[list]\nkind = \"{kind}\"\nversion = \"bench\"\n");
        for item in 1..=lengths[3] {
            let from = ["HM", "TM", "SM", "OY"][lengths.iter().position(|length| item <= *length).unwrap()];
            let answer = if item % 8 == 0 { "answer = \"number\"\nunit = \"mm\"" } else { "answer = \"pass_fail\"" };
            text.push_str(&format!(
                "\n[[item]]\nid = \"{from}-{item:02}\"\nfrom = \"{from}\"\nzh = \"项\"\nen = \"item\"\n{answer}\n"
            ));
        }
        std::fs::write(folder.path().join(format!("{kind}.toml")), text).unwrap();
    }
    Checklists::load(Some(folder.path())).unwrap()
}
