//! What must never be linked, held over both lock files: the offline part of deny.toml for those without cargo-deny.

use std::path::Path;

/// Crates that must not appear, and why (deny.toml has the same list).
const BANNED: [(&str, &str); 12] = [
    ("aws-lc-sys", "one TLS provider, ring"),
    ("aws-lc-rs", "one TLS provider, ring"),
    ("openssl", "rustls alone speaks TLS"),
    ("openssl-sys", "rustls alone speaks TLS"),
    ("native-tls", "rustls alone speaks TLS"),
    ("serde_yml", "unsound and unmaintained"),
    ("serde_yaml", "unmaintained; the configuration is TOML"),
    ("backoff", "unmaintained"),
    ("figment", "unmaintained"),
    ("rs_merkle", "its tree is not RFC 6962's"),
    ("testcontainers", "tests start real parts from Debian, without containers"),
    ("rusqlite", "sqlx alone links SQLite, at a version that is asserted"),
];

/// Crates of which two versions side by side would be two worlds.
const SINGLE: [&str; 6] = ["rustls", "rustls-webpki", "ring", "libsqlite3-sys", "tokio", "serde"];

#[derive(Debug, PartialEq)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
}

fn packages(lock: &str) -> Vec<Package> {
    let lock: toml::Table = lock.parse().unwrap();
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| Package {
            name: text(package, "name").unwrap(),
            version: text(package, "version").unwrap(),
            source: text(package, "source"),
        })
        .collect()
}

fn faults(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        if let Some((_, reason)) = BANNED.iter().find(|(name, _)| *name == package.name) {
            faults.push(format!("{} is banned: {reason}", package.name));
        }
        let parts: Vec<u32> = package.version.split('.').filter_map(|part| part.parse().ok()).collect();
        if package.name == "rustls-webpki" && parts < vec![0, 103] {
            faults.push(format!("rustls-webpki {} has four advisories; 0.103 or later", package.version));
        }
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        if package.source.as_deref().is_some_and(|source| source != registry) {
            faults.push(format!("{} comes from {}", package.name, package.source.as_deref().unwrap_or("")));
        }
    }
    for name in SINGLE {
        let versions: Vec<&str> =
            packages.iter().filter(|package| package.name == name).map(|package| package.version.as_str()).collect();
        if versions.len() > 1 {
            faults.push(format!("{name} is linked {} times: {}", versions.len(), versions.join(", ")));
        }
    }
    faults
}

#[test]
fn nothing_banned_is_locked() {
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let packages = packages(&std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(lock)).unwrap());
        assert!(packages.len() > 50, "only {} packages read from {lock}", packages.len());
        assert_eq!(faults(&packages), Vec::<String>::new(), "{lock}");
    }
}

#[test]
fn the_check_itself_sees_each_fault() {
    let lock = r#"
        [[package]]
        name = "aws-lc-sys"
        version = "0.1.0"
        [[package]]
        name = "rustls"
        version = "0.22.0"
        [[package]]
        name = "rustls"
        version = "0.23.0"
        [[package]]
        name = "rustls-webpki"
        version = "0.102.8"
        source = "git+https://example.org/webpki"
    "#;
    assert_eq!(
        faults(&packages(lock)),
        [
            "aws-lc-sys is banned: one TLS provider, ring",
            "rustls-webpki 0.102.8 has four advisories; 0.103 or later",
            "rustls-webpki comes from git+https://example.org/webpki",
            "rustls is linked 2 times: 0.22.0, 0.23.0",
        ]
    );
}

/// deny.toml and this file say the same, whoever is asked.
#[test]
fn deny_toml_bans_the_same_crates() {
    let deny: toml::Table =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap().parse().unwrap();
    let listed: Vec<&str> =
        deny["bans"]["deny"].as_array().unwrap().iter().map(|ban| ban["crate"].as_str().unwrap()).collect();
    for (name, _) in BANNED {
        assert!(listed.contains(&name), "deny.toml does not ban {name}");
    }
    assert_eq!(listed.len(), BANNED.len() + 1, "deny.toml bans what this test does not: {listed:?}");
}
