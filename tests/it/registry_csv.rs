//! The registry file: what is read, what is refused, and where the refusal points.

use jiff::civil::date;
use liftwatch::domain::unit::{Unit, UnitKind};
use liftwatch::registry_csv::{COLUMNS, month_of_registration_code, parse};

fn units(text: &str) -> Vec<Unit> {
    parse(text.as_bytes()).unwrap()
}

fn told(text: &str) -> Vec<String> {
    parse(text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn reads_every_column() {
    let text = format!(
        "{}\nT-1,31103505822008110001,350582,东山小区,\"1号楼, 2单元\",traction,Maker,M1,2009-01-15,物业甲,维保乙,p-1,18,24.78,118.55,30,2026-05-01\n",
        COLUMNS.join(",")
    );
    let unit = units(&text).remove(0);
    assert_eq!(unit.id.as_str(), "T-1");
    assert_eq!(unit.region.as_str(), "350582");
    assert_eq!((unit.site.as_str(), unit.address.as_str()), ("东山小区", "1号楼, 2单元"));
    assert_eq!(unit.kind, UnitKind::Traction);
    assert_eq!(unit.in_service_since, Some(date(2009, 1, 15)));
    assert_eq!((unit.owner.as_str(), unit.maintainer.as_str()), ("物业甲", "维保乙"));
    assert_eq!(unit.publisher.unwrap().as_str(), "p-1");
    assert_eq!((unit.stops, unit.position), (Some(18), Some((24.78, 118.55))));
    assert_eq!((unit.maintenance_interval_days, unit.last_inspection), (30, Some(date(2026, 5, 1))));
}

#[test]
fn takes_columns_in_any_order_and_does_without_the_optional_ones() {
    let unit = units("kind,region,unit\nescalator,350582,E-1\n").remove(0);
    assert_eq!((unit.id.as_str(), unit.kind), ("E-1", UnitKind::Escalator));
    assert_eq!((unit.maintenance_interval_days, unit.publisher, unit.in_service_since), (15, None, None));
}

#[test]
fn takes_what_spreadsheets_write() {
    let read = units("\u{feff}unit,region,kind,site\r\nT-1,350582,traction,=1+1\r\n\r\nT-2, 350582 ,traction,@x\r\n");
    assert_eq!(read.len(), 2);
    assert_eq!((read[0].site.as_str(), read[1].site.as_str()), ("=1+1", "@x"));
}

#[test]
fn falls_back_to_the_month_in_the_registration_code() {
    let text = "unit,region,kind,registration_code,in_service_since\n\
        A,350582,traction,3110350582200811000A,\n\
        B,350582,traction,31103505822008110001,2010-02-03\n\
        C,350582,traction,311035058220081100,\n\
        D,350582,traction,whatever it says,\n";
    let days: Vec<_> = units(text).into_iter().map(|unit| unit.in_service_since).collect();
    assert_eq!(days, [Some(date(2008, 11, 1)), Some(date(2010, 2, 3)), None, None]);
    assert_eq!(month_of_registration_code("31103505822008130001"), None, "no thirteenth month");
    assert_eq!(month_of_registration_code("电梯电梯电梯电梯电梯2008110001"), Some(date(2008, 11, 1)));
}

#[test]
fn tells_every_bad_line_with_its_column() {
    let text = "unit,region,kind,stops,latitude,longitude,in_service_since\n\
        T 1,350582,traction,,,,\n\
        T-2,35058,lift,,,,\n\
        T-3,350582,traction,0,91,118,2009-1-5\n\
        T-4,350582,traction,9,24.7,,\n\
        T-5,350582,traction\n\
        T-6,350582,,,,NaN,2009-02-30\n\
        T-7,350582,traction,9,24.7,118.5,2009-02-28\n\
        T-7,350582,traction,9,24.7,118.5,2009-02-28\n";
    assert_eq!(
        told(text),
        [
            "line 2: unit: not an id of 1 to 64 characters from A-Z a-z 0-9 . _ -",
            "line 3: region: not a region code of six digits",
            "line 3: kind: unknown unit kind \"lift\"; known: traction, hydraulic, dumbwaiter, escalator",
            "line 4: in_service_since: not a date from 1880 to 2100 such as 2011-06-30",
            "line 4: stops: not a whole number from 1 to 500",
            "line 4: latitude: not degrees from -90 to 90, such as 24.781",
            "line 5: longitude: is empty, though there is a latitude",
            "line 6: has 3 cells, the header has 7",
            "line 7: kind: is empty",
            "line 7: in_service_since: not a date from 1880 to 2100 such as 2011-06-30",
            "line 7: longitude: not degrees from -180 to 180, such as 24.781",
            "line 9: unit: T-7 stands on line 8 already",
        ]
    );
}

/// Found by `tests/fuzz registry`: empty lines were not counted.
#[test]
fn a_line_is_the_one_that_an_editor_shows_whatever_stands_between() {
    for (text, expected) in [
        ("unit,region,kind\n\n\nT-1,350582,lift\n", &[4][..]),
        ("unit,region,kind\r\nT-1,350582,lift\r\nT-2,350582,lift\r\n", &[2, 3]),
        ("\u{feff}unit,region,kind\r\n\r\nT-1,350582,lift\r\n\r\n\r\nT-2,350582,lift", &[3, 6]),
        ("unit,region,kind,site\nT-1,350582,lift,\"a\nb\"\n\nT-2,350582,lift,\n", &[2, 2, 5]),
        ("\n\nunit,region,kind\n\nT-1,350582,traction\nT-1,350582,traction\n", &[6]),
    ] {
        let lines: Vec<u64> = parse(text.as_bytes()).unwrap_err().iter().map(|error| error.line).collect();
        assert_eq!(lines, expected, "{text:?}");
    }
    assert_eq!(told("\r\n\nunit,unit,region,kind\n"), ["line 3: unit: stands twice in the header"]);
    let twice = told("unit,region,kind\n\nT-1,350582,traction\nT-1,350582,traction\n");
    assert_eq!(twice, ["line 4: unit: T-1 stands on line 3 already"]);
}

#[test]
fn refuses_a_header_that_it_does_not_know() {
    assert_eq!(told(""), ["line 1: no header; it begins with unit,registration_code,region"]);
    let known = COLUMNS.join(", ");
    assert_eq!(
        told("unit,unit,region,colour\n"),
        [
            "line 1: unit: stands twice in the header".to_owned(),
            format!("line 1: unknown column \"colour\"; known: {known}"),
            "line 1: kind: is missing from the header".to_owned(),
        ]
    );
}

#[test]
fn names_the_cell_that_is_not_utf8() {
    let text = b"unit,region,kind,site\nT-1,350582,traction,\xbd\xfa\xbd\xad\n".as_slice();
    let errors = parse(text).unwrap_err();
    assert_eq!(errors[0].to_string(), "line 2: site: not UTF-8; save the file as \"CSV UTF-8\"");
}

#[test]
fn refuses_control_characters_and_endless_cells() {
    let long = "x".repeat(257);
    let text = format!("unit,region,kind,site\nT-1,350582,traction,\"a\nb\"\nT-2,350582,traction,{long}\n");
    assert_eq!(
        told(&text),
        ["line 2: site: holds a control character or a line break", "line 4: site: is longer than 256 characters"]
    );
}

#[test]
fn a_header_alone_is_an_empty_registry() {
    assert!(units("unit,region,kind\n").is_empty());
}

proptest::proptest! {
    /// Whatever bytes follow a good header, reading ends, and each refusal names a line of the file.
    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let mut file = b"unit,region,kind,registration_code,latitude,longitude,in_service_since\nT-1,350582,traction,".to_vec();
        let lines = 2 + body.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
        file.extend(body);
        if let Err(errors) = parse(file.as_slice()) {
            proptest::prop_assert!(!errors.is_empty());
            for error in errors {
                proptest::prop_assert!((1..=lines).contains(&error.line), "{error}");
            }
        }
    }

    #[test]
    fn any_registration_code_is_taken(code in "\\PC{0,40}") {
        let _ = month_of_registration_code(&code);
    }
}
