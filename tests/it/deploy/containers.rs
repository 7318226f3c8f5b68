//! The container files: read by Debian's docker-compose and by hadolint. Nothing is pulled, built or started here.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{shipped, swap, tool};
use crate::process::text;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Whether docker-compose takes this text for `deploy/compose.yml`.
fn taken(compose: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("compose.yml");
    std::fs::write(&file, compose).unwrap();
    let read = Command::new("docker-compose").args(["-f", text(&file), "config", "-q"]).output();
    read.expect("docker-compose: tests/run installs it").status.success()
}

#[test]
fn docker_compose_takes_the_file() {
    let compose = shipped("deploy/compose.yml");
    tool("docker-compose", &["-f", text(&root().join("deploy/compose.yml")), "config", "-q"]);
    assert!(taken(&compose));
    assert!(!taken(&swap(&compose, "stop_grace_period: 1m", "stop_grace_perod: 1m", 1)));
    assert!(!taken(&swap(&compose, "      - mosquitto:/var/lib/mosquitto", "      - mosquito:/var/lib/mosquitto", 1)));
}

#[test]
fn what_is_mounted_is_there_and_what_runs_has_a_version() {
    let compose = shipped("deploy/compose.yml");
    let mounts = compose.lines().filter_map(|line| line.trim().strip_prefix("- .")?.split_once(':'));
    let mut seen = 0;
    for (from, _) in mounts.filter(|(from, _)| !from.starts_with("/secrets/")) {
        let path = root().join("deploy").join(format!(".{from}"));
        assert!(path.exists(), "{} is mounted and not there", path.display());
        seen += 1;
    }
    assert!(seen >= 8, "{seen} mounts are looked at");
    for image in compose.lines().filter_map(|line| line.trim().strip_prefix("image: ")) {
        assert!(
            image.rsplit_once(':').is_some_and(|(_, tag)| tag.starts_with(|c: char| c.is_ascii_digit() || c == 'v')),
            "{image}"
        );
    }
    assert!(compose.contains(concat!("image: liftwatch:", env!("CARGO_PKG_VERSION"), "\n")));
}

/// What hadolint says of this Dockerfile; nothing if it is content.
fn said(dockerfile: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("Dockerfile");
    std::fs::write(&file, dockerfile).unwrap();
    let hadolint = root().join("target/tools/python/bin/hadolint");
    let output = Command::new(&hadolint).arg(&file).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}; tests/run installs it", hadolint.display()));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn hadolint_finds_nothing_and_the_image_is_nobodys() {
    let dockerfile = shipped("deploy/Dockerfile");
    assert_eq!(said(&dockerfile), "");
    assert!(dockerfile.contains("\nUSER 65532:65532\n"));
    let twin = swap(&dockerfile, "USER 65532:65532", "USER root", 1);
    assert!(said(&twin).contains("DL3002"), "an image that runs as root is not noticed: {}", said(&twin));
}

#[test]
fn what_the_image_is_built_from_is_a_whole_package() {
    let dir = tempfile::tempdir().unwrap();
    for name in shipped(".dockerignore").lines().filter_map(|line| line.strip_prefix('!')) {
        let from = root().join(name);
        tool("cp", &["-r", text(&from), text(dir.path())]);
    }
    let manifest = dir.path().join("Cargo.toml");
    tool("cargo", &["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path", text(&manifest)]);
    let here: &Path = dir.path();
    for file in ["src/main.rs", "templates/style.css", "src/store/migrations"] {
        assert!(here.join(file).exists(), "{file}");
    }
}

#[test]
fn grafana_is_given_prometheus_and_the_folder_of_dashboards() {
    let places = [("datasources", "prometheus"), ("dashboards", "liftwatch")];
    for (kind, name) in places {
        let file = root().join(format!("deploy/grafana/provisioning/{kind}/{name}.yml"));
        let script = "import sys, yaml; d = yaml.safe_load(open(sys.argv[1])); print(d['apiVersion'], *[k for k in d if k != 'apiVersion'])";
        let key = if kind == "dashboards" { "providers" } else { "datasources" };
        assert_eq!(tool("python3", &["-c", script, text(&file)]).trim(), format!("1 {key}"));
    }
    let mounted = "../dashboards:/var/lib/grafana/dashboards:ro";
    assert!(shipped("deploy/compose.yml").contains(mounted));
    assert!(
        shipped("deploy/grafana/provisioning/dashboards/liftwatch.yml").contains("path: /var/lib/grafana/dashboards\n")
    );
}
