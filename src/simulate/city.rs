//! A made-up city: who lives where, how old, whose contract. Seeded and pure; no name in it is a real firm's.

use std::collections::HashMap;

use fastrand::Rng;
use jiff::civil::Date;
use jiff::{Span, ToSpan};

use crate::domain::id::{BadId, PublisherId, RegionCode, UnitId};
use crate::domain::unit::{Unit, UnitKind};

/// Units over 15 years in use per 8,000 (docs/SOURCES.md: 143 in Jinjiang).
const OVER_AGE: (usize, usize) = (143, 8_000);

/// Share of units in their 14th and 15th year of use, for the notices that come before the age of 15.
const THIRTEEN: f64 = 0.03;
const FOURTEEN: f64 = 0.025;

/// Makers and platforms that publish; each unit belongs to one.
pub const PUBLISHERS: [&str; 6] = ["maker-a", "maker-b", "maker-c", "maker-d", "platform-e", "platform-f"];

const MAKERS: [&str; 4] = ["示例电梯甲厂", "示例电梯乙厂", "示例电梯丙厂", "示例电梯丁厂"];
const MODELS: [&str; 5] = ["DEMO-100", "DEMO-160", "DEMO-MR", "DEMO-MRL", "DEMO-H"];
const FIRST: [&str; 16] = [
    "青禾", "云栖", "海晏", "松涛", "南枝", "星屿", "锦澜", "望潮", "听泉", "枫林", "石桥", "白鹭", "晴川", "竹影",
    "荷风", "东篱",
];
const SECOND: [&str; 10] = ["一期", "二期", "三期", "东区", "西区", "南区", "北区", "里", "苑", "庭"];
const THIRD: [&str; 5] = ["小区", "花园", "公寓", "新村", "大厦"];
const FIRMS: [&str; 12] =
    ["虚一", "虚二", "虚三", "虚四", "虚五", "虚六", "虚七", "虚八", "虚九", "虚十", "虚百", "虚千"];

/// What the city is made from. The same settings give the same city.
#[derive(Debug, Clone)]
pub struct CitySettings {
    pub units: usize,
    pub seed: u64,
    pub region: RegionCode,
    /// The day on which the ages hold.
    pub today: Date,
}

/// The registry of the city.
#[derive(Debug, Clone)]
pub struct City {
    pub units: Vec<Unit>,
    /// For each unit the number of its site; units of a site share its power.
    pub sites: Vec<usize>,
}

/// How many of `units` are over 15 years in use: 143 of 8,000, and at least one.
#[must_use]
pub fn over_age_units(units: usize) -> usize {
    let (part, whole) = OVER_AGE;
    ((units * part + whole / 2) / whole).max(1).min(units)
}

/// Makes the city up.
///
/// # Errors
/// [`BadId`] never for fewer than 10^12 units; the ids are made here.
pub fn build(settings: &CitySettings) -> Result<City, BadId> {
    let mut rng = Rng::with_seed(settings.seed ^ 0x0063_6974_7900);
    let ages = ages(settings.units, &mut rng);
    let mut city = City { units: Vec::with_capacity(settings.units), sites: Vec::with_capacity(settings.units) };
    let mut serials: HashMap<String, u32> = HashMap::new();
    let mut site = Site::found(0, &mut rng);
    let (mut site_number, mut room) = (0, site.lifts);
    for (number, age) in ages.into_iter().enumerate() {
        if room == 0 {
            site_number += 1;
            site = Site::found(site_number, &mut rng);
            room = site.lifts;
        }
        let place = site.lifts - room;
        room -= 1;
        let since = settings.today.checked_sub(age).unwrap_or(settings.today);
        let mut unit = site.unit(number, place, settings, &mut rng)?;
        unit.in_service_since = Some(since);
        unit.registration_code = registration_code(&unit, since, &mut serials);
        city.units.push(unit);
        city.sites.push(site_number);
    }
    Ok(city)
}

/// Ages so far from a birthday that the counts hold for weeks after the day they were made for.
fn ages(units: usize, rng: &mut Rng) -> Vec<Span> {
    let over = over_age_units(units);
    let share = |part: f64| (units as f64 * part).round() as usize;
    let (fourteen, thirteen) = (share(FOURTEEN), share(THIRTEEN));
    let mut ages: Vec<Span> = (0..units)
        .map(|number| {
            let days = rng.i64(20..330);
            if number < over {
                rng.i64(15..24).years().days(days)
            } else if number < over + fourteen {
                14.years().days(days)
            } else if number < over + fourteen + thirteen {
                13.years().days(days)
            } else {
                rng.i64(0..13).years().days(days)
            }
        })
        .collect();
    rng.shuffle(&mut ages);
    ages
}

/// A compound with its lifts, its owner and its contract.
struct Site {
    name: String,
    street: String,
    owner: String,
    maintainer: String,
    maker: usize,
    publisher: &'static str,
    latitude: f64,
    longitude: f64,
    lifts: usize,
    stops: u32,
}

impl Site {
    fn found(number: usize, rng: &mut Rng) -> Self {
        let pick = |list: &[&'static str], rng: &mut Rng| list[rng.usize(..list.len())];
        let (first, second, third) = (pick(&FIRST, rng), pick(&SECOND, rng), pick(&THIRD, rng));
        let maker = rng.usize(..MAKERS.len());
        // Two of five compounds are watched by a maintainer's platform, the rest by their maker's.
        let publisher = if rng.f64() < 0.4 { PUBLISHERS[4 + rng.usize(..2)] } else { PUBLISHERS[maker] };
        Self {
            name: format!("{first}{second}{third}{:03}", number + 1),
            street: format!("{}路{}号", pick(&FIRST, rng), rng.u32(1..400)),
            owner: format!("{}{}物业（示例）", pick(&FIRMS, rng), pick(&FIRST, rng)),
            maintainer: format!("{}电梯维保（示例）", pick(&FIRMS, rng)),
            maker,
            publisher,
            latitude: 24.62 + rng.f64() * 0.3,
            longitude: 118.42 + rng.f64() * 0.3,
            lifts: rng.usize(4..20),
            stops: rng.u32(6..34),
        }
    }

    fn unit(&self, number: usize, place: usize, settings: &CitySettings, rng: &mut Rng) -> Result<Unit, BadId> {
        let kind = match rng.u32(..100) {
            0 => UnitKind::Hydraulic,
            1 | 2 => UnitKind::Escalator,
            _ => UnitKind::Traction,
        };
        let last_inspection = settings.today.checked_sub(rng.i64(10..360).days()).ok();
        Ok(Unit {
            id: UnitId::new(&format!("L{:06}", number + 1))?,
            registration_code: String::new(),
            region: settings.region.clone(),
            site: self.name.clone(),
            address: format!("{}{}栋{}梯", self.street, place / 2 + 1, place % 2 + 1),
            kind,
            maker: MAKERS[self.maker].to_owned(),
            model: MODELS[rng.usize(..MODELS.len())].to_owned(),
            in_service_since: None,
            owner: self.owner.clone(),
            maintainer: self.maintainer.clone(),
            publisher: Some(PublisherId::new(self.publisher)?),
            stops: Some(if kind == UnitKind::Escalator { 2 } else { self.stops }),
            position: Some((self.latitude + rng.f64() * 0.001, self.longitude + rng.f64() * 0.001)),
            maintenance_interval_days: 15,
            last_inspection,
        })
    }
}

/// Class 4, region 6, year and month 6, serial 4 (docs/SOURCES.md); the class is no real one.
fn registration_code(unit: &Unit, since: Date, serials: &mut HashMap<String, u32>) -> String {
    let class = match unit.kind {
        UnitKind::Traction => "9110",
        UnitKind::Hydraulic => "9210",
        UnitKind::Dumbwaiter => "9410",
        UnitKind::Escalator => "9310",
    };
    let start = format!("{class}{}{:04}{:02}", unit.region, since.year(), since.month());
    let serial = serials.entry(start.clone()).or_default();
    *serial += 1;
    format!("{start}{serial:04}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(units: usize) -> CitySettings {
        CitySettings {
            units,
            seed: 7,
            region: RegionCode::new("350582").unwrap(),
            today: jiff::civil::date(2026, 11, 24),
        }
    }

    fn older_than(city: &City, years: i64, today: Date) -> usize {
        let since = |unit: &&Unit| unit.in_service_since.unwrap() <= today.checked_sub(years.years()).unwrap();
        city.units.iter().filter(since).count()
    }

    #[test]
    fn has_143_of_8000_over_age_today_and_in_two_weeks() {
        let settings = settings(8_000);
        let city = build(&settings).unwrap();
        for today in [settings.today, settings.today.checked_add(14.days()).unwrap()] {
            assert_eq!(older_than(&city, 15, today), 143);
        }
        assert_eq!(older_than(&city, 14, settings.today), 143 + 200);
        assert_eq!(older_than(&city, 13, settings.today), 143 + 200 + 240);
    }

    #[test]
    fn is_the_same_for_the_same_seed_and_another_for_another() {
        let city = build(&settings(200)).unwrap();
        assert_eq!(city.units, build(&settings(200)).unwrap().units);
        assert_ne!(city.units, build(&CitySettings { seed: 8, ..settings(200) }).unwrap().units);
    }

    #[test]
    fn ids_and_registration_codes_are_unique_and_well_formed() {
        let city = build(&settings(8_000)).unwrap();
        let ids: std::collections::HashSet<_> = city.units.iter().map(|unit| unit.id.as_str()).collect();
        let codes: std::collections::HashSet<_> = city.units.iter().map(|unit| &unit.registration_code).collect();
        assert_eq!((ids.len(), codes.len()), (8_000, 8_000));
        assert!(codes.iter().all(|code| code.len() == 20));
    }

    #[test]
    fn writes_a_line_per_unit_under_the_agreed_header() {
        let city = build(&settings(3)).unwrap();
        let mut out = Vec::new();
        super::super::registry_csv::write(&city.units, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("unit,registration_code,region,site,address,kind,maker,model,in_service_since,owner,")
        );
        assert_eq!(text.lines().count(), 4);
    }
}
